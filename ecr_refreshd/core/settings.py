"""The settings: one frozen value per table of the configuration file, with the defaults that hold without one.

Names and defaults are the contract with every config file that exists: a key may be added, none may change
its meaning. Reading TOML is `core.settings_parse`'s; this module imports no parser, so `status` stays quick.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from ecr_refreshd.core.durations import Window
from ecr_refreshd.core.secret import Secret

MODES = ("auto", "auths", "helper", "both", "store")
PROBE_WHEN = ("off", "doubt", "always")
ON_LOGOUT = ("heal", "respect")
ON_FOREIGN = ("keep", "replace")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("auto", "console", "json", "journald")


@dataclass(frozen=True, slots=True)
class Discover:
    """Which hosts that stand in the user's files are kept without being configured.

    Attributes:
        adopt: registries found in docker's and podman's files are kept, beside those that are configured.
        ignore: hosts, or patterns in which ``*`` stands for any text and ``?`` for one character; a pattern
            must match the whole host.
    """

    adopt: bool = True
    ignore: tuple[str, ...] = ()

    def ignores(self, host: str) -> bool:
        """Return whether a bare, lower-case host is not to be adopted."""
        return any(re.fullmatch(_pattern(each), host) for each in self.ignore)


def _pattern(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


@dataclass(frozen=True, slots=True)
class Docker:
    """Where tokens are put.

    Attributes:
        files: as written, absolute or from ``~/``; empty means the default files.
        mode: how a token gets to its readers (section 6 of the design).
        file_mode: permission bits of files that carry a token; None ("keep") leaves what a group or an access
            list was given, and takes from a file that everyone could read all but its owner's.
    """

    files: tuple[str, ...] = ()
    mode: str = "auto"
    file_mode: int | None = None


_RENEW_AT = Window(0.50, 0.67)


@dataclass(frozen=True, slots=True)
class Renew:
    """When a token is renewed.

    Attributes:
        login_backed: the age at which a login-backed token is renewed, never later than `unattended`.
        unattended: the window of the token's life for the others.
        startup_splay: the first calls after a start are spread over this long.
    """

    login_backed: timedelta = timedelta(hours=1)
    unattended: Window = _RENEW_AT
    startup_splay: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Probe:
    """When the registry itself is asked whether it takes our token: ``off``, ``doubt`` or ``always``."""

    when: str = "doubt"


@dataclass(frozen=True, slots=True)
class Heal:
    """What happens to an entry that someone else removed or wrote.

    Attributes:
        on_logout: ``heal`` puts it back, ``respect`` pauses the host.
        on_foreign: ``keep`` leaves a readable foreign token until it nears its end, ``replace`` does not.
    """

    on_logout: str = "heal"
    on_foreign: str = "keep"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A URL that notices are posted to. Whoever knows it may post, so only `shown` is ever shown."""

    url: Secret
    shown: str


@dataclass(frozen=True, slots=True)
class Notify:
    """How a person hears of what only a person can mend.

    Attributes:
        command: argv of a program that gets each notice as one JSON line on stdin.
        warn_before: how long before a known end of a login to speak up.
        sso_session_duration: by sso-session name, for sessions whose end is not on disk.
    """

    desktop: bool = True
    command: tuple[str, ...] = ()
    webhook: Webhook | None = None
    warn_before: timedelta = timedelta(minutes=30)
    sso_session_duration: Mapping[str, timedelta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Login:
    """How a person signs in where the AWS files do not tell.

    Attributes:
        command: by profile, SSO session or program of a `credential_process`: a command line, split into words,
            run without a shell.
    """

    command: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aws:
    """How long asking AWS may take.

    Attributes:
        timeout: for AWS, per grant.
        credential_process_timeout: for a profile's `credential_process`, which may wait for a person.
    """

    timeout: timedelta = timedelta(seconds=30)
    credential_process_timeout: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Hooks:
    """Programs to run: `on_renewed` is an argv, given JSON with hosts and expiry (no token) on stdin."""

    on_renewed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables `set` for AWS and for docker's helpers; never key material."""

    set: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Http:
    """Where /livez, /readyz and /metrics are served: ``address:port``, or "" for nowhere."""

    listen: str = ""


@dataclass(frozen=True, slots=True)
class Log:
    """How much is logged, and in which form."""

    level: str = "info"
    format: str = "auto"


@dataclass(frozen=True, slots=True)
class RegistrySetting:
    """One configured host. A table with several regions becomes several of these.

    Attributes:
        host: bare and lower case.
        profile: None leaves the choice to us, "" is the ambient chain.
        role_arn, external_id, session_name, endpoint_url: "" when not set.
        aliases: other hosts that carry the same token.
        renew, heal, probe: the tables of that name, with what this registry's table changed.
    """

    host: str
    profile: str | None = None
    role_arn: str = ""
    external_id: str = ""
    session_name: str = ""
    endpoint_url: str = ""
    aliases: tuple[str, ...] = ()
    renew: Renew = Renew()
    heal: Heal = Heal()
    probe: Probe = Probe()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a configuration can say. Two are equal when they ask for the same, wherever it is written.

    Attributes:
        warnings: sentences about what is allowed but probably not meant, each with its place.
        sources: ``docker.mode`` or ``registry.HOST.profile`` -> ``default`` or ``path:line``. Of a registry
            only the keys its own table sets are listed.
    """

    registries: tuple[RegistrySetting, ...] = ()
    discover: Discover = Discover()
    docker: Docker = Docker()
    renew: Renew = Renew()
    probe: Probe = Probe()
    heal: Heal = Heal()
    notify: Notify = Notify()
    login: Login = Login()
    aws: Aws = Aws()
    hooks: Hooks = Hooks()
    environment: Environment = Environment()
    http: Http = Http()
    log: Log = Log()
    warnings: tuple[str, ...] = field(default=(), compare=False)
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def named(self) -> frozenset[str]:
        """Return the hosts that are configured, aliases included."""
        return frozenset(name for each in self.registries for name in (each.host, *each.aliases))
