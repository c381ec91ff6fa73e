"""What one rewrite brings to a sink, whichever way the sink has to bring it to its clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ecr_refreshd.core.model import Refusal
from ecr_refreshd.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one rewrite is to bring to a sink; by host, all of it.

    Attributes:
        tokens: what its clients are to get, by whichever way the sink has for them.
        ends: when these tokens end (UTC).
        removed: hosts whose entries are taken out.
        answered: hosts for which our credential helper has this very token ready: clients may be sent to it.
        released: hosts whose clients are not to be sent to our helper any more.
        restored: by released host, the program that was asked before us; "" where a line named none.
        unpinned: the store that we had to name, if it is to be named no more; "" if nothing changes there.
        refusals: hosts that our helper cannot serve, and what it is to say.
    """

    tokens: Mapping[str, Secret] = field(default_factory=dict)
    ends: Mapping[str, datetime] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    answered: frozenset[str] = frozenset()
    released: frozenset[str] = frozenset()
    restored: Mapping[str, str] = field(default_factory=dict)
    unpinned: str = ""
    refusals: Mapping[str, Refusal] = field(default_factory=dict)
