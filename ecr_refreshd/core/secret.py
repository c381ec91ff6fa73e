"""A text that never shows itself: its `repr` and `str` are ``***``.

`reveal` is called in a handful of named places only; tests/test_architecture.py holds the list.
"""

from __future__ import annotations

import hmac


class Secret:
    """A secret text (an authorization token, as the base64 that stands in an ``auth`` field).

    Two secrets are equal when their texts are. A secret cannot be pickled, formatted or JSON-encoded.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself. Only for writing it where a client reads it."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Secret does not leave the process this way")
