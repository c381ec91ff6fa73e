"""How an entry gets out of a file, or into it, by a person's hand or by a client that is installed here."""

from __future__ import annotations

import json
import os
import shlex
import shutil

from ecr_refreshd.cli.doctor.dockerfiles import DockerFile
from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.dockerconfig import Config
from ecr_refreshd.core.dockerentry import decoded
from ecr_refreshd.core.jsontext import Member
from ecr_refreshd.host import places

_PODMANS = ("podman", "skopeo", "buildah")
"""They share their files, and the words of login and logout."""


def deleted(file: DockerFile, *members: Member) -> str:
    """Return which entries are to be deleted in an editor."""
    named = [f"{json.dumps(each.name)} that begins at line {file.line_of(each.start)}" for each in members]
    return f"Delete the {'entry' if len(named) == 1 else 'entries'} {' and '.join(named)} of {file.real}"


def command(verb: str, file: DockerFile, name: str, scene: Scene) -> str:
    """Return the command by which a client of this machine logs in or out in a file, "" if there is none."""
    path = scene.shell.get("PATH", os.defpath)
    if file.dialect == "docker" and _is_spoiled(file, name):
        return ""
    if file.dialect == "containers":
        program = next((each for each in _PODMANS if shutil.which(each, path=path)), "")
        return f"{program} {verb} --authfile {shlex.quote(file.path)} {shlex.quote(name)}" if program else ""
    folder, _, base = file.path.rpartition("/")
    if not shutil.which("docker", path=path) or base != "config.json":
        return ""
    usual = file.path == str(places.docker_config(scene.shell))
    return f"docker {'' if usual else f'--config {shlex.quote(folder)} '}{verb} {shlex.quote(name)}"


def _is_spoiled(file: DockerFile, but: str) -> bool:
    """Return whether an entry besides this one cannot be decoded: writing beside it, docker empties others."""
    if file.config is None:
        return False
    auths = {member.name: file.config.fields(member).get("auth", "") for member in file.config.entries()}
    return any(auth and not decoded(auth)[0] for name, auth in auths.items() if name != but)


def logout(file: DockerFile, config: Config, host: str, scene: Scene) -> str:
    """Return how a login leaves a file; where a helper or a store is asked, `logout` asks that, not the file."""
    members = config.forms([host])[host]
    routes = config.routes()
    asked = host in routes.helpers or (file.dialect == "docker" and bool(routes.store))
    plain = [member.name for member in members] == [host] and not asked
    return (plain and command("logout", file, host, scene)) or deleted(file, *members)
