"""What the AWS files say of profiles, offline: whose account each is, who must renew it, who could serve a host.

Rules: nothing is run and nobody is called (a ``credential_process`` may open windows, so it is never started
merely to find something out). The order in which a profile's sources count is botocore's (aws.md 2.6).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from ecr_refreshd.aws import ambient, ini
from ecr_refreshd.aws.partitions import regions
from ecr_refreshd.core.hosts import RegistryHost
from ecr_refreshd.core.model import Category, Choice, ChosenBy, Failure, Principal, Standing
from ecr_refreshd.core.remedies import Remedy
from ecr_refreshd.core.remedies import aws as remedies

_ARN = re.compile(r"arn:(?P<partition>[a-z0-9-]+):[a-z0-9-]+:[a-z0-9-]*:(?P<account>[0-9]{12}):")
_LISTED = 8
"""Profiles that a message names; people have hundreds."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile: its keys of both files together, those of the credentials file winning."""

    name: str
    keys: Mapping[str, str] = field(repr=False)

    @property
    def account(self) -> str:
        """Return the account its credentials end up in; "" if only AWS could tell."""
        for key in ("role_arn", "sso_account_id", "aws_account_id", "login_session"):
            value = self.keys.get(key, "")
            found = _ARN.match(value)
            if found or value.isdigit():
                return found["account"] if found else value
        return ""

    @property
    def region(self) -> str:
        """Return the region it names, "" if none."""
        return self.keys.get("region", "")

    @property
    def partition(self) -> str:
        """Return the partition its credentials belong to; "" if only AWS could tell."""
        for key in ("role_arn", "login_session"):
            if found := _ARN.match(self.keys.get(key, "")):
                return found["partition"]
        return regions().get(self.region or self.keys.get("sso_region", ""), "")

    @property
    def assumes(self) -> bool:
        """Return whether it trades other credentials for a role (web identity trades a file, not credentials)."""
        return "role_arn" in self.keys and "web_identity_token_file" not in self.keys

    @property
    def has_keys(self) -> bool:
        """Return whether keys stand in it."""
        return "aws_access_key_id" in self.keys or "aws_secret_access_key" in self.keys

    @property
    def has_session_keys(self) -> bool:
        """Return whether these keys end some day, so that somebody must put others there."""
        return self.has_keys and any(k in self.keys for k in ("aws_session_token", "aws_security_token"))


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
        return cls(
            {name: Profile(name, values) for name, values in keys.items()},
            ini.named(config.sections, "sso-session"),
            dict(environ),
            tuple(file.problem for file in (config, credentials) if file.problem),
            system,
        )

    # -- who could serve a registry -------------------------------------------------------------------------

    def choices(self, host: RegistryHost) -> tuple[Choice, ...]:
        """Return who could serve a registry, best first (DESIGN 4, "Which principal"); empty if nobody.

        Those behind the first are for when AWS denies the first.
        """
        named = self.environ.get("AWS_DEFAULT_PROFILE") or self.environ.get("AWS_PROFILE") or ""
        found = [Choice(Principal(named), ChosenBy.ENVIRONMENT)] if self._may_serve(named, host) else []
        found.extend(self._of_account(host) if host.account else self._public(found))
        if not found and self._may_serve("default", host):
            found.append(Choice(Principal("default"), ChosenBy.DEFAULT))
        if not found and ambient.exists(self.environ, self.system):
            found.append(Choice(Principal(""), ChosenBy.AMBIENT))
        if not found and "default" in self.profiles and host.account:
            found.append(Choice(Principal("default"), ChosenBy.DEFAULT))  # across accounts, as a last resort
        if not found and named and named not in self.profiles:
            # A profile that is named and is not there is a mistake to be told, not to be passed over.
            found.append(Choice(Principal(named), ChosenBy.ENVIRONMENT))
        distinct: dict[Principal, Choice] = {}
        for choice in found:
            distinct.setdefault(choice.principal, choice)
        return tuple(distinct.values())

    def _may_serve(self, name: str, host: RegistryHost) -> bool:
        """Return whether a profile's account fits or cannot be told; credentials never cross partitions."""
        profile = self.profiles.get(name)
        if profile is None or profile.partition not in {"", regions().get(host.region)}:
            return False
        return host.account is None or profile.account in {"", host.account}

    def _of_account(self, host: RegistryHost) -> list[Choice]:
        fitting = [
            profile
            for profile in self.profiles.values()
            if profile.account == host.account and self._may_serve(profile.name, host)
        ]
        fitting.sort(key=lambda profile: profile.region != host.region)  # stable: else the order of the file
        return [Choice(Principal(profile.name), ChosenBy.ACCOUNT) for profile in fitting]

    def _public(self, found: list[Choice]) -> list[Choice]:
        """Return who could serve the public registry, for which any account of the partition will do."""
        if found:
            return []
        if self._may_serve("default", _ANY):
            return [Choice(Principal("default"), ChosenBy.DEFAULT)]
        for profile in self.profiles.values():
            base = self.origin(profile.name).profile
            runs = base is None or "credential_process" in base.keys
            if not runs and self._may_serve(profile.name, _ANY):
                return [Choice(Principal(profile.name), ChosenBy.DEFAULT)]
        return []

    def nobody_for(self, host: RegistryHost) -> Failure:
        """Return why nobody could serve a registry: what is wrong in the files, else what there is instead."""
        if self.problems:
            first = self.problems[0]
            said = " ".join(problem.message for problem in self.problems)
            return _blocked("aws.files", f"{said} Profiles of {host.name} cannot be told.", first.remedy)
        if wrong := self._mistake_about(host):
            what = f"No profile for account {host.account}: {wrong.message}"
            return _blocked("profile.mistake", what, wrong.remedy)
        listed = [f"{name} ({p.account or 'account unknown'})" for name, p in self.profiles.items()]
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        known = f"Profiles: {', '.join(listed[:_LISTED])}{more}." if listed else "There are no AWS profiles."
        what = f"No profile for account {host.account}" if host.account else "No AWS profile"
        what = f"{what}: nobody to ask about {host.name}. {known}"
        return _blocked("profile.none", what, remedies.name_profile_for(host.name))

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
        command = f"aws sts get-caller-identity --profile {shlex.quote(principal.profile)}"
        return Standing(login_backed=True, login_command=command)

    def _begins_at(self, profile: Profile | None, seen: set[str]) -> Standing:
        if profile is None:
            return Standing()
        standing = _standing_of(profile)
        if standing.lane or not standing.login_backed or profile.has_keys:
            return standing
        # A program that is the AWS CLI renews the login of another profile, which others may be renewing too.
        other = exported(profile.keys.get("credential_process", ""))
        if other not in self.profiles or other in seen:
            return standing
        return self._begins_at(self.origin(other).profile, {*seen, other})


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
        command = f"aws login --profile {shlex.quote(profile.name)}"
        return Standing(login_backed=True, lane=f"login:{arn}", login_command=command)
    return Standing(login_backed="credential_process" in keys)


def _standing_of_sso(profile: Profile) -> Standing:
    name = profile.keys.get("sso_session", "")
    if name:
        command = f"aws sso login --sso-session {shlex.quote(name)}"
    else:
        name = profile.keys.get("sso_start_url", "")
        command = f"aws sso login --profile {shlex.quote(profile.name)}"
    lane = f"sso:{name}" if name else ""
    return Standing(login_backed=True, lane=lane, sso_session=name, login_command=command)


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


_ANY = RegistryHost("public.ecr.aws", "ecr-public", None, "us-east-1", ("aws",))


def folder(environ: Mapping[str, str]) -> str:
    """Return ``~/.aws``."""
    return f"{ini.home(environ)}/.aws"


def places(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the paths of the config and the credentials file."""
    config = environ.get("AWS_CONFIG_FILE") or f"{folder(environ)}/config"
    credentials = environ.get("AWS_SHARED_CREDENTIALS_FILE") or f"{folder(environ)}/credentials"
    return ini.expand(config, environ), ini.expand(credentials, environ)
