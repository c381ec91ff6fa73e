"""nerdctl (pkg/imgutil/dockerconfigresolver): docker's file, and six spellings of the host in its own order.

Its login stores under ``host:443``, which docker never reads; a stale one goes before the fresh ``host``. What
ends the search need not be sent: an identity token goes before user and password, and a registry that asks for a
password never gets it.
"""

from __future__ import annotations

from ecr_refreshd.core.clients.docker import config_path
from ecr_refreshd.core.clients.ggcr import load
from ecr_refreshd.core.clients.world import (
    ANONYMOUS,
    Finding,
    Outcome,
    Search,
    Source,
    World,
    for_whole_login,
)


def decide(world: World, host: str) -> Finding:
    """Return what nerdctl sends."""
    search = Search()
    loaded = load(world, config_path(world), search, "nerdctl")
    if isinstance(loaded, Finding):
        return loaded
    source, failure = Source(loaded.path), ANONYMOUS
    for key in (
        f"{host}:443",
        f"https://{host}:443",
        f"http://{host}:443",
        host,
        f"https://{host}",
        f"http://{host}",
    ):
        got = loaded.get(key, search)
        # Only the last spelling's failure is told (Retrieve keeps one error).
        source, failure = got.source, got.outcomes[0] if got.failed else ANONYMOUS
        if any(outcome.credential for outcome in got.outcomes):
            return search.ends(source, *map(_sent, got.outcomes))
    return search.ends(source, failure)


def _sent(outcome: Outcome) -> Outcome:
    identity = outcome.credential and outcome.credential.identity
    return ANONYMOUS if identity else for_whole_login(outcome)
