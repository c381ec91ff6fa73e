"""What the AWS files say of profiles, offline: whose account each is, who must renew it, who could serve a host.

Rules: nothing is run and nobody is called (a ``credential_process`` may open windows, so it is never started
merely to find something out). The order in which a profile's sources count is botocore's (aws.md 2.6).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from ecr_refreshd.aws import ambient, ini
from ecr_refreshd.aws.candidates import Candidates
from ecr_refreshd.aws.profile import Profile
from ecr_refreshd.core.hosts import RegistryHost
from ecr_refreshd.core.model import Category, Choice, Failure, Principal, Standing
from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies import aws as remedies

_INTERPRETER = re.compile(r"(env|sh|bash|dash|zsh|python|pypy|node|ruby|perl)[0-9.]*")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a principal's credentials begin.

    Attributes:
        profile: the last of a chain of source profiles; None if the chain breaks off.
        mfa: a code is asked for on the way; `mfa_profile` is the one that asks.
    """

    profile: Profile | None
    mfa: bool = False
    mfa_profile: str = ""


@dataclass(frozen=True, slots=True)
class Profiles:
    """`core.ports.Profiles` of the files as they stood when this was made.

    Attributes:
        profiles: by name, in the order of the files.
        sessions: the ``[sso-session NAME]`` sections.
        environ: the environment that the AWS child will have.
        problems: why files could not be read.
        system: where the kernel describes the machine.
    """

    profiles: Mapping[str, Profile]
    sessions: Mapping[str, Mapping[str, str]]
    environ: Mapping[str, str] = field(repr=False)
    problems: tuple[ini.Problem, ...] = ()
    system: Path = Path("/sys")
    _candidates: Candidates = field(init=False, compare=False, repr=False)

    @classmethod
    def load(cls, environ: Mapping[str, str], system: Path = Path("/sys")) -> Profiles:
        """Read the files that this environment names."""
        config, credentials = (ini.read(path) for path in places(environ))
        return cls.of(config, credentials, environ, system)

    @classmethod
    def of(
        cls, config: ini.IniFile, credentials: ini.IniFile, environ: Mapping[str, str], system: Path
    ) -> Profiles:
        """Put two files together, as botocore does: by profile, key by key, the credentials file winning."""
        keys = {name: dict(values) for name, values in ini.named(config.sections, "profile").items()}
        for name, values in credentials.sections.items():
            keys.setdefault(name, {}).update(values)
        sessions = ini.named(config.sections, "sso-session")
        return cls(
            {
                name: Profile(name, values, sessions.get(values.get("sso_session", ""), {}))
                for name, values in keys.items()
            },
            sessions,
            dict(environ),
            tuple(dict.fromkeys(file.problem for file in (config, credentials) if file.problem)),
            system,
        )

    # -- who could serve a registry -------------------------------------------------------------------------

    def __post_init__(self) -> None:
        """Read once what is asked for each of a thousand hosts."""
        found = Candidates(self.profiles, self.environ, self.system, lambda name: self.origin(name).profile)
        object.__setattr__(self, "_candidates", found)

    def choices(self, host: RegistryHost) -> tuple[Choice, ...]:
        """Return who could serve a registry, best first (`Candidates.of`)."""
        return self._candidates.of(host)

    def nobody_for(self, host: RegistryHost) -> Failure:
        """Return why nobody could serve a registry: what is wrong in the files, else what there is instead."""
        if self.problems:
            first = self.problems[0]
            said = " ".join(problem.message for problem in self.problems)
            return _blocked("aws.files", f"{said} Profiles of {host.name} cannot be told.", first.remedy)
        if wrong := self._mistake_about(host):
            what = f"No AWS profile for account {host.account}: {wrong.message}"
            return _blocked("profile.mistake", what, wrong.remedy)
        return self._candidates.nobody_for(host)

    def _mistake_about(self, host: RegistryHost) -> ini.Problem | None:
        """Return what stands wrong in the files and may be why no profile of this account was found."""
        from ecr_refreshd.aws import mistakes  # noqa: PLC0415 - it reads profiles, and is needed for this text only

        found = mistakes.everywhere(self)
        fitting = [each.problem for each in found if host.account and each.account == host.account]
        hidden = [each.problem for each in found if each.hides_account and not each.account]
        return next(iter([*fitting, *hidden]), None)

    # -- what can be said of a principal --------------------------------------------------------------------

    def origin(self, name: str) -> Origin:
        """Follow source_profile to where the credentials begin; a loop, or a profile not there, ends it."""
        seen: set[str] = set()
        mfa = ""
        while (profile := self.profiles.get(name)) is not None and name not in seen:
            if not profile.assumes or (seen and profile.has_keys):
                return Origin(profile, bool(mfa), mfa)
            seen.add(name)
            if "mfa_serial" in profile.keys:
                mfa = mfa or name
            source = profile.keys.get("source_profile", "")
            if source == name or "credential_source" in profile.keys:
                return Origin(profile, bool(mfa), mfa)
            name = source
        return Origin(None, bool(mfa), mfa)

    def standing(self, principal: Principal) -> Standing:
        """Return who must renew a principal, which login it shares, and what a person runs to sign in again."""
        if not principal.profile:
            return Standing(login_backed=ambient.has_session_keys(self.environ))
        origin = self.origin(principal.profile)
        standing = self._begins_at(origin.profile, {principal.profile})
        if not origin.mfa or standing.lane:
            return standing
        # What a person gets in a terminal lies in the CLI's cache, and serves us too (aws.md 1.2).
        command = remedies.check_identity(principal.profile).command
        asking = self.profiles[origin.mfa_profile].keys.get("duration_seconds", "")
        lasts = int(asking) if asking.isdecimal() else remedies.ROLE_LASTS
        return replace(standing, login_backed=True, login_command=command, code_lasts=lasts)

    def _begins_at(self, profile: Profile | None, seen: set[str]) -> Standing:
        if profile is None:
            return Standing()
        standing = self._process(profile, _standing_of(profile))
        if standing.lane or not standing.login_backed or profile.has_keys:
            return standing
        # A program that is the AWS CLI renews the login of another profile, which others may be renewing too.
        other = exported(profile.keys.get("credential_process", ""))
        if other not in self.profiles or other in seen:
            return standing
        return self._begins_at(self.origin(other).profile, {*seen, other})

    def _process(self, profile: Profile, standing: Standing) -> Standing:
        """Return the standing with the program that gives its credentials, where one does."""
        line = profile.keys.get("credential_process", "")
        if standing != Standing(login_backed=True) or profile.has_keys or not line:
            return standing
        same = (name for name, each in self.profiles.items() if each.keys.get("credential_process") == line)
        return replace(standing, process=next(same), program=program(line))


def _blocked(code: str, what: str, remedy: Remedy) -> Failure:
    return Failure(Category.CONFIG, code, what, remedy.hint, command=remedy.command)


def _standing_of(profile: Profile) -> Standing:
    keys = profile.keys
    if "credential_source" in keys or "web_identity_token_file" in keys:
        return Standing()
    if not profile.assumes and ("sso_account_id" in keys or "sso_role_name" in keys):
        return _standing_of_sso(profile)
    if profile.has_keys:
        return Standing(login_backed=profile.has_session_keys)
    if arn := keys.get("login_session"):
        command = remedies.login(profile.name).command
        return Standing(login_backed=True, lane=f"login:{arn}", login_command=command)
    return Standing(login_backed="credential_process" in keys)


def _standing_of_sso(profile: Profile) -> Standing:
    name = profile.keys.get("sso_session", "")
    if name:
        command = remedies.sso_login(session=name).command
    else:
        name = profile.keys.get("sso_start_url", "")
        command = remedies.sso_login(profile=profile.name).command
    lane = f"sso:{name}" if name else ""
    return Standing(login_backed=True, lane=lane, sso_session=name, login_command=command)


def program(line: str) -> str:
    """Return the name of the program that a command line runs; its arguments may be secrets."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    first, second = (*words, "", "")[:2]
    name = first.rpartition("/")[2]
    script = second.rpartition("/")[2]
    return script if script and "/" in second and _INTERPRETER.fullmatch(name) else name


def exported(command: str) -> str:
    """Return the profile whose credentials a command line of the AWS CLI prints; "" if it is none."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    if not words or words[0].rpartition("/")[2] != "aws" or "export-credentials" not in words:
        return ""
    for word, after in pairwise([*words, ""]):
        if word == "--profile" or word.startswith("--profile="):
            return after if word == "--profile" else word.partition("=")[2]
    return "default"


def folder(environ: Mapping[str, str]) -> str:
    """Return ``~/.aws``."""
    return f"{ini.home(environ).rstrip('/')}/.aws"


def places(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the paths of the config and the credentials file."""
    config = environ.get("AWS_CONFIG_FILE") or f"{folder(environ)}/config"
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE") or f"{folder(environ)}/credentials"
    return ini.expand(config, environ), ini.expand(credentials, environ)
