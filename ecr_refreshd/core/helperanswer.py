"""What our credential helper answers: the files that it reads its answers from.

The helper is a shell script, so the file of a token is what goes to stdout, byte for byte, and that of a refusal
is the line that goes to stderr. When either ends is the file's mtime, since a shell can compare the times of two
files without starting a program (DESIGN 6).
"""

from __future__ import annotations

import base64
import json
from datetime import datetime

from ecr_refreshd.core.dockerentry import decoded
from ecr_refreshd.core.model import Entry, EntryKind, fingerprint
from ecr_refreshd.core.secret import Secret

NOT_FOUND = "credentials not found in native keychain"
"""The one text that every client takes for "no such login" (docker-credential-helpers credentials/error.go)."""
REFUSES = ".none"
"""How the name of a refusal's file ends, after the host; no host ends so."""


def token_line(host: str, auth: Secret) -> bytes:
    """Return what the helper answers with a token.

    Args:
        host: canonical.
        auth: the base64 of ``AWS:password``.
    """
    username, password = decoded(auth.reveal())
    document = {"ServerURL": f"https://{host}", "Username": username, "Secret": password}
    return f"{json.dumps(document)}\n".encode()


def refusal_line(text: str) -> bytes:
    """Return what the helper says on stderr where it has no token."""
    return f"{' '.join(text.split())}\n".encode()


def entry_in(line: bytes, ends: datetime) -> Entry:
    """Return what an answer gives to docker, as docker would write it into a file.

    Args:
        line: the answer.
        ends: when it ends (UTC).
    """
    try:
        document = json.loads(line)
        user, password = str(document["Username"]), str(document["Secret"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return Entry(EntryKind.UNDECODABLE)
    text = base64.b64encode(f"{user}:{password}".encode("utf-8", "replace")).decode()
    return Entry(
        EntryKind.TOKEN if user == "AWS" else EntryKind.OTHER_USER, fingerprint(text), ends, Secret(text)
    )
