"""Lines for the settings, as TOML that can be pasted as it is; a table stands in a file only once."""

from __future__ import annotations

from collections.abc import Mapping

from ecr_refreshd.cli.doctor.scene import Scene


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
    """Return how the service gets these variables, beside those that the settings give it already."""
    there = "environment" in scene.written
    where = "Put this in place of the table [environment] of" if there else "Add to"
    inside = ", ".join(f"{name} = {quoted(value)}" for name, value in values.items())
    return "\n".join([f"{where} {scene.config}:", "[environment]", f"set = {{ {inside} }}"])


def registry(host: str, scene: Scene) -> str:
    """Return how a registry gets a profile; who names one registry must name all, unless all are adopted."""
    named = scene.settings.registries
    if any(each.host == host for each in named):
        return f'Under the [[registry]] of {host} in {scene.config}:\nprofile = "NAME"'
    lines = [f"Add to {scene.config}:", "[[registry]]", f'host = "{host}"', 'profile = "NAME"']
    if not named and "discover" not in scene.written and len(scene.registries) > 1:
        lines += ["[discover]", 'adopt = "always"']
    return "\n".join(lines)
