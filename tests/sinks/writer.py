"""A process that writes one token, to be killed, refused and starved: PATH LOCKS AUTH [blind|late].

Answers on stdout with one JSON object. The rewrite stands between two calls that nothing else makes: marks to
count system calls from. `blind` hides the list of mounts from it; `late` lets somebody edit the file by rename
right before the exchange.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from ecr_refreshd.core.delivery import Delivery
from ecr_refreshd.core.secret import Secret
from ecr_refreshd.errors import SinkError
from ecr_refreshd.sinks import replacement
from ecr_refreshd.sinks.dockerfile import DockerFile

HOST = "724013829182.dkr.ecr.us-west-2.amazonaws.com"


def late(one: bytes, other: bytes, exchange: Callable[[bytes, bytes], None]) -> None:
    """Edit the file once, in the last moment."""
    document = json.loads(Path(os.fsdecode(other)).read_bytes())
    if "late.io" not in document["auths"]:
        document["auths"]["late.io"] = {"auth": "eDp5"}
        temporary = Path(os.fsdecode(other) + "1234")
        temporary.write_text(json.dumps(document, indent="\t"))
        temporary.chmod(0o600)
        temporary.rename(os.fsdecode(other))
    exchange(one, other)


def main() -> None:
    path, locks, auth = sys.argv[1:4]
    if sys.argv[4:] == ["blind"]:
        replacement.is_mount = lambda _: False
    if sys.argv[4:] == ["late"]:
        exchange, replacement.exchange = replacement.exchange, lambda one, other: late(one, other, exchange)
    file = DockerFile(path, locks, mode="auths")
    os.access("/mark/begin", os.F_OK)
    try:
        view = file.write(Delivery({HOST: Secret(auth)}))
        answer = {"code": "", "notes": view.notes}
    except SinkError as error:
        answer = {"code": error.code, "message": error.message, "hint": error.hint}
    os.access("/mark/end", os.F_OK)
    print(json.dumps(answer))


main()
