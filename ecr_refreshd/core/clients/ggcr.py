"""go-containerregistry's default keychain: crane, ko, cosign, kaniko (pkg/authn/keychain.go).

Rules: one file only. If docker's config.json exists, podman's is never read; a file that cannot be parsed and a
helper that fails end the command; no keychain is looked for.
"""

from __future__ import annotations

from ecr_refreshd.core.clients.cliconfig import CliConfig, read_variable
from ecr_refreshd.core.clients.goconfig import go_config
from ecr_refreshd.core.clients.world import (
    ANONYMOUS,
    Credential,
    Finding,
    Outcome,
    Search,
    Source,
    Unreadable,
    World,
    for_whole_login,
)


def decide(world: World, host: str) -> Finding:
    """Return what crane and cosign send."""
    return _decide(world, host, Search())


def ko(world: World, host: str) -> Finding:
    """Return what ko sends where AWS gives it nothing: it has an ECR helper built in, which it asks first."""
    search = Search()
    search.note("ko asks AWS itself first, with the AWS login of its environment; this counts if that fails.")
    return _decide(world, host, search, newest=False)


def _decide(world: World, host: str, search: Search, *, newest: bool = True) -> Finding:
    path = _file(world, search, newest=newest)
    if not path:
        return search.ends(Source(), ANONYMOUS)
    loaded = load(world, path, search)
    if isinstance(loaded, Finding):
        return loaded
    closer = [key for key in (*loaded.config.entries, *loaded.config.helpers) if key.startswith(f"{host}/")]
    if closer:
        search.note(f"{', '.join(closer)} in {path} go before {host} for exactly these repositories.")
    # The whole repository's name is asked for first; a file seldom has it, but a store may answer to anything.
    names = [f"{host}/REPOSITORY", host] if loaded.config.store else [host]
    got = loaded.get(names[0], search)
    if not got.failed and not any(outcome.credential for outcome in got.outcomes) and len(names) > 1:
        got = loaded.get(host, search)
    return search.ends(got.source, *(_used(outcome) for outcome in got.outcomes))


def kaniko(world: World, host: str) -> Finding:
    """Return what kaniko sends, in whose image DOCKER_CONFIG is /kaniko/.docker and an ECR helper is built in."""
    finding = decide(world, host)
    notes = (
        "Kaniko runs in a container of its own: what counts is the config.json mounted at /kaniko/.docker.",
        "Without a credential there, kaniko's built-in ECR helper asks AWS with the pod's own role.",
    )
    return Finding(finding.steps, finding.source, finding.outcomes, (*finding.notes, *notes))


def load(world: World, path: str, search: Search, reader: str = "") -> CliConfig | Finding:
    """Read a file strictly, as docker's package does for whoever heeds its errors.

    `reader`: whose version says whether it reads DOCKER_AUTH_CONFIG, "" if nobody's.
    """
    variable = read_variable(world, search, reader, world.version(reader) if reader else None)
    data = world.read(path)
    if data is None:
        search.saw(path, "there is no such file")
        return CliConfig(world, path, go_config(b"", whole=False), variable)
    trouble = data.reason if isinstance(data, Unreadable) else ""
    config = go_config(b"" if isinstance(data, Unreadable) else data, whole=False)
    bad = " and ".join(config.undecodable)
    trouble = trouble or config.syntax or config.mistyped or (bad and f"the auth of {bad} cannot be decoded")
    if trouble:
        search.saw(path, trouble)
        return search.ends(Source(path), Outcome(error=f"{path}: {trouble}"))
    return CliConfig(world, path, config, variable)


def _file(world: World, search: Search, *, newest: bool) -> str:
    """Return the one file that is read; "" if there is none.

    `newest`: go-containerregistry 0.22 or later, which knows podman's file in the home too; ko 0.19 has 0.21.
    """
    named = world.env.get("DOCKER_CONFIG")
    home = f"{world.home}/.docker/config.json"
    docker = f"{named}/config.json" if named else home
    if world.read(home) is not None or world.read(docker) is not None:
        return docker
    search.saw(docker, "there is no such file")
    runtime = world.env.get("XDG_RUNTIME_DIR")
    config_home = world.env.get("XDG_CONFIG_HOME") or f"{world.home}/.config"
    at_home = f"{config_home}/containers/auth.json"
    podman = [world.env.get("REGISTRY_AUTH_FILE", ""), f"{runtime}/containers/auth.json" if runtime else ""]
    for path in (*podman, at_home if newest else ""):
        if path and world.read(path) is not None:
            if path == at_home:
                search.note(f"Programs with go-containerregistry before 0.22 do not look at {path}.")
            return path
        if path:
            search.saw(path, "there is no such file")
    return ""


def _used(outcome: Outcome) -> Outcome:
    """Return what is sent to a registry that asks for a password: a registry token all the same (basic.go)."""
    if outcome.credential and outcome.credential.bearer:
        return Outcome(Credential("", bearer=True))
    return for_whole_login(outcome)
