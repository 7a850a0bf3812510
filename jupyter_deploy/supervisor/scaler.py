"""The scaler: has the versions with a range follow their load.

Rule 1: `core.scaling` decides; this file asks the gateways and keeps what was decided.  Rule 2:
while no version has a range, nobody is asked.  Rule 3: a gateway that does not answer changes
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain

from jupyter_deploy.core.scaling import Load, Scaling, Sight, decide, load_of
from jupyter_deploy.supervisor.journal import Journal
from jupyter_deploy.supervisor.settings import Settings
from jupyter_deploy.supervisor.state import State, Version


class Scaler:
    """How many replicas each version with a range shall have now."""

    def __init__(
        self, settings: Settings, journal: Journal, sights: Callable[[], Awaitable[list[Sight]]]
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._sights = sights
        self._before: list[Sight] = []
        self._scaling: dict[int, Scaling] = {}

    @property
    def wanted(self) -> dict[int, int]:
        """How many replicas, by the number of the version."""
        return {number: scaling.wanted for number, scaling in self._scaling.items()}

    def begin(self, version: Version, count: int) -> int:
        """Start from `count` replicas, or the nearest that its range allows; how many that are."""
        wanted = version.range.clamp(count)
        if version.range.scales:
            self._scaling[version.number] = Scaling.begin(wanted, time.monotonic())
        return wanted

    def adopt(self, state: State, living: Mapping[int, int]) -> None:
        """Go on from the replicas that an earlier supervisor has left."""
        for number, count in living.items():
            version = state.by_number(number)
            if version is not None:
                self.begin(version, count)

    async def look(self, state: State) -> bool:
        """Look once at the load of all versions that scale; whether any shall change."""
        versions = {one.number: one for one in _scaling(state)}
        if not versions:
            self._before = []
            return False
        sights = await self._sights()
        if not sights:
            return False
        now = time.monotonic()
        changed = [self._follow(one, sights, now) for one in versions.values()]
        self._before = sights
        return any(changed)

    def _follow(self, version: Version, sights: list[Sight], now: float) -> bool:
        before = self._scaling.get(version.number) or Scaling.begin(version.replicas, now)
        load = load_of((version.endpoint, version.version), self._before, sights)
        seconds = self._settings.scale_down_seconds
        after, wanted = decide(before, load, version.range, now, down_seconds=seconds)
        self._scaling[version.number] = after
        if wanted == before.wanted:
            return False
        self._tell(version, before.wanted, wanted, load)
        return True

    def _tell(self, version: Version, before: int, wanted: int, load: Load) -> None:
        seconds = self._settings.scale_down_seconds
        why = str(load) if wanted > before else f"no more were needed for {seconds:g} s"
        self._journal.add(
            "scaled",
            f"{version.endpoint} {version.version} scaled from {before} to {wanted} "
            f"replica{'' if wanted == 1 else 's'}: {why}.",
            endpoint=version.endpoint,
            version=version.version,
        )


def _scaling(state: State) -> list[Version]:
    """The versions with a range that have traffic or are warm."""
    routed = ((one.name, one.traffic) for one in state.endpoints.values())
    names = chain.from_iterable(
        ((name, traffic.active), (name, traffic.standby)) for name, traffic in routed
    )
    versions = (state.version(name, version) for name, version in names if version is not None)
    return [one for one in versions if one.range.scales]
