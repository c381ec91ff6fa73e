"""What is to be pasted: commands for a shell, one a line, and TOML for the settings, each table once.

Rule: words for people stand in the first line, and never behind a command: a shell takes them for its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from ecr_refreshd.cli.doctor.scene import Scene
from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.host import places

_COMMAND = re.compile(
    r"(?:sudo )?(?:aws|chattr|chflags|chmod|chown|curl|df|dmesg|docker|echo|ecr-refreshd|kill|ls|lsattr|mkdir|mv"
    r"|pass|quota|secret-tool|security|systemctl) "
)
"""What the hints of other rooms begin with where they are commands."""
_MORE = re.compile(r"[,;] (?=or |if |as )")
"""Where words for people begin behind a command."""


def steps(words: str, commands: Sequence[str]) -> str:
    """Return words for people, and commands to be pasted after them."""
    return "\n".join([f"{words}:", *commands])


def followed(commands: Sequence[str]) -> str:
    """Return commands that are to be run one after another."""
    return commands[0] if len(commands) == 1 else steps("One after the other", commands)


def advised(remedy: Remedy, *after: str) -> str:
    """Return a remedy, and commands that are to follow it: words in the first line, then what can be pasted."""
    commands = [*([remedy.command] if remedy.command else []), *after]
    if not remedy.words:
        return followed(commands) if commands else ""
    if not commands:
        return remedy.words
    return steps(remedy.words.rstrip(":.") + ("" if remedy.command else "; then"), commands)


def hinted(hint: str, *after: str) -> str:
    """Return another room's hint, and commands that are to follow it, so that what is a command can be pasted."""
    if not hint:
        return followed(after) if after else ""
    if not _COMMAND.match(hint):
        return steps(f"{hint.rstrip('.')}, then", after) if after else hint
    command, *others = _MORE.split(hint, maxsplit=1)
    if not others:
        return followed([command, *after])
    words, told, further = others[0].rpartition(": ")
    if told and _COMMAND.match(f"{further} "):
        return steps("One after the other", [command, f"# {words}:", further, *after])
    return steps(f"Do this, {others[0].rstrip('.')}", [command, *after])


def ours(words: str, scene: Scene) -> str:
    """Return a command line of ours that is about these settings."""
    usual = scene.config == places.config_file(scene.shell)
    return f"ecr-refreshd {'' if usual else f'--config {shlex.quote(str(scene.config))} '}{words}"


def quoted(text: str) -> str:
    """Return a text as TOML writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def under(table: str, lines: list[str], scene: Scene) -> str:
    """Return how these lines get into a table of the settings, whether or not that is there already."""
    if table in scene.written:
        return "\n".join([f"Under [{table}] in {scene.config}, in place of what is called so there:", *lines])
    return "\n".join([f"Add to {scene.config}:", f"[{table}]", *lines])


def variables(scene: Scene) -> dict[str, str]:
    """Return the variables that the settings give the service, even where something else is wrong with them."""
    table = scene.written.get("environment")
    given = table.get("set") if isinstance(table, dict) else None
    return {str(name): str(value) for name, value in given.items()} if isinstance(given, dict) else {}


def environment(values: Mapping[str, str], scene: Scene) -> str:
    """Return how the service gets these variables, beside those that the settings give it already.

    What the settings hold is not repeated: it may be a password, and settings that are refused may hold a key.
    """
    given = variables(scene)
    fresh = {name: value for name, value in values.items() if given.get(name) != value}
    inside = ", ".join(f"{name} = {quoted(value)}" for name, value in fresh.items())
    if given:
        where = f"Put into the braces of set, under [environment] in {scene.config}, in place of its equals"
        return "\n".join([f"{where}:", inside])
    return under("environment", [f"set = {{ {inside} }}"], scene)


def registry(host: str, scene: Scene) -> str:
    """Return how a registry gets a profile."""
    if any(each.host == host for each in scene.settings.registries):
        return f'Under the [[registry]] of {host} in {scene.config}:\nprofile = "NAME"'
    return "\n".join([f"Add to {scene.config}:", "[[registry]]", f'host = "{host}"', 'profile = "NAME"'])
