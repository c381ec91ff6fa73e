"""Find what a docker config or DOCKER_AUTH_CONFIG holds and docker never reads, or does not understand."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from ecr_refreshd.cli.doctor import starting
from ecr_refreshd.cli.doctor.dockerfiles import DockerFile
from ecr_refreshd.cli.doctor.finding import Finding, Severity
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.dockerconfig import OURS, Config
from ecr_refreshd.core.dockerentry import decoded, ecr_name
from ecr_refreshd.core.hosts import bare
from ecr_refreshd.core.jsontext import JsonError, Member, folded
from ecr_refreshd.core.remedies import Remedy, helpers

_KNOWS_ONLY = {
    "ecr-login": "Amazon ECR",
    OURS: "Amazon ECR",
    "gcr": "Google's registries",
    "gcloud": "Google's registries",
    "acr-env": "Azure's registries",
    "acr-linux": "Azure's registries",
    "acr-login": "Azure's registries",
}
"""Programs that answer for the registries of one vendor, and keep no login of anybody else."""
_VARIABLE = "DOCKER_AUTH_CONFIG"
_HUB = "https://index.docker.io/v1/"


def is_pattern(key: str) -> bool:
    """Return whether a key under ``credHelpers`` is meant as a pattern; docker compares whole names."""
    return bool(re.search(r"[*?\[\]]", key))


def matches_nothing(key: str) -> bool:
    """Return whether no client looks a key under ``credHelpers`` up: it compares whole, lower-case host names.

    Docker Hub alone has its old address for a name.
    """
    if is_pattern(key) or (key != ecr_name(key) != ""):
        return True
    return key != _HUB and (
        key.startswith(("http://", "https://")) or key.endswith("/") or key != key.lower()
    )


def patterns(scene: Scene) -> Iterator[Finding]:
    """Find keys under ``credHelpers`` that match nothing: docker knows no patterns (docker/cli#2928)."""
    for file in scene.files:
        if file.config is None:
            continue
        for owner in file.config.objects("credhelpers"):
            for member in owner.members:
                if member.value and matches_nothing(member.name):
                    yield _pattern(file, file.config, member, scene)


def _pattern(file: DockerFile, config: Config, member: Member, scene: Scene) -> Finding:
    line = file.line_of(member.start)
    known = dict.fromkeys([*scene.registries, *config.read(()).ecr_hosts])
    if is_pattern(member.name):
        shape = re.escape(member.name).replace(r"\*", ".*").replace(r"\?", ".")
        meant = [host for host in known if re.fullmatch(shape, host)]
    else:
        meant = [bare(member.name)]
    hosts = [host for host in meant if host not in config.routes().helpers]
    program = str(member.value)
    return Finding(
        "helper.pattern",
        Severity.WARNING,
        member.name,
        f"{file.real} (line {line}): credHelpers names {json.dumps(member.name)}, and docker compares whole "
        "names only, so it matches no registry.",
        f"docker never asks docker-credential-{member.value} because of that line.",
        helpers.exact_hosts(
            f"{file.real} (line {line})",
            program,
            hosts,
            answers=not starting.started(f"docker-credential-{program}", scene.shell).problem,
        ).page,
    )


def hidden_logins(scene: Scene) -> Iterator[Finding]:
    """Find logins beside a ``credsStore`` whose program knows the registries of one vendor only."""
    for file in scene.files:
        if file.config is None or file.dialect != "docker":
            continue
        routes = file.config.routes()
        vendor = _KNOWS_ONLY.get(routes.store, "")
        if not vendor:
            continue
        hidden = [
            member.name
            for member in file.config.entries()
            if member.name not in routes.helpers
            and not _is_of(vendor, member.name)
            and _holds_login(file.config, member)
        ]
        if hidden:
            yield _hidden(file, file.config, hidden, routes.store, vendor)


def _hidden(file: DockerFile, config: Config, hidden: list[str], store: str, vendor: str) -> Finding:
    line = file.line_of(config.root_members("credsstore")[-1].start)
    count = "1 login" if len(hidden) == 1 else f"{len(hidden)} logins"
    return Finding(
        "entry.hidden",
        Severity.WARNING,
        ", ".join(hidden),
        f"docker never reads {count} of {file.real}: {', '.join(hidden)}. credsStore (line {line}) names "
        f"docker-credential-{store}, which knows {vendor} only.",
        "docker sends no login to these registries.",
        helpers.store_of_one_vendor(f"{file.real} (line {line})", store, is_ecr=vendor == "Amazon ECR").page,
    )


def _is_of(vendor: str, key: str) -> bool:
    endings = {"Google's registries": ("gcr.io", "pkg.dev"), "Azure's registries": ("azurecr.io",)}
    if vendor == "Amazon ECR":
        return bool(ecr_name(key))
    host = re.sub(r"^https?://", "", key).split("/")[0]
    return host.endswith(endings[vendor])


def _holds_login(config: Config, member: Member) -> bool:
    fields = config.fields(member)
    return bool(decoded(fields.get("auth", ""))[0] or fields.get("username") or fields.get("identitytoken"))


def variable(scene: Scene) -> Iterator[Finding]:
    """Find a DOCKER_AUTH_CONFIG that docker cannot read, or that goes before every file (28.3, GitLab)."""
    text = scene.shell.get(_VARIABLE, "")
    if not text:
        return
    try:
        config = Config.parse(os.fsencode(text))
    except JsonError as error:
        yield _variable(
            f"{_VARIABLE} in this shell does not parse: {error.reason}.",
            "Clients that read it fail, or pass over it.",
            helpers.auth_variable(_path_meant(text)),
        )
        return
    root = config.document.root
    others = [member.name for member in root.members if folded(member.name) != "auths"] if root else []
    hosts = config.read(()).ecr_hosts
    if others:
        yield _variable(
            f"{_VARIABLE} in this shell holds {', '.join(json.dumps(each) for each in others)}, and docker takes "
            '"auths" alone from it.',
            "docker 28.3 and later then pass over the whole variable and say so at every command; other clients "
            "differ.",
            helpers.auth_variable_keys(others),
        )
    elif hosts:
        yield _variable(
            f"{_VARIABLE} in this shell holds a login for {', '.join(hosts)}.",
            "Clients that read this variable take it before any file; within 12 hours it is dead.",
            helpers.auth_variable(""),
        )


def _path_meant(text: str) -> str:
    """Return the path that a variable holds in place of JSON, "" if it holds none."""
    path = text.strip().strip("'\"")
    return path if re.fullmatch(r"(?:~|\.{0,2})/[^\s{}]*", path) else ""


def _variable(what: str, why: str, how: Remedy) -> Finding:
    return Finding("environment.docker-auth-config", Severity.WARNING, _VARIABLE, what, why, how.page)
