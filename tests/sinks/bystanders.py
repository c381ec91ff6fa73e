"""Other programs at work on the same file: `rename|place PATH COUNT PAUSE`, or `read PATH`.

`rename` adds keys as docker does: read, add, temporary file, rename. `place` truncates the file and writes it
anew. Each makes at least COUNT edits, and goes on until its stdin ends, but for 20 times COUNT at most; then it
reports on stdout how many they were and how long they took. `read` reads until its stdin ends, and reports how
often, and how often the file was missing, empty or no JSON.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
from pathlib import Path


def edit(kind: str, path: Path, count: int, pause: float) -> None:
    begin = time.monotonic()
    number = 0
    while number < count or (number < 20 * count and not select.select([sys.stdin], [], [], 0)[0]):
        document = json.loads(path.read_bytes())
        document["auths"][f"{kind}{number}.io"] = {"auth": "eDp5"}
        text = json.dumps(document, indent="\t")
        if kind == "rename":
            temporary = path.with_name(f"{path.name}{os.getpid()}")
            temporary.write_text(text)
            temporary.chmod(0o600)
            temporary.rename(path)
        else:
            with path.open("w") as stream:
                stream.write(text)
        number += 1
        time.sleep(max(0.0, begin + number * pause - time.monotonic()))
    print(json.dumps({"edits": number, "seconds": time.monotonic() - begin}))


def read(path: Path) -> None:
    reads = missing = empty = broken = 0
    while not select.select([sys.stdin], [], [], 0.0005)[0]:
        reads += 1
        try:
            data = path.read_bytes()
            empty += not data
            json.loads(data)
        except FileNotFoundError:
            missing += 1
        except ValueError:
            broken += 1
    print(json.dumps({"reads": reads, "missing": missing, "empty": empty, "broken": broken}))


if sys.argv[1] == "read":
    read(Path(sys.argv[2]))
else:
    edit(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
