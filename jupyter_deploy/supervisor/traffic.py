"""Changes of traffic: rollback, promote, undeploy, and the return to the last good version.

Rule 1: one change is one transaction: traffic, generation, audit, and whatever else belongs to it.
Rule 2: it is answered when the gateway routes by it.  Rule 3: traffic only goes to a version that
has replicas ready; one that has none gets them first, and what served goes on until then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from jupyter_deploy import failpoints
from jupyter_deploy.client.models import ChangeTraffic, TrafficChanged
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.core.traffic import (
    Traffic,
    activate,
    roll_back,
    rollback_target,
    stage,
    stop,
)
from jupyter_deploy.errors import Conflict, NotFound, StaleGeneration
from jupyter_deploy.supervisor.failures import Failure
from jupyter_deploy.supervisor.keys import entry, notebook_key
from jupyter_deploy.supervisor.parts import Parts, audit_entry, ourselves
from jupyter_deploy.supervisor.state import Endpoint, State, Version
from jupyter_deploy.supervisor.store import writing

#: From the endpoint as it is, its traffic as it shall be.
Plan = Callable[[State, Endpoint], Traffic]


@dataclass(frozen=True, slots=True)
class Change:
    """A change to commit: `action` and `detail` go to the audit, `also` writes what goes along."""

    endpoint: str
    traffic: Traffic
    action: str
    detail: str
    origin: Origin
    also: Callable[[Connection], None] = lambda _: None


class TrafficChanges:
    """What moves traffic."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def rollback(self, name: str, change: ChangeTraffic) -> TrafficChanged:
        """Back to the version before, or to `change.version`."""
        return await self._move(name, change, "rolled-back", _back_to(change.version))

    async def promote(self, name: str, change: ChangeTraffic) -> TrafficChanged:
        """All traffic to the standby, or to `change.version`."""
        return await self._move(name, change, "promoted", _forward_to(change.version))

    async def _move(
        self, name: str, change: ChangeTraffic, action: str, plan: Plan
    ) -> TrafficChanged:
        began = time.monotonic()
        before = _unchanged(self._parts.state, name, change.generation)
        target = plan(self._parts.state, before).active
        assert target is not None
        version = self._parts.state.version(name, target)
        warm = self._parts.replicas.ready(version.number) > 0
        count = self._parts.needed(version)
        with self._parts.hold(version.number, count):
            if not warm:
                await self._parts.replicas.settled(version.number, count, step="start")
            async with self._parts.lock(name):
                now = _unchanged(self._parts.state, name, change.generation)
                detail = f"all traffic from {now.traffic.active or 'nothing'} to {target}"
                traffic = plan(self._parts.state, now)
                if traffic.active != target:
                    raise StaleGeneration(name, before.generation, now.generation)
                notes = await self.commit(Change(name, traffic, action, detail, change.origin))
        return TrafficChanged(
            name=name,
            version=target,
            previous=now.traffic.active,
            generation=self._parts.state.endpoint(name).generation,
            seconds=time.monotonic() - began,
            warm=warm,
            note=" ".join(notes),
        )

    async def commit(self, change: Change) -> tuple[str, ...]:
        """Commit a change and publish it, unless it changes nothing.

        The caller holds the endpoint's lock.  The answer says which gateways had to be replaced.
        """
        if change.traffic == self._parts.state.endpoint(change.endpoint).traffic:
            return ()
        await self._write(change)
        return await self._follow(change)

    async def _write(self, change: Change) -> None:
        generation = self._parts.state.endpoint(change.endpoint).generation + 1
        entry = audit_entry(
            change.endpoint, generation, change.action, change.detail, change.origin
        )

        def statements(connection: Connection) -> None:
            writing.traffic(connection, change.endpoint, change.traffic, generation)
            writing.audit(connection, entry)
            change.also(connection)
            failpoints.reach(f"{change.action} in")

        failpoints.reach(f"{change.action} before")
        await self._parts.store.change(statements)
        failpoints.reach(f"{change.action} after")

    async def _follow(self, change: Change) -> tuple[str, ...]:
        """Make it so: the gateways first, then the processes, then whoever wants to know."""
        try:
            return await self._parts.routes.publish()
        finally:
            self._parts.reconcile()
            self._parts.registrar.changed()
            message = f"{change.endpoint}: {change.action.replace('-', ' ')}, {change.detail}."
            self._parts.journal.add(
                change.action,
                message,
                endpoint=change.endpoint,
                version=change.traffic.active or "",
            )

    async def switch(self, version: Version, *, staged: bool, origin: Origin) -> None:
        """All traffic to a version that a deploy has brought up; with `staged`, none."""
        name = version.endpoint
        async with self._parts.lock(name):
            endpoint = self._parts.state.endpoint(name)
            before, step = endpoint.traffic, stage if staged else activate
            detail = (
                f"{version.version} is warm and has no traffic"
                if staged
                else f"all traffic from {before.active or 'nothing'} to {version.version}"
            )
            with notebook_key(self._parts, name) as key:

                def also(connection: Connection) -> None:
                    writing.fate(connection, version.number, "good")
                    if key is not None:
                        made = entry(key, "key-created", name, endpoint.generation + 1, origin)
                        writing.key(connection, key)
                        writing.audit(connection, made)

                action = "staged" if staged else "deployed"
                traffic = step(before, version.version)
                change = Change(name, traffic, action, detail, origin, also)
                await self._write(change)
                failpoints.reach("switch in")
            # Outside: the key is valid by now, whatever the gateway says.
            await self._follow(change)

    async def undeploy(self, name: str, origin: Origin) -> None:
        """Nothing of the endpoint runs any more; its history and its keys stay."""
        async with self._parts.lock(name):
            before = self._parts.state.endpoint(name).traffic
            detail = f"{before.active or 'nothing'} was serving"
            await self.commit(Change(name, stop(before), "undeployed", detail, origin))

    async def give_up(self, version: Version, failure: Failure) -> None:
        """A version that serves or is warm has failed too often: return to the last good one."""
        name = version.endpoint
        async with self._parts.lock(name):
            traffic = self._parts.state.endpoint(name).traffic
            if version.version not in (traffic.active, traffic.standby):
                return
            safe = _without(name, traffic, version.version, self._parts.state.good(name))
            if safe is None:
                self._parts.journal.add(
                    "version-failing",
                    f"{name} {version.version} fails again and again, and there is no version to "
                    f"return to; it is tried again every half minute. {failure.reason}",
                    endpoint=name,
                    version=version.version,
                )
                return

            def also(connection: Connection) -> None:
                writing.fate(connection, version.number, "failed", failure.reason, failure.log)

            why = failure.reason.rstrip(".")
            detail = f"{version.version} has failed; {safe.active or 'nothing'} serves: {why}"
            change = Change(name, safe, "version-failed", detail, ourselves(), also)
            await self.commit(change)


def _without(name: str, traffic: Traffic, failed: str, good: list[str]) -> Traffic | None:
    """The traffic without a version that failed, or None when there is no other to serve."""
    if failed == traffic.standby:
        return replace(traffic, standby=None)
    others = [version for version in good if version != failed]
    target = traffic.standby or rollback_target(traffic, others)
    if target is None:
        return None
    return replace(roll_back(name, traffic, target, others), standby=None)


def _unchanged(state: State, name: str, generation: int | None) -> Endpoint:
    endpoint = state.endpoint(name)
    if generation is not None and generation != endpoint.generation:
        raise StaleGeneration(name, generation, endpoint.generation)
    return endpoint


def _back_to(to: str | None) -> Plan:
    def plan(state: State, endpoint: Endpoint) -> Traffic:
        return roll_back(endpoint.name, endpoint.traffic, to, state.good(endpoint.name))

    return plan


def _forward_to(to: str | None) -> Plan:
    def plan(state: State, endpoint: Endpoint) -> Traffic:
        name, good = endpoint.name, state.good(endpoint.name)
        target = to or endpoint.traffic.standby
        if target is None:
            raise Conflict(f"{name!r} has no version on standby.", "Name one to promote.")
        if target not in good:
            raise NotFound(f"usable {name} version", target, good)
        return activate(endpoint.traffic, target)

    return plan
