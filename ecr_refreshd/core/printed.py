"""What a `credential_process` printed when a person started it, and which command line that was."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ecr_refreshd.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Printed:
    """What a program printed in a person's terminal.

    Attributes:
        output: all of it.
        command: the digest of its command line: under the same profile's name another may have another program.
    """

    output: Secret
    command: str


def digest(argv: Sequence[str]) -> str:
    """Return the SHA-256 of a command line, in hex: it may name secrets, so it is not passed on itself."""
    return hashlib.sha256("\0".join(argv).encode("utf-8", "surrogateescape")).hexdigest()
