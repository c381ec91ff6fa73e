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
        adopted: hosts that stand in the files, or once did, in the order in which they were found.
    """

    def __init__(
        self,
        settings: Settings,
        profiles: Profiles,
        regions: Mapping[str, str],
        adopted: Iterable[str],
        seed: str,
        zone: tzinfo,
    ) -> None:
        self.settings = settings
        self.adopted = dict.fromkeys(adopted)
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
                self.adopted.update(dict.fromkeys(event.view.ecr_hosts))
        return len(self.adopted) != known

    def pass_over(self, passed: Mapping[str, Rank]) -> bool:
        """Take whose principals are passed over from now on; returns whether the plan is to be made anew."""
        changed = passed != self._passed
        self._passed = passed
        return changed

    def reread(self, profiles: Profiles) -> None:
        """Take new AWS files."""
        self._profiles = profiles

    def plan(self, files: Sequence[FilePlan]) -> Plan:
        """Return the plan."""
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
