"""What is wanted, made from the settings, the AWS files and the hosts that stand in the user's files.

A plan is made anew whenever one of these changes; the facts (core/state.py) outlive it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from types import MappingProxyType

from ecr_refreshd.core import fallback, hosts, signin
from ecr_refreshd.core.fallback import Rank
from ecr_refreshd.core.hosts import RegistryHost
from ecr_refreshd.core.model import Category, Choice, ChosenBy, Failure, Grant, Principal, Standing
from ecr_refreshd.core.ports import Profiles
from ecr_refreshd.core.remedies import aws as remedies
from ecr_refreshd.core.settings import RegistrySetting, Settings
from ecr_refreshd.core.state import Candidate, FilePlan, Plan, Registry

MOST_ADOPTED = 1000


def make(
    settings: Settings,
    files: Iterable[FilePlan],
    adopted: Iterable[str],
    profiles: Profiles,
    regions: Mapping[str, str],
    *,
    seed: str,
    passed: Mapping[str, Rank] = MappingProxyType({}),
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
        passed: the grants that are passed over (`core.fallback`), where another candidate serves.
        zone: in which times for people are written.
    """
    registries: dict[str, Registry] = {}
    commands = settings.login.command
    for setting in settings.registries:
        main = _registry(setting, "config", profiles, regions, passed, commands)
        registries[main.host] = main
        for alias in setting.aliases:
            registries[alias] = replace(main, host=alias)
    found = {}
    for host in adoptable(settings, adopted):
        if host not in registries:
            setting = RegistrySetting(host, renew=settings.renew, heal=settings.heal, probe=settings.probe)
            found[host] = _registry(setting, "adopted", profiles, regions, passed, commands)
    kept = _within_limit(found)
    return Plan(
        registries | kept,
        tuple(files),
        seed,
        settings.renew.startup_splay,
        settings.notify.warn_before,
        {f"sso:{name}": length for name, length in settings.notify.sso_session_duration.items()},
        zone,
        aws=settings.aws,
        left_out=tuple(host for host in found if host not in kept),
        ignored=frozenset(
            known.name
            for text in adopted
            if (known := hosts.parse(text)) is not None and settings.discover.ignores(known.name)
        ),
    )


def adoptable(settings: Settings, found: Iterable[str]) -> tuple[str, ...]:
    """Return which of the hosts that stand in files may be adopted, in the order they were found."""
    if not settings.discover.adopt:
        return ()
    names = dict.fromkeys(host.name for text in found if (host := hosts.parse(text)) is not None)
    return tuple(name for name in names if not settings.discover.ignores(name))


def _within_limit(found: Mapping[str, Registry]) -> dict[str, Registry]:
    """Return the adopted registries that are kept: first those for which a principal can be asked."""
    by_use = sorted(found, key=lambda host: found[host].grant is None)
    kept = frozenset(by_use[:MOST_ADOPTED])
    return {host: registry for host, registry in found.items() if host in kept}


def _registry(
    setting: RegistrySetting,
    origin: str,
    profiles: Profiles,
    regions: Mapping[str, str],
    passed: Mapping[str, Rank],
    commands: Mapping[str, str],
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
    candidates = tuple(
        Candidate(
            choice, grant, signin.configured(profiles.standing(grant.principal), grant.principal, commands)
        )
        for choice, grant in ((each, _grant(setting, host, each)) for each in choices)
    )
    best, spares = fallback.chosen(candidates, passed)
    return replace(
        blank,
        grant=best.grant,
        chosen_by=best.choice.chosen_by,
        standing=best.standing,
        candidates=candidates,
        spares=spares,
    )


def _grant(setting: RegistrySetting, host: RegistryHost, choice: Choice) -> Grant:
    principal = replace(
        choice.principal,
        role_arn=setting.role_arn,
        external_id=setting.external_id,
        session_name=setting.session_name,
    )
    return Grant(principal, host.service, host.region, host.fips, host.dualstack, setting.endpoint_url)


def _unknown_region(host: RegistryHost) -> Failure:
    what = f"{host.name} names a region that botocore does not know in that partition: {host.region}."
    helps = remedies.newer_botocore()
    return Failure(Category.CONFIG, "region.unknown", what, helps.hint, command=helps.command)
