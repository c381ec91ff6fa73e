"""What is wanted, made from the settings, the AWS files and the hosts that stand in the user's files.

A plan is made anew whenever one of these changes; the facts (core/state.py) outlive it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo

from ecr_refreshd.core import hosts
from ecr_refreshd.core.hosts import RegistryHost
from ecr_refreshd.core.model import Category, Choice, ChosenBy, Failure, Grant, Principal, Standing
from ecr_refreshd.core.ports import Profiles
from ecr_refreshd.core.settings import RegistrySetting, Settings
from ecr_refreshd.core.state import FilePlan, Plan, Registry

MOST_ADOPTED = 200


def make(
    settings: Settings,
    files: Iterable[FilePlan],
    adopted: Iterable[str],
    profiles: Profiles,
    regions: Mapping[str, str],
    *,
    seed: str,
    denied: Collection[str] = frozenset(),
    zone: tzinfo = UTC,
) -> Plan:
    """Return the plan.

    Args:
        settings: the configuration.
        files: the files to keep.
        adopted: hosts that stand in the files, or once did; used as the settings allow.
        profiles: the AWS files, read.
        regions: region -> partition, as botocore knows them.
        seed: this installation's own, for jitter.
        denied: keys of grants that AWS denied; a registry whose profile was found by its account goes on to
            the next profile of that account.
        zone: in which times for people are written.
    """
    registries: dict[str, Registry] = {}
    for setting in settings.registries:
        main = _registry(setting, "config", profiles, regions, denied)
        registries[main.host] = main
        for alias in setting.aliases:
            registries[alias] = replace(main, host=alias)
    found = tuple(adopted)
    for host in adoptable(settings, found):
        if host not in registries:
            setting = RegistrySetting(host, renew=settings.renew, heal=settings.heal, probe=settings.probe)
            registries[host] = _registry(setting, "adopted", profiles, regions, denied)
    return Plan(
        registries,
        tuple(files),
        seed,
        settings.renew.startup_splay,
        settings.notify.warn_before,
        {f"sso:{name}": length for name, length in settings.notify.sso_session_duration.items()},
        zone,
        passed_over=frozenset(_passed_over(settings, found)) - registries.keys(),
        ignored=frozenset(
            known.name
            for text in found
            if (known := hosts.parse(text)) is not None and settings.discover.ignores(known.name)
        ),
    )


def _passed_over(settings: Settings, found: Iterable[str]) -> Iterator[str]:
    """Yield the hosts that were kept as long as no registry was named: whoever names the first may not know."""
    if settings.discover.adopt == "auto" and settings.registries:
        names = (host.name for text in found if (host := hosts.parse(text)) is not None)
        yield from (name for name in names if not settings.discover.ignores(name))


def adoptable(settings: Settings, found: Iterable[str]) -> tuple[str, ...]:
    """Return which of the hosts that stand in files are kept, at most 200, in the order they were found."""
    if not settings.adopts:
        return ()
    names = dict.fromkeys(host.name for text in found if (host := hosts.parse(text)) is not None)
    return tuple(name for name in names if not settings.discover.ignores(name))[:MOST_ADOPTED]


def _registry(
    setting: RegistrySetting,
    origin: str,
    profiles: Profiles,
    regions: Mapping[str, str],
    denied: Collection[str],
) -> Registry:
    host = hosts.parse(setting.host)
    if host is None:
        raise AssertionError(f"{setting.host} was checked to be an ECR host where it came in")
    blank = Registry(
        host=host.name,
        origin=origin,
        grant=None,
        chosen_by=ChosenBy.CONFIG,
        standing=Standing(),
        region=host.region,
        account=host.account,
        renew=setting.renew,
        replace_foreign=setting.heal.on_foreign == "replace",
        respects_logout=setting.heal.on_logout == "respect",
        probe=setting.probe.when,
    )
    if regions.get(host.region) not in host.partitions:
        return replace(blank, blocked=_unknown_region(host))
    if setting.profile is not None:
        choices: Sequence[Choice] = (Choice(Principal(setting.profile), ChosenBy.CONFIG),)
    else:
        choices = profiles.choices(host)
    if not choices:
        return replace(blank, blocked=profiles.nobody_for(host))
    grants = [(choice, _grant(setting, host, choice)) for choice in choices]
    choice, grant = _first_allowed(grants, denied)
    return replace(
        blank, grant=grant, chosen_by=choice.chosen_by, standing=profiles.standing(grant.principal)
    )


def _grant(setting: RegistrySetting, host: RegistryHost, choice: Choice) -> Grant:
    principal = replace(
        choice.principal,
        role_arn=setting.role_arn,
        external_id=setting.external_id,
        session_name=setting.session_name,
    )
    return Grant(principal, host.service, host.region, host.fips, host.dualstack, setting.endpoint_url)


def _first_allowed(grants: list[tuple[Choice, Grant]], denied: Collection[str]) -> tuple[Choice, Grant]:
    for choice, grant in grants:
        if choice.chosen_by is not ChosenBy.ACCOUNT or grant.key not in denied:
            return choice, grant
    return grants[0]


def _unknown_region(host: RegistryHost) -> Failure:
    return Failure(
        Category.CONFIG,
        "region.unknown",
        f"{host.name} names a region that botocore does not know in that partition: {host.region}.",
        hint="Correct the host, or upgrade botocore if AWS has opened that region since: pip install -U botocore",
    )
