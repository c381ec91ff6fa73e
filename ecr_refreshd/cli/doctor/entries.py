"""What is wrong inside docker's and podman's files: entries that are unreadable, hidden, or dead."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from ecr_refreshd.cli.doctor import pasted
from ecr_refreshd.cli.doctor.dockerfiles import DockerFile
from ecr_refreshd.cli.doctor.editing import command, deleted, logout
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.helpers import within_reach
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.cli.projects import is_project
from ecr_refreshd.core import hosts
from ecr_refreshd.core.dockerconfig import OURS, Config
from ecr_refreshd.core.dockerentry import decoded, ecr_name
from ecr_refreshd.core.jsontext import JsonError, Member
from ecr_refreshd.core.model import EntryKind
from ecr_refreshd.core.remedies import files, service
from ecr_refreshd.core.routing import Means, store_for
from ecr_refreshd.core.undecodable import mistyped
from ecr_refreshd.osutil import ownership
from ecr_refreshd.sinks.means import Machine


def broken(scene: Scene) -> Iterator[Finding]:
    """Find what keeps clients from reading a file, whosever entry it is."""
    for file in scene.files:
        if file.line:
            yield _unparsable(file)
        elif file.config is not None:
            yield from _mistyped(file, file.config)
            yield from _undecodable(file, file.config, scene)


def _unparsable(file: DockerFile) -> Finding:
    is_whole = isinstance(file.error, JsonError) and file.error.is_whole
    which = file.real if is_whole else f"line {file.line} of {file.real}"
    return Finding(
        "file.unparsable",
        Severity.ERROR,
        file.real,
        f"{file.real} does not parse{':' if is_whole else ' at'} {file.problem}.",
        "docker and podman send no login to any registry while it is so, and nothing is written to it.",
        files.unparsable(ownership.of(file.real), which).page,
        files=frozenset({file.path}),
    )


def _mistyped(file: DockerFile, config: Config) -> Iterator[Finding]:
    for found in mistyped(config) if file.dialect == "docker" else ():
        yield Finding(
            "file.mistyped",
            Severity.ERROR,
            file.real,
            f"In {file.real}, {found.what} (line {found.line}).",
            "docker then takes none of the file's logins, so that every registry is refused.",
            f"Correct line {found.line} of {file.real}.",
            files=frozenset({file.path}),
        )


def _undecodable(file: DockerFile, config: Config, scene: Scene) -> Iterator[Finding]:
    dockers = file.dialect == "docker"
    for member in config.entries():
        auth = config.fields(member).get("auth", "")
        if not auth or decoded(auth)[0]:
            continue
        host = ecr_name(member.name)
        line = file.line_of(member.start)
        if host and _is_written_anew(file, config, host, scene):
            how = pasted.followed(scene.renewal(host))
        elif login := command("login", file, member.name, scene):
            how = pasted.steps(f"{deleted(file, member)}; if that login is still needed, then", [login])
        else:
            how = deleted(file, member)
        yield Finding(
            "entry.undecodable",
            Severity.ERROR,
            member.name,
            f"The login of {member.name} in {file.real} (line {line}) is not what clients can decode: base64 of "
            "user:password.",
            "docker then takes none of the file's logins, so that every registry is refused, not only this one."
            if dockers
            else f"podman, buildah and skopeo then fail at {member.name}; the file's other logins work.",
            how,
            hosts=frozenset() if dockers else frozenset({host or member.name}),
            files=frozenset({file.path}),
        )


def _is_written_anew(file: DockerFile, config: Config, host: str, scene: Scene) -> bool:
    """Return whether a new token takes the place of what stands there: not where another helper is asked."""
    taken_over = scene.settings.docker.mode in {"helper", "both"}
    named = config.routes().helpers.get(host)
    return (
        scene.can_serve(host)
        and file.path in scene.put_into(host)
        and (named in {None, "", OURS} or taken_over)
    )


def hidden(scene: Scene) -> Iterator[Finding]:
    """Find ECR entries that some clients do not read, or read instead of the right one."""
    for file in scene.files:
        if file.config is None:
            continue
        reading = file.config.read(tuple(_ecr_hosts(file.config)))
        means = Machine(scene.shell).means(detects=file.dialect == "docker" and reading.routes.detects)
        for host, entry in reading.entries.items():
            yield from _twins(file, file.config, host, scene)
            if entry.kind is EntryKind.TOKEN:
                yield from _shadowed(file, file.config, host, means, scene)
        for key in reading.closer:
            yield _closer(file, file.config, key, scene)


def _ecr_hosts(config: Config) -> Iterator[str]:
    yield from dict.fromkeys(name for member in config.entries() if (name := ecr_name(member.name)))


def _twins(file: DockerFile, config: Config, host: str, scene: Scene) -> Iterator[Finding]:
    """Other forms of a host's name that hold another login than the name itself."""
    forms = config.forms([host])[host]
    own = [member for member in forms if member.name == host]
    right = config.fields(own[-1]).get("auth", "") if own else ""
    for member in forms:
        if member.name == host or config.fields(member).get("auth", "") == right:
            continue
        line = file.line_of(member.start)
        login = command("login", file, host, scene)
        yield Finding(
            "entry.twin",
            Severity.WARNING,
            member.name,
            f"{file.real} holds two logins for {host}: {json.dumps(member.name)} (line {line}) is another than "
            f"{json.dumps(host)}."
            if own
            else f"{file.real} holds the login of {host} only as {json.dumps(member.name)} (line {line}).",
            "Clients differ in which name they look for first, so some send the wrong login, or none.",
            pasted.followed(scene.renewal(host))
            if scene.can_serve(host)
            else deleted(file, member)
            if own or not login
            else pasted.steps(f"{deleted(file, member)}, then", [login]),
        )


def _shadowed(file: DockerFile, config: Config, host: str, means: Means, scene: Scene) -> Iterator[Finding]:
    routes = config.routes()
    named = routes.helpers.get(host)
    store = named if named is not None else store_for(routes, file.dialect, means)
    if not store or (named == OURS and (scene.settings.docker.mode == "both" or scene.refused is not None)):
        return
    if any(row["host"] == host and row.get("served_by") for row in scene.rows):
        return  # the program that is asked serves the host
    because = "" if named else " (credsStore)" if routes.store else ", which docker finds by itself"
    yield Finding(
        "entry.shadowed",
        Severity.WARNING if named == OURS else Severity.ERROR,
        host,
        f"{file.real} holds a token for {host} that {_readers(file)} do not read: they ask "
        f"docker-credential-{store}{because}.",
        "However fresh that token is, it is not what is sent.",
        _unshadowed(file, config, host, store, means, scene),
        hosts=frozenset({host}),
        files=frozenset({file.path}),
    )


def _unshadowed(file: DockerFile, config: Config, host: str, store: str, means: Means, scene: Scene) -> str:
    line = _helper_line(config, host)
    if line is not None and store != OURS:
        how = f'Delete the line "{host}" under credHelpers (line {file.line_of(line.start)} of {file.real})'
        if scene.serves(host) and not means.helper:
            how += f'; or set mode = "helper" under [docker] in {scene.config}'
        return how + ", so that the token is read." if "or set" not in how else how + "."
    if not scene.serves(host):
        return f'Delete the entry "{host}" that begins at line {_line(file, config, host)} of {file.real}.'
    if scene.settings.docker.mode == "auths":
        return pasted.steps(f'Set mode = "auto" under [docker] in {scene.config}, then', scene.renewal(host))
    return pasted.followed([*([within_reach(scene.shell)] if means.helper else []), *scene.renewal(host)])


def _readers(file: DockerFile) -> str:
    return "docker and compose" if file.dialect == "docker" else "podman, buildah and skopeo"


def _line(file: DockerFile, config: Config, host: str) -> int:
    return min(file.line_of(member.start) for member in config.forms([host])[host])


def _helper_line(config: Config, host: str) -> Member | None:
    for owner in config.objects("credhelpers"):
        for member in owner.members:
            if member.name == host:
                return member
    return None


def _closer(file: DockerFile, config: Config, key: str, scene: Scene) -> Finding:
    # podman takes a login out of any file that it is told of, docker's too.
    how = command("logout", replace(file, dialect="containers"), key, scene)
    members = [member for member in config.entries() if member.name == key]
    return Finding(
        "entry.closer",
        Severity.WARNING,
        key,
        f"{file.real} holds another login for {key}, which podman, buildah and skopeo take for all below it.",
        "Pulls from there do not use the token that is kept fresh.",
        how or deleted(file, *members),
    )


def dead(scene: Scene) -> Iterator[Finding]:
    """Find tokens that have ended in the files of registries that are kept."""
    for file in scene.files:
        if file.config is None:
            continue
        for host, entry in file.config.read(tuple(_ecr_hosts(file.config))).entries.items():
            ends = entry.expires_hint
            if entry.kind is not EntryKind.TOKEN or ends is None or ends > scene.now:
                continue
            public = host in hosts.PUBLIC_HOSTS
            yield Finding(
                "token.expired",
                Severity.ERROR,
                host,
                f"The token of {host} in {file.real} has ended.",
                "Pulls that need no login are refused with it too." if public else "docker pull answers 403.",
                pasted.followed(scene.renewal(host))
                if scene.serves(host)
                else logout(file, file.config, host, scene),
                hosts=frozenset({host}),
                files=frozenset({file.path}),
            )


def none_kept(scene: Scene) -> Iterator[Finding]:
    """Find that there is nothing to do at all."""
    if scene.registries or scene.rows or scene.aws is None or scene.refused is not None:
        return
    begin = (
        pasted.steps(
            f"Look for registries in the files of this folder, and add what helps to {scene.config}",
            [pasted.ours("init --scan .", scene)],
        )
        if is_project()
        else service.add_registry(str(scene.config)).page
    )
    yield Finding(
        "registry.none",
        Severity.WARNING,
        str(scene.config),
        "No ECR registry is in docker's or podman's files, and none is configured.",
        "There is nothing to keep fresh.",
        begin,
    )
