"""What the loop has learned about what is wanted: settings, profiles, adopted hosts, denials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo

from ecr_refreshd.core import plan
from ecr_refreshd.core.events import Event, SinkSeen
from ecr_refreshd.core.fallback import Rank
from ecr_refreshd.core.ports import Profiles
from ecr_refreshd.core.settings import Settings
from ecr_refreshd.core.state import FilePlan, Plan


class Wishes:
    """The makings of a plan.

    Attributes:
        settings: the configuration in force; `configure` takes a new one.
        adopted: hosts that stand in the files, or once did, in the order in which they were found.
        dropped: hosts that the configuration named and names no more. Their entries are ours, so that they stand
            in a file is no reason to adopt them.
    """

    def __init__(
        self,
        settings: Settings,
        profiles: Profiles,
        regions: Mapping[str, str],
        adopted: Iterable[str],
        seed: str,
        zone: tzinfo,
        *,
        dropped: Iterable[str] = (),
    ) -> None:
        self.settings = settings
        self.adopted = dict.fromkeys(adopted)
        self.dropped = frozenset(dropped) - settings.named if settings.registries else frozenset()
        self._in_files: dict[str, tuple[str, ...]] = {}
        self._planned: frozenset[str] = frozenset()
        self._profiles = profiles
        self._regions = regions
        self._seed = seed
        self._zone = zone
        self._passed: Mapping[str, Rank] = {}

    def learn(self, events: Iterable[Event]) -> bool:
        """Take from events what is wanted from now on; returns whether the plan is to be made anew."""
        known = len(self.adopted)
        for event in events:
            if isinstance(event, SinkSeen):
                self._find(event.path, event.view.ecr_hosts)
        return len(self.adopted) != known

    def pass_over(self, passed: Mapping[str, Rank]) -> bool:
        """Take whose principals are passed over from now on; returns whether the plan is to be made anew."""
        changed = passed != self._passed
        self._passed = passed
        return changed

    def configure(self, settings: Settings) -> None:
        """Take a new configuration; one that names no registry means that all in the files are adopted."""
        self.dropped = (self.dropped | self.settings.named) - settings.named
        self.settings = settings
        if not settings.registries:
            self.dropped = frozenset()
            for path, found in self._in_files.items():
                self._find(path, found)

    def _find(self, path: str, found: tuple[str, ...]) -> None:
        self._in_files[path] = found
        if self._planned and self._planned <= self._in_files.keys():
            # What is in no file any more is found anew when it comes back.
            self.dropped &= {host for each in self._in_files.values() for host in each}
        others = self.settings.named | self.dropped
        self.adopted.update(dict.fromkeys(host for host in found if host not in others))

    def reread(self, profiles: Profiles) -> None:
        """Take new AWS files."""
        self._profiles = profiles

    def plan(self, files: Sequence[FilePlan]) -> Plan:
        """Return the plan; only once each of its files was looked at is it known which hosts stand in none."""
        self._planned = frozenset(file.path for file in files if file.role != "helper")
        return plan.make(
            self.settings,
            files,
            self.adopted,
            self._profiles,
            self._regions,
            seed=self._seed,
            passed=self._passed,
            zone=self._zone,
        )
