"""What our credential helper answers: the file from which it reads an answer.

The helper is a shell script, so the file is lines: what goes to stdout (``-`` for a refusal), when it ends
(seconds since 1970), and for a refusal the line that goes to stderr. The same end is the file's mtime, since a
shell can compare files' times without starting a program (DESIGN 6).
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from ecr_refreshd.core.dockerentry import decoded
from ecr_refreshd.core.model import Refusal
from ecr_refreshd.core.secret import Secret

NOT_FOUND = "credentials not found in native keychain"
"""The one text that every client takes for "no such login" (docker-credential-helpers credentials/error.go)."""
_REFUSED = "-"


@dataclass(frozen=True, slots=True)
class Answer:
    """A file's content.

    Attributes:
        auth: the token, None in a refusal.
        ends: when it ends, or is not to be believed any more (UTC, whole seconds).
        refusal: why there is none, "" if there is.
    """

    auth: Secret | None
    ends: datetime
    refusal: str = ""


def token_file(host: str, auth: Secret, ends: datetime) -> bytes:
    """Return the file that answers with a token.

    Args:
        host: canonical.
        auth: the base64 of ``AWS:password``.
        ends: when it ends (UTC).
    """
    username, password = decoded(auth.reveal())
    document = {"ServerURL": f"https://{host}", "Username": username, "Secret": password}
    return f"{json.dumps(document)}\n{int(ends.timestamp())}\n".encode()


def refusal_file(refusal: Refusal) -> bytes:
    """Return the file that answers that there is no token."""
    return f"{_REFUSED}\n{int(refusal.until.timestamp())}\n{' '.join(refusal.text.split())}\n".encode()


def read(data: bytes) -> Answer | None:
    """Return what a file says, None if it is not whole: only its last line says that it is."""
    lines = data.decode("utf-8", "replace").split("\n")
    try:
        ends = datetime.fromtimestamp(int(lines[1]), UTC)
        if lines[0] == _REFUSED:
            return Answer(None, ends, lines[2]) if len(lines) == 4 else None
        document = json.loads(lines[0])
        pair = f"{document['Username']}:{document['Secret']}"
    except (IndexError, ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return None
    return Answer(Secret(base64.b64encode(pair.encode()).decode()), ends)
