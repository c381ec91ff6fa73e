"""`config check` and `config show`: what is wrong with the configuration, and what it comes to."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping

from ecr_refreshd.aws.profiles import Profiles
from ecr_refreshd.cli.asking import did_you_mean
from ecr_refreshd.cli.settings import ConfigFile
from ecr_refreshd.core.durations import duration_text, window_text
from ecr_refreshd.core.settings import RegistrySetting, Renew, Settings


def check(args: argparse.Namespace) -> int:
    """Print ``ok`` and the warnings; raises ConfigError naming every problem."""
    file = ConfigFile.chosen(args)
    settings = file.load()
    for warning in (*settings.warnings, *_strangers(settings, file)):
        print(f"{warning} (warning)")
    print(f"{file.path}: ok" if file.found else f"ok: there is no {file.path}, so the defaults hold")
    return 0


def _strangers(settings: Settings, file: ConfigFile) -> Iterator[str]:
    """Yield the profiles that are in no AWS file here; they may be on the machine that it is meant for."""
    known = Profiles.load(os.environ).profiles
    for registry in settings.registries:
        if registry.profile and registry.profile not in known:
            source = settings.sources.get(f"registry.{registry.host}.profile", str(file.path))
            near = did_you_mean(registry.profile, known)
            yield f"{source}: profile {_text(registry.profile)} is in no AWS file on this machine{near}"


def show(args: argparse.Namespace) -> int:
    """Print the effective settings as TOML."""
    file = ConfigFile.chosen(args)
    settings = file.load()
    print(f"# {file.path}\n" if file.found else f"# There is no {file.path}: these are the defaults.\n")
    print(as_toml(settings))
    return 0


def as_toml(settings: Settings) -> str:
    """Return the settings as a TOML text that asks for the same, each key with its source.

    Two things are not shown as they are: a webhook's path, and a password inside a variable's URL.
    """
    return "\n".join(_lines(settings)).strip()


def _lines(settings: Settings) -> Iterator[str]:
    for registry in settings.registries:
        yield from _registry(registry, settings.sources)
    for table, values in _tables(settings).items():
        yield f"\n[{table}]"
        for key, value in values.items():
            yield f"{key} = {value}  # {settings.sources.get(f'{table}.{key}', 'default')}"


def _tables(settings: Settings) -> dict[str, dict[str, str]]:
    notify = settings.notify
    sessions = {name: duration_text(each) for name, each in notify.sso_session_duration.items()}
    variables = {name: _without_password(each) for name, each in settings.environment.set.items()}
    return {
        "discover": {"adopt": _flag(settings.discover.adopt), "ignore": _list(settings.discover.ignore)},
        "docker": {
            "files": _list(settings.docker.files),
            "mode": _text(settings.docker.mode),
            "file_mode": _text("keep" if (mode := settings.docker.file_mode) is None else f"{mode:04o}"),
        },
        "renew": _renew(settings.renew),
        "probe": {"when": _text(settings.probe.when)},
        "heal": {
            "on_logout": _text(settings.heal.on_logout),
            "on_foreign": _text(settings.heal.on_foreign),
        },
        "notify": {
            "desktop": _flag(notify.desktop),
            "command": _list(notify.command),
            "webhook": _text(notify.webhook.shown if notify.webhook else ""),
            "warn_before": _text(duration_text(notify.warn_before)),
            "sso_session_duration": _map(sessions),
        },
        "login": {"command": _map(settings.login.command)},
        "aws": {
            "timeout": _text(duration_text(settings.aws.timeout)),
            "credential_process_timeout": _text(duration_text(settings.aws.credential_process_timeout)),
        },
        "hooks": {"on_renewed": _list(settings.hooks.on_renewed)},
        "environment": {"set": _map(variables)},
        "http": {"listen": _text(settings.http.listen)},
        "log": {"level": _text(settings.log.level), "format": _text(settings.log.format)},
    }


def _registry(registry: RegistrySetting, sources: Mapping[str, str]) -> Iterator[str]:
    values = {
        "host": _text(registry.host),
        "profile": _text(registry.profile or ""),
        "role_arn": _text(registry.role_arn),
        "external_id": _text(registry.external_id),
        "session_name": _text(registry.session_name),
        "endpoint_url": _text(registry.endpoint_url),
        "aliases": _list(registry.aliases),
        **{f"renew.{key}": value for key, value in _renew(registry.renew).items()},
        "heal.on_logout": _text(registry.heal.on_logout),
        "heal.on_foreign": _text(registry.heal.on_foreign),
        "probe.when": _text(registry.probe.when),
    }
    own = f"registry.{registry.host}."
    yield "\n[[registry]]"
    for key, value in values.items():
        source = sources.get(own + key)
        if key == "host":
            source = source or sources.get(f"{own}regions")
        if source:
            yield f"{key} = {value}  # {source}"


def _renew(renew: Renew) -> dict[str, str]:
    return {
        "login_backed": _text(duration_text(renew.login_backed)),
        "unattended": _text(window_text(renew.unattended)),
        "startup_splay": _text(duration_text(renew.startup_splay)),
    }


def _flag(value: bool) -> str:  # noqa: FBT001 - its only argument
    return "true" if value else "false"


def _text(value: str) -> str:
    # JSON's escapes are TOML's, but for the one control character that JSON leaves as it is.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _list(values: tuple[str, ...]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _map(values: Mapping[str, str]) -> str:
    pairs = ", ".join(f"{_text(name)} = {_text(value)}" for name, value in values.items())
    return f"{{ {pairs} }}" if pairs else "{}"


def _without_password(value: str) -> str:
    """Return a variable's value; a proxy's URL may carry a user and a password."""
    before, at, host = value.rpartition("@")
    if not at or ":" not in before:
        return value
    scheme, slashes, _user = before.rpartition("//")
    return f"{scheme}{slashes}***@{host}"
