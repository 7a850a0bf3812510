"""Changes of traffic: rollback, promote, undeploy, and the return to the last good version.

Rule 1: one change is one transaction: traffic, generation, audit, and whatever else belongs to it.
Rule 2: it is answered when the gateway routes by it.  Rule 3: traffic only goes to a version that
has replicas ready; one that has none gets them first, and what served goes on until then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from jupyter_deploy import failpoints
from jupyter_deploy.client.models import ChangeTraffic, TrafficChanged
from jupyter_deploy.core.lifecycle import endpoint as life
from jupyter_deploy.core.lifecycle.endpoint import (
    Deployed,
    KeepTrying,
    MarkFailed,
    MarkGood,
    PromoteAsked,
    RollbackAsked,
    Staged,
    UndeployAsked,
    VersionGivenUp,
)
from jupyter_deploy.core.manifest import Origin
from jupyter_deploy.core.traffic import Traffic
from jupyter_deploy.errors import StaleGeneration
from jupyter_deploy.supervisor.failures import Failure
from jupyter_deploy.supervisor.happenings import Action
from jupyter_deploy.supervisor.keys import entry, notebook_key
from jupyter_deploy.supervisor.parts import Parts, audit_entry, ourselves
from jupyter_deploy.supervisor.state import Endpoint, State, Version
from jupyter_deploy.supervisor.store import writing


@dataclass(frozen=True, slots=True)
class Change:
    """A change to commit: `action` and `detail` go to the audit, `also` writes what goes along."""

    endpoint: str
    traffic: Traffic
    action: Action
    detail: str
    origin: Origin
    also: Callable[[Connection], None] = lambda _: None
    #: The version that it is about, where that is not the one which serves then.
    about: str | None = None


class TrafficChanges:
    """What moves traffic."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def rollback(self, name: str, change: ChangeTraffic) -> TrafficChanged:
        """Back to the version before, or to `change.version`."""
        return await self._move(name, change, "rolled-back", RollbackAsked(change.version))

    async def promote(self, name: str, change: ChangeTraffic) -> TrafficChanged:
        """All traffic to the standby, or to `change.version`."""
        return await self._move(name, change, "promoted", PromoteAsked(change.version))

    async def _move(
        self, name: str, change: ChangeTraffic, action: Action, asked: RollbackAsked | PromoteAsked
    ) -> TrafficChanged:
        began = time.monotonic()
        before = _unchanged(self._parts.state, name, change.generation)
        target = self._decide(before, asked)[0].active
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
                traffic, _ = self._decide(now, asked)
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

    def _decide(self, one: Endpoint, event: life.Event) -> life.Decision:
        good = self._parts.state.good(one.name)
        return life.decide(one.traffic, event, name=one.name, good=good)

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
        try:
            await self._parts.store.change(statements)
            failpoints.reach(f"{change.action} after")
        except Exception:
            # It may have been committed all the same: what runs follows the state.
            self._parts.routes.changed()
            self._parts.reconcile()
            raise

    async def _follow(self, change: Change) -> tuple[str, ...]:
        """Make it so: the gateways first, then the processes, then whoever wants to know."""
        try:
            return await self._parts.routes.publish()
        finally:
            self._parts.reconcile()
            self._parts.registrar.changed()
            self._parts.journal.add(
                change.action,
                f"{change.endpoint}: {change.detail}.",
                endpoint=change.endpoint,
                version=change.about or change.traffic.active or "",
            )

    async def switch(self, version: Version, *, staged: bool, origin: Origin) -> None:
        """All traffic to a version that a deploy has brought up; with `staged`, none."""
        name = version.endpoint
        async with self._parts.lock(name):
            endpoint = self._parts.state.endpoint(name)
            event = Staged(version.version) if staged else Deployed(version.version)
            traffic, actions = self._decide(endpoint, event)
            detail = (
                f"{version.version} is warm and has no traffic"
                if staged
                else f"all traffic from {endpoint.traffic.active or 'nothing'} to {version.version}"
            )
            renewed = self._parts.state.notebook_key(name) is not None
            with notebook_key(self._parts, name) as key:

                def also(connection: Connection) -> None:
                    _mark(connection, version, actions)
                    if key is not None:
                        how: Action = "key-rotated" if renewed else "key-created"
                        writing.key(connection, key)
                        made = entry(key, how, name, endpoint.generation + 1, origin)
                        writing.audit(connection, made)

                action: Action = "staged" if staged else "deployed"
                change = Change(name, traffic, action, detail, origin, also)
                await self._write(change)
                failpoints.reach("switch in")
            # Outside: the key is valid by now, whatever the gateway says.
            await self._follow(change)

    async def undeploy(self, name: str, origin: Origin) -> None:
        """Nothing of the endpoint runs any more; its history and its keys stay."""
        async with self._parts.lock(name):
            endpoint = self._parts.state.endpoint(name)
            traffic, _ = self._decide(endpoint, UndeployAsked())
            detail = f"{endpoint.traffic.active or 'nothing'} was serving"
            await self.commit(Change(name, traffic, "undeployed", detail, origin))

    async def give_up(self, version: Version, failure: Failure) -> None:
        """A version has failed too often: if it serves, return to the last good one."""
        name = version.endpoint
        async with self._parts.lock(name):
            endpoint = self._parts.state.endpoint(name)
            traffic, actions = self._decide(endpoint, VersionGivenUp(version.version))
            if KeepTrying(version.version) in actions:
                self._say_failing(version, failure)

            def also(connection: Connection) -> None:
                _mark(connection, version, actions, failure)

            why = failure.reason.rstrip(".")
            detail = f"{version.version} has failed; {traffic.active or 'nothing'} serves: {why}"
            about = version.version
            change = Change(name, traffic, "version-failed", detail, ourselves(), also, about)
            await self.commit(change)

    def _say_failing(self, version: Version, failure: Failure) -> None:
        self._parts.journal.add(
            "version-failing",
            f"{version.endpoint} {version.version} fails again and again, and there is no version "
            f"to return to; it is tried again every half minute. {failure.sentences}",
            endpoint=version.endpoint,
            version=version.version,
        )


def _mark(
    connection: Connection,
    version: Version,
    actions: Sequence[life.Action],
    failure: Failure | None = None,
) -> None:
    """Write what has become of a version."""
    if MarkGood(version.version) in actions:
        writing.fate(connection, version.number, "good")
    if MarkFailed(version.version) in actions:
        assert failure is not None
        writing.fate(connection, version.number, "failed", failure.reason, failure.log)


def _unchanged(state: State, name: str, generation: int | None) -> Endpoint:
    endpoint = state.endpoint(name)
    if generation is not None and generation != endpoint.generation:
        raise StaleGeneration(name, generation, endpoint.generation)
    return endpoint
