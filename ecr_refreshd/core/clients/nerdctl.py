"""nerdctl (pkg/imgutil/dockerconfigresolver): docker's file, and six spellings of the host in its own order.

Its login stores under ``host:443``, which docker never reads; a stale one goes before the fresh ``host``.
"""

from __future__ import annotations

from ecr_refreshd.core.clients.docker import config_path
from ecr_refreshd.core.clients.ggcr import load
from ecr_refreshd.core.clients.world import ANONYMOUS, Finding, Search, Source, World


def decide(world: World, host: str) -> Finding:
    """Return what nerdctl sends."""
    search = Search()
    loaded = load(world, config_path(world), search)
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
            return search.ends(source, *got.outcomes)
    return search.ends(source, failure)
