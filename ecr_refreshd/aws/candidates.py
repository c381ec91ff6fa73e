"""Which principals could serve a registry, best first: the rule of DESIGN 4, "Which principal".

Nothing is run and AWS is not asked. Credentials never cross partitions: a profile that names no region and no ARN
may be of any, and is then taken for one of the commercial partition unless it is the only source there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from ecr_refreshd.aws import ambient
from ecr_refreshd.aws.partitions import regions
from ecr_refreshd.aws.profile import Profile, account_of_key
from ecr_refreshd.core.hosts import RegistryHost
from ecr_refreshd.core.model import Category, Choice, ChosenBy, Failure, Principal
from ecr_refreshd.core.remedies import aws as remedies

PROFILE_VARIABLES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")
"""In botocore's order."""
_COMMERCIAL, _MIXED = "aws", "several"
_LISTED = 8
"""Profiles that a message names; people have hundreds."""
_MOST_FOR_PUBLIC = 8
"""Profiles that are tried for the public registry, which any account may ask."""


def named_profile(environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the profile that the environment names and the variable that does; two empty texts if none."""
    return next(((environ[name], name) for name in PROFILE_VARIABLES if environ.get(name)), ("", ""))


@dataclass(frozen=True, slots=True)
class _Known:
    """What is asked of a profile again for each of a thousand hosts."""

    profile: Profile
    account: str
    partition: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """The principals of a machine.

    Attributes:
        profiles: by name, in the order of the files.
        environ: the environment that the AWS child will have.
        system: where the kernel describes the machine.
        origin: the profile where a profile's credentials begin, None if they begin nowhere.
    """

    profiles: Mapping[str, Profile]
    environ: Mapping[str, str] = field(repr=False)
    system: Path
    origin: Callable[[str], Profile | None]
    _below: dict[str, set[str]] = field(init=False, repr=False, compare=False)
    _known: dict[str, _Known] = field(init=False, repr=False, compare=False)
    _of: dict[str, list[_Known]] = field(init=False, repr=False, compare=False)
    _has_machine: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the profiles that have credentials, and group them by account."""
        object.__setattr__(self, "_below", self._partitions_of_roles())
        known = {
            name: _Known(profile, profile.account, self._partition_of(profile))
            for name, profile in self.profiles.items()
            if profile.has_credentials
        }
        by_account: dict[str, list[_Known]] = {}
        for each in known.values():
            by_account.setdefault(each.account, []).append(each)
        object.__setattr__(self, "_known", known)
        object.__setattr__(self, "_of", by_account)
        object.__setattr__(self, "_has_machine", ambient.exists(self.environ, self.system, self._scope()))

    def of(self, host: RegistryHost) -> tuple[Choice, ...]:
        """Return who could serve a registry, best first; empty if nobody.

        Those behind the first are tried when AWS denies it, or when it has no credentials.
        """
        distinct: dict[Principal, Choice] = {}
        for choice in self._in_order(host):
            is_own = host.account is None or self._account_of(choice.principal.profile) == host.account
            distinct.setdefault(choice.principal, replace(choice, own_account=is_own))
        name, variable = named_profile(self.environ)
        if not distinct and name and name not in self.profiles:
            # A profile that is named and is not there is a mistake to report, not to pass over.
            return (Choice(Principal(name), ChosenBy.ENVIRONMENT, variable=variable),)
        return tuple(distinct.values())

    def _in_order(self, host: RegistryHost) -> Iterator[Choice]:
        name, variable = named_profile(self.environ)
        named = Choice(Principal(name), ChosenBy.ENVIRONMENT, variable=variable)
        has_keys = ambient.has_keys(self.environ)
        if has_keys and self._keys_fit(host):
            yield Choice(Principal(""), ChosenBy.AMBIENT)
        if self._fits(name, host):
            yield named
        if host.account:
            yield from self._of_account(host)
        yield from self._without_name(host, has_keys=has_keys)
        if has_keys and self._is_of_partition(self._machine_partition(), "", host):
            is_fact = bool(self.environ.get("AWS_ACCOUNT_ID"))
            yield Choice(Principal(""), ChosenBy.AMBIENT, fits=False, other_account=is_fact)
        if self._may_serve(name, host):
            yield self._across(named, host)
        usable = list(islice((each for each in self._known if self._may_serve(each, host)), 2))
        usable = usable or self._behind_machine()
        if len(usable) == 1 and (host.account or not self._runs_program(usable[0])):
            only = Choice(Principal(usable[0]), ChosenBy.DEFAULT)
            yield self._across(named if usable[0] == name else only, host)

    def _without_name(self, host: RegistryHost, *, has_keys: bool) -> Iterator[Choice]:
        """Yield what botocore takes where no profile is named."""
        from_machine = self._has_machine and not has_keys
        other = self._is_role_of_other_account(host)
        machine = Choice(Principal(""), ChosenBy.AMBIENT, fits=not other, other_account=other)
        # A machine is in one partition, and nobody names its region twice.
        may = from_machine and self._machine_partition() in {"", regions().get(host.region)}
        if may and host.account and self._role_account() == host.account:
            yield machine
        if self._fits("default", host):
            yield Choice(Principal("default"), ChosenBy.DEFAULT)
        if not host.account:
            yield from self._for_public(host)
        if may:
            yield machine

    # -- profiles -------------------------------------------------------------------------------------------

    def _may_serve(self, name: str, host: RegistryHost) -> bool:
        """Return whether a profile has credentials, and of the registry's partition."""
        known = self._known.get(name)
        return known is not None and self._is_of_partition(known.partition, known.account, host, name)

    def _fits(self, name: str, host: RegistryHost) -> bool:
        """Return whether a profile may serve, and its account is the registry's or cannot be told."""
        if not self._may_serve(name, host):
            return False
        return host.account is None or self._known[name].account in {"", host.account}

    def _of_account(self, host: RegistryHost) -> list[Choice]:
        known = self._of.get(host.account or "", [])
        fitting = [each.profile for each in known if self._may_serve(each.profile.name, host)]
        fitting.sort(key=lambda profile: profile.region != host.region)  # stable: else the order of the file
        return [Choice(Principal(profile.name), ChosenBy.ACCOUNT) for profile in fitting]

    def _for_public(self, host: RegistryHost) -> list[Choice]:
        """Return who could ask the public registry; a program is not started for what needs no account."""
        fitting = (n for n in self._known if self._may_serve(n, host) and not self._runs_program(n))
        return [Choice(Principal(name), ChosenBy.DEFAULT) for name in islice(fitting, _MOST_FOR_PUBLIC)]

    def _runs_program(self, name: str) -> bool:
        base = self.origin(name)
        return base is None or bool(base.keys.get("credential_process"))

    def _account_of(self, name: str) -> str:
        """Return the account of a profile, or of the ambient chain where none is named; "" if it is not known."""
        if name:
            return self.profiles[name].account
        return self._account_of_keys() if ambient.has_keys(self.environ) else self._role_account()

    def _across(self, choice: Choice, host: RegistryHost) -> Choice:
        """Return the choice of a profile though its account is another: registries are opened by policy."""
        profile = self.profiles[choice.principal.profile]
        fits = host.account is None or profile.account in {"", host.account}
        return replace(choice, fits=fits, other_account=not fits and not profile.is_hint)

    # -- partitions -----------------------------------------------------------------------------------------

    def _partition_of(self, profile: Profile) -> str:
        """Return the partition of a profile, "" if only AWS could tell; a role above keys of another has none."""
        if not profile.partition:
            if len(of_roles := self._below.get(profile.name, set())) == 1:
                return next(iter(of_roles))
            in_effect = named_profile(self.environ)[0] or "default"
            return self._environment_partition() if profile.name == in_effect else ""
        base = self.origin(profile.name)
        begins = "" if base is None else base.partition
        if profile.keys.get("credential_source") == "Environment":
            begins = self._environment_partition()
        return profile.partition if begins in {"", profile.partition} else _MIXED

    def _partitions_of_roles(self) -> dict[str, set[str]]:
        """Return the partitions of the roles that each profile's keys are traded for."""
        found: dict[str, set[str]] = {}
        for name, profile in self.profiles.items():
            of_role = _partition_of_role(profile.keys.get("role_arn", ""))
            base = self.origin(name) if of_role and profile.assumes else None
            if base is not None and base.name != name:
                found.setdefault(base.name, set()).add(of_role)
        return found

    def _is_of_partition(self, partition: str, account: str, host: RegistryHost, name: str = "") -> bool:
        wanted = regions().get(host.region, "")
        if partition or (account and account == host.account):
            return partition in {"", wanted}
        return wanted == _COMMERCIAL or self._is_only_source(name)

    def _is_only_source(self, name: str) -> bool:
        return not self._known.keys() - {name} and not (name and self._has_machine)

    def _behind_machine(self) -> list[str]:
        """Return the profile that would be the only source if the machine gives nothing: it may have no role."""
        if ambient.has_keys(self.environ) or ambient.has_web_identity(self.environ) or len(self._known) != 1:
            return []
        return [name for name, each in self._known.items() if not each.partition]

    def _environment_partition(self) -> str:
        named = (self.environ.get(each, "") for each in ("AWS_DEFAULT_REGION", "AWS_REGION"))
        return next((found for region in named if (found := regions().get(region, ""))), "")

    def _machine_partition(self) -> str:
        """Return the partition of the ambient chain; "" if only AWS could tell."""
        role = _partition_of_role(self._role())
        scope = regions().get(self._scope().get("region", ""), "")
        return role or self._environment_partition() or scope

    # -- the ambient chain ----------------------------------------------------------------------------------

    def _scope(self) -> Mapping[str, str]:
        """Return the keys of the profile whose region and endpoints the ambient chain uses."""
        profile = self.profiles.get(named_profile(self.environ)[0] or "default")
        return {} if profile is None else profile.keys

    def _role(self) -> str:
        """Return the role that the environment's web identity is traded for; "" if there is none."""
        if ambient.has_keys(self.environ) or not ambient.has_web_identity(self.environ):
            return ""
        return self.environ["AWS_ROLE_ARN"]

    def _role_account(self) -> str:
        return Profile("", {"role_arn": self._role()}).account

    def _is_role_of_other_account(self, host: RegistryHost) -> bool:
        return host.account is not None and self._role_account() not in {"", host.account}

    def _keys_fit(self, host: RegistryHost) -> bool:
        """Return whether the keys in the environment are of the registry's account, or tell none."""
        account = self._account_of_keys()
        if host.account is not None and account not in {"", host.account}:
            return False
        return self._is_of_partition(self._machine_partition(), account, host)

    def _account_of_keys(self) -> str:
        return self.environ.get("AWS_ACCOUNT_ID") or account_of_key(self.environ["AWS_ACCESS_KEY_ID"])

    # -- nobody ---------------------------------------------------------------------------------------------

    def nobody_for(self, host: RegistryHost) -> Failure:
        """Return why `of` has nobody for a registry, with the candidates and the line to write."""
        usable = [*self._known]
        listed = [f"{name} ({self._described(name, host)})" for name in usable]
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        known = f"Profiles: {', '.join(listed[:_LISTED])}{more}." if listed else "There are no AWS profiles."
        if self.profiles and not listed:
            known = f"No profile has credentials: {', '.join([*self.profiles][:_LISTED])}."
        name, variable = named_profile(self.environ)
        if listed and name in self.profiles and name not in self._known:
            known += f' Profile "{name}", which {variable} names, has no credentials.'
        what = f"No AWS profile for account {host.account}" if host.account else "No AWS profile"
        likely = [name for name in usable if self._may_serve(name, host)]
        unknown = [name for name in likely if not self.profiles[name].account]
        remedy = remedies.name_profile(host.name, next(iter([*unknown, *likely]), ""))
        message = f"{what}: nobody to ask about {host.name}. {known}"
        return Failure(Category.CONFIG, "profile.none", message, remedy.hint, command=remedy.command)

    def _described(self, name: str, host: RegistryHost) -> str:
        """Return what is known of a profile's account, and whether it is of a partition that rules it out."""
        account = _account_text(self.profiles[name])
        if self._may_serve(name, host):
            return account or "account unknown"
        return ", ".join(filter(None, (account, "of another partition")))


def _partition_of_role(arn: str) -> str:
    return Profile("", {"role_arn": arn}).partition


def _account_text(profile: Profile) -> str:
    """Return its account and how far that is certain; "" if it is unknown."""
    return f"{profile.account}, by its key id" if profile.is_hint else profile.account
