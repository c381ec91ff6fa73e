"""The registry tables: each names one host, or one account in several regions, and becomes one setting a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from ecr_refreshd.core import settings_kinds as kinds
from ecr_refreshd.core import settings_names as names
from ecr_refreshd.core.hosts import RegistryHost, private_name
from ecr_refreshd.core.hosts import parse as parse_host
from ecr_refreshd.core.settings import (
    ON_FOREIGN,
    ON_LOGOUT,
    PROBE_WHEN,
    Heal,
    Probe,
    RegistrySetting,
    Renew,
    Settings,
)
from ecr_refreshd.core.settings_table import DEFAULT, Notes, Table

_SECOND = timedelta(seconds=1)
_LONGEST_LIFE = timedelta(days=30)


def read_renew(table: Table, otherwise: Renew) -> Renew:
    """Return what a renew table says; what it leaves out is as in `otherwise`."""
    value = Renew(
        login_backed=table.take(
            "login_backed", kinds.duration(_SECOND, _LONGEST_LIFE), otherwise.login_backed
        ),
        unattended=table.take("unattended", kinds.window, otherwise.unattended),
        startup_splay=table.take(
            "startup_splay", kinds.duration(timedelta(0), timedelta(hours=1)), otherwise.startup_splay
        ),
    )
    table.close()
    return value


def read_heal(table: Table, otherwise: Heal) -> Heal:
    """Return what a heal table says; what it leaves out is as in `otherwise`."""
    value = Heal(
        on_logout=table.take("on_logout", kinds.one_of(ON_LOGOUT), otherwise.on_logout),
        on_foreign=table.take("on_foreign", kinds.one_of(ON_FOREIGN), otherwise.on_foreign),
    )
    table.close()
    return value


def read_probe(table: Table, otherwise: Probe) -> Probe:
    """Return what a probe table says; what it leaves out is as in `otherwise`."""
    value = Probe(when=table.take("when", kinds.one_of(PROBE_WHEN), otherwise.when))
    table.close()
    return value


@dataclass(slots=True)
class RegistryTables:
    """Reads all registry tables of one file.

    Attributes:
        regions: region -> partition, as botocore knows them.
        common: the settings of the tables that hold for every registry.
        notes: where problems and sources go.
    """

    regions: Mapping[str, str]
    common: Settings
    notes: Notes

    def read(self, tables: list[Table]) -> tuple[RegistrySetting, ...]:
        """Return one setting for each host, in the order of the file."""
        settings: list[RegistrySetting] = []
        seen: dict[str, int] = {}
        for table in tables:
            settings += [each for each in self._read_one(table) if self._is_new(table, each, seen)]
        return tuple(settings)

    def _read_one(self, table: Table) -> list[RegistrySetting]:
        common, self.notes.sources = self.notes.sources, {}
        hosts = self._hosts(table)
        setting = RegistrySetting(
            host="",
            profile=table.take("profile", names.profile, None),
            role_arn=table.take("role_arn", names.role_arn, ""),
            external_id=table.take("external_id", names.external_id, ""),
            session_name=table.take("session_name", names.session_name, ""),
            endpoint_url=table.take("endpoint_url", kinds.url, ""),
            aliases=table.take_list("aliases", names.alias, ()),
            renew=read_renew(table.table("renew"), self.common.renew),
            heal=read_heal(table.table("heal"), self.common.heal),
            probe=read_probe(table.table("probe"), self.common.probe),
        )
        table.close()
        self._check(table, setting, hosts)
        own, self.notes.sources = self.notes.sources, common
        for host in hosts:
            for key, place in own.items():
                if place != DEFAULT:
                    common[f"registry.{host.name}.{key.removeprefix('registry.')}"] = place
        if len(hosts) > 1:
            setting = replace(setting, aliases=())
        return [replace(setting, host=host.name) for host in hosts]

    def _hosts(self, table: Table) -> list[RegistryHost]:
        host = table.take("host", names.ecr_host(self.regions), None)
        account = table.take("account", names.account, "")
        regions = table.take_list("regions", names.region(self.regions), ())
        if "host" in table:
            for name in ("account", "regions"):
                if name in table:
                    table.complain(name, "stands beside host; write either host, or account and regions")
            return [host] if host else []
        if "account" not in table and "regions" not in table:
            self.notes.problem(table.at, "names no registry; write either host, or account and regions")
        elif "account" not in table:
            table.complain("regions", 'needs account beside it, such as account = "724013829182"')
        elif "regions" not in table:
            table.complain("account", 'needs regions beside it, such as regions = ["us-west-2"]')
        elif not regions:
            if table.holds_nothing("regions"):
                table.complain("regions", "must name at least one region")
        elif account:
            return self._of_account(table, account, regions)
        return []

    def _of_account(self, table: Table, account: str, regions: tuple[str, ...]) -> list[RegistryHost]:
        hosts = []
        for region in regions:
            try:
                host = parse_host(private_name(account, region, self.regions[region]))
            except KeyError:  # a partition newer than the table of suffixes
                host = None
            if host is None:
                table.complain("regions", f"the hosts of {region} are not known; write host instead")
            else:
                hosts.append(host)
        return hosts

    def _check(self, table: Table, setting: RegistrySetting, hosts: list[RegistryHost]) -> None:
        if "role_arn" not in table:
            for name in ("external_id", "session_name"):
                if name in table:
                    table.complain(name, "needs role_arn beside it")
        for host in hosts:
            partition = self.regions[host.region]
            if setting.role_arn and names.arn_partition(setting.role_arn) != partition:
                table.complain("role_arn", f"is a role of another partition than {host.name} ({partition})")
        if setting.aliases and len(hosts) > 1:
            table.complain("aliases", "fit one region only: a token of one region is refused by another")
        self._check_aliases(table, setting, hosts)
        if kinds.in_clear(setting.endpoint_url):
            table.warn("endpoint_url", "http sends the token over the network in clear text")

    def _check_aliases(self, table: Table, setting: RegistrySetting, hosts: list[RegistryHost]) -> None:
        for position, alias in enumerate(setting.aliases):
            other = parse_host(alias)
            for host in hosts:
                if other and (other.service, other.region) != (host.service, host.region):
                    told = f"{alias} refuses a token of {host.name}: it is not of the same region and service"
                    table.complain("aliases", told)
            if not names.is_aws_name(alias):
                told = f"{alias} is not AWS's: whoever runs it receives the token"
                table.warn("aliases", told, position)

    def _is_new(self, table: Table, setting: RegistrySetting, seen: dict[str, int]) -> bool:
        """Return whether no table before, nor this one, names the host or an alias already."""
        is_new = True
        key = "host" if "host" in table else "regions"
        for name, of in ((setting.host, key), *((alias, "aliases") for alias in setting.aliases)):
            if name in seen:
                table.complain(of, f"{name} is named twice, first in line {seen[name]}")
                is_new = False
            else:
                seen[name] = self.notes.line((*table.at, of))
        return is_new
