"""From the text of a configuration file to `Settings`, or to every problem in it at once.

Each problem reads ``path:line: key: what is wrong (nearest valid key: …)``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta

from ecr_refreshd.core import settings_kinds as kinds
from ecr_refreshd.core import settings_names as names
from ecr_refreshd.core import tomlslips
from ecr_refreshd.core.durations import shown
from ecr_refreshd.core.settings import (
    LOG_FORMATS,
    LOG_LEVELS,
    MODES,
    Aws,
    Discover,
    Docker,
    Environment,
    Hooks,
    Http,
    Log,
    Login,
    Notify,
    Settings,
)
from ecr_refreshd.core.settings_registry import RegistryTables, read_heal, read_probe, read_renew
from ecr_refreshd.core.settings_table import Notes, Table
from ecr_refreshd.core.tomllines import Path, key_lines
from ecr_refreshd.errors import ConfigError

KEYS = tuple(
    f"{section.name}.{key.name}"
    for section in fields(Settings)
    if is_dataclass(default := section.default)
    for key in fields(default)
)
"""Every key of the tables that hold for all registries, as ``table.key``."""


def parse(text: str, *, regions: Mapping[str, str], source: str) -> Settings:
    """Return the settings that a TOML text asks for; the empty text asks for the defaults.

    Args:
        text: the whole file.
        regions: every AWS region -> its partition, from botocore's data.
        source: the file's name for messages and for `Settings.sources`.

    Raises:
        ConfigError: naming every problem, one a line, each with its line and key.
    """
    document, lines = _read_toml(text, source)
    notes = Notes(source, lines, KEYS)
    settings = _read_tables(Table(document, (), notes), regions)
    if notes.problems:
        raise ConfigError("\n".join(text for _line, text in sorted(set(notes.problems))))
    warnings = tuple(text for _line, text in sorted(notes.warnings))
    return replace(settings, warnings=warnings, sources=notes.sources)


def _read_toml(text: str, source: str) -> tuple[dict[str, object], Mapping[Path, int]]:
    try:
        return tomllib.loads(text), key_lines(text)
    except RecursionError:
        raise ConfigError(f"{source}:1: not usable: it is nested too deeply") from None
    except ValueError as exc:  # TOMLDecodeError, or a number of more digits than Python reads
        told = str(exc)
        found = re.search(r" \(at (?:line ([0-9]+), column [0-9]+|end of document)\)$", told)
        line = int(found[1] or text.count("\n") + 1) if found else 1
        message = told[: found.start()] if found else told
        said = tomlslips.explained(text, line)
        raise ConfigError(f"{source}:{line}: not valid TOML: {message}{said}") from exc


def _read_tables(root: Table, regions: Mapping[str, str]) -> Settings:
    registry_tables = root.tables("registry")
    common = Settings(
        discover=_read_discover(root.table("discover")),
        docker=_read_docker(root.table("docker")),
        renew=read_renew(root.table("renew"), Settings().renew),
        probe=read_probe(root.table("probe"), Settings().probe),
        heal=read_heal(root.table("heal"), Settings().heal),
        notify=_read_notify(root.table("notify")),
        login=_read_login(root.table("login")),
        aws=_read_aws(root.table("aws")),
        hooks=_read_hooks(root.table("hooks")),
        environment=_read_environment(root.table("environment")),
        http=_read_http(root.table("http")),
        log=_read_log(root.table("log")),
    )
    root.close()
    registries = RegistryTables(regions, common, root.notes).read(registry_tables)
    if not registry_tables and not common.discover.adopt:
        root.notes.warn(("discover", "adopt"), "no registry is kept: no [[registry]] is configured")
    return replace(common, registries=registries)


def _read_discover(table: Table) -> Discover:
    default = Discover()
    value = Discover(
        adopt=table.take("adopt", kinds.flag, default.adopt),
        ignore=table.take_list("ignore", names.pattern, default.ignore),
    )
    table.close()
    return value


def _read_docker(table: Table) -> Docker:
    default = Docker()
    value = Docker(
        files=table.take_list("files", kinds.path, default.files),
        mode=table.take("mode", kinds.one_of(MODES), default.mode),
        file_mode=table.take("file_mode", kinds.file_mode, default.file_mode),
    )
    for position, each in enumerate(value.files):
        if each in value.files[:position]:
            table.complain("files", f"{shown(each)} is named twice")
    table.close()
    return value


def _read_notify(table: Table) -> Notify:
    default = Notify()
    ahead = kinds.duration(timedelta(0), timedelta(days=7))
    session = kinds.duration(timedelta(minutes=1), timedelta(days=90))
    value = Notify(
        desktop=table.take("desktop", kinds.flag, default.desktop),
        command=_read_argv(table, "command"),
        webhook=table.take("webhook", kinds.webhook, default.webhook),
        warn_before=table.take("warn_before", ahead, default.warn_before),
        sso_session_duration=table.take_map("sso_session_duration", names.sso_session, session),
    )
    if value.webhook and kinds.in_clear(value.webhook.shown):
        table.warn("webhook", "http sends notices over the network in clear text")
    table.close()
    return value


def _read_login(table: Table) -> Login:
    value = Login(command=table.take_map("command", names.signs_in, kinds.command_line))
    table.close()
    return value


def _read_aws(table: Table) -> Aws:
    default = Aws()
    for_aws = kinds.duration(timedelta(seconds=1), timedelta(minutes=2))
    for_a_person = kinds.duration(timedelta(seconds=1), timedelta(minutes=10))
    value = Aws(
        timeout=table.take("timeout", for_aws, default.timeout),
        credential_process_timeout=table.take(
            "credential_process_timeout", for_a_person, default.credential_process_timeout
        ),
    )
    table.close()
    return value


def _read_hooks(table: Table) -> Hooks:
    value = Hooks(on_renewed=_read_argv(table, "on_renewed"))
    table.close()
    return value


def _read_argv(table: Table, name: str) -> tuple[str, ...]:
    argv = table.take_list(name, kinds.argument, ())
    if argv and not argv[0]:
        table.complain(name, "names no program: its first element is empty")
    return argv


def _read_environment(table: Table) -> Environment:
    value = Environment(set=table.take_map("set", kinds.variable_name, kinds.variable_value))
    table.close()
    return value


def _read_http(table: Table) -> Http:
    value = Http(listen=table.take("listen", kinds.listen, Http().listen))
    if value.listen and not kinds.is_loopback(value.listen.rpartition(":")[0].strip("[]")):
        table.warn("listen", "other machines can reach it and learn your hosts and their health")
    table.close()
    return value


def _read_log(table: Table) -> Log:
    default = Log()
    value = Log(
        level=table.take("level", kinds.one_of(LOG_LEVELS), default.level),
        format=table.take("format", kinds.one_of(LOG_FORMATS), default.format),
    )
    table.close()
    return value
