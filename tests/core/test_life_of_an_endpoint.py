"""The life of an endpoint: who gets its traffic, against a small model of the same in words."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jupyter_deploy.core.lifecycle.endpoint import (
    TRANSITIONS,
    Deployed,
    Event,
    KeepTrying,
    MarkFailed,
    MarkGood,
    Phase,
    PromoteAsked,
    RollbackAsked,
    Staged,
    UndeployAsked,
    VersionGivenUp,
    decide,
    phase_of,
)
from jupyter_deploy.core.traffic import Traffic
from jupyter_deploy.errors import Conflict, NotFound, NothingToRollBackTo

GOOD = ["1.0.0", "1.1.0", "1.2.0"]


def after(*events: Event, good: list[str] = GOOD):
    """The traffic and the actions of the last of `events`."""
    traffic, actions = Traffic(), ()
    for event in events:
        traffic, actions = decide(traffic, event, name="churn", good=good)
    return traffic, actions


def test_what_was_deployed_serves_and_the_one_before_is_warm() -> None:
    traffic, actions = after(Deployed("1.0.0"), Deployed("1.1.0"))
    assert (traffic.active, traffic.standby, actions) == ("1.1.0", "1.0.0", (MarkGood("1.1.0"),))
    assert phase_of(traffic) is Phase.COVERED


def test_what_was_staged_is_warm_and_serves_when_it_is_promoted() -> None:
    traffic, actions = after(Staged("1.0.0"))
    assert (phase_of(traffic), actions) == (Phase.STAGED, (MarkGood("1.0.0"),))
    assert after(Staged("1.0.0"), PromoteAsked())[0].active == "1.0.0"


def test_a_version_that_is_given_up_leaves_the_traffic_to_the_warm_one() -> None:
    traffic, actions = after(Deployed("1.0.0"), Deployed("1.1.0"), VersionGivenUp("1.1.0"))
    assert (traffic.active, traffic.standby) == ("1.0.0", None)
    assert actions == (MarkFailed("1.1.0"),)


def test_without_a_warm_one_it_leaves_the_traffic_to_the_last_good_one() -> None:
    deployed = [Deployed(version) for version in GOOD]
    # The one before is given up first: what was before that is cold, and good.
    traffic, _ = after(*deployed, VersionGivenUp("1.1.0"))
    assert traffic.standby is None
    good = ["1.0.0", "1.2.0"]
    traffic, actions = decide(traffic, VersionGivenUp("1.2.0"), name="churn", good=good)
    assert (traffic.active, actions) == ("1.0.0", (MarkFailed("1.2.0"),))


def test_where_there_is_no_other_it_keeps_the_traffic_and_is_tried_again() -> None:
    before, _ = after(Deployed("1.0.0"))
    traffic, actions = after(Deployed("1.0.0"), VersionGivenUp("1.0.0"))
    assert (traffic, actions) == (before, (KeepTrying("1.0.0"),))


def test_a_version_without_a_part_in_the_traffic_changes_nothing_when_it_is_given_up() -> None:
    before, _ = after(Deployed("1.0.0"), Deployed("1.1.0"))
    assert decide(before, VersionGivenUp("1.2.0"), name="churn", good=GOOD) == (before, ())


def test_what_cannot_be_asked_is_refused_and_says_why() -> None:
    with pytest.raises(NothingToRollBackTo):
        after(Deployed("1.0.0"), RollbackAsked())
    with pytest.raises(Conflict, match="no version on standby") as raised:
        after(Deployed("1.0.0"), PromoteAsked())
    assert "--to: 1.0.0" in (raised.value.fix or "")
    with pytest.raises(NotFound, match=r"9\.9\.9"):
        after(Deployed("1.0.0"), PromoteAsked("9.9.9"))


def test_what_is_no_row_of_the_table_changes_nothing() -> None:
    assert (Phase.STOPPED, UndeployAsked) not in TRANSITIONS
    assert after(UndeployAsked()) == (Traffic(), ())
    assert after(VersionGivenUp("1.0.0")) == (Traffic(), ())


class Lives(RuleBasedStateMachine):
    """The model: what serves, what is warm, and what has failed, by the words of README."""

    def __init__(self) -> None:
        super().__init__()
        self.traffic = Traffic()
        self.good: list[str] = []
        self.count = 0
        self.active: str | None = None
        self.warm: str | None = None

    def happen(self, event: Event) -> None:
        self.traffic, actions = decide(self.traffic, event, name="churn", good=self.good)
        for action in actions:
            if isinstance(action, MarkGood):
                self.good.append(action.version)
            elif isinstance(action, MarkFailed):
                self.good.remove(action.version)

    @rule()
    def deploy(self) -> None:
        self.count += 1
        version = f"1.{self.count}.0"
        self.active, self.warm = version, self.active or self.warm
        self.happen(Deployed(version))

    @rule()
    def stage(self) -> None:
        self.count += 1
        self.warm = f"1.{self.count}.0"
        self.happen(Staged(self.warm))

    @precondition(lambda self: self.good)
    @rule(data=st.data())
    def roll_back_or_promote(self, data: st.DataObject) -> None:
        to = data.draw(st.sampled_from(self.good))
        asked = data.draw(st.sampled_from([RollbackAsked, PromoteAsked]))
        if to != self.active:
            # A promotion from nothing leaves another warm version warm; a rollback does not.
            warm = self.warm if asked is PromoteAsked and self.warm != to else None
            self.active, self.warm = to, self.active or warm
        self.happen(asked(to))

    @precondition(lambda self: self.active is None and self.warm is None)
    @rule()
    def roll_back_from_nothing_is_refused(self) -> None:
        with pytest.raises(NothingToRollBackTo):
            self.happen(RollbackAsked())

    @rule()
    def undeploy(self) -> None:
        self.active = self.warm = None
        self.happen(UndeployAsked())

    @precondition(lambda self: self.warm is not None)
    @rule()
    def give_up_the_warm_one(self) -> None:
        assert self.warm is not None
        failed, self.warm = self.warm, None
        self.happen(VersionGivenUp(failed))
        assert failed not in self.good

    @precondition(lambda self: self.active is not None)
    @rule()
    def give_up_the_active_one(self) -> None:
        assert self.active is not None
        failed, before, warm = self.active, self.traffic, self.warm
        self.happen(VersionGivenUp(failed))
        if failed in self.good:
            assert self.traffic == before
            assert warm is None
            return
        self.active, self.warm = self.traffic.active, None
        assert self.active == (warm or self.active) != failed

    @invariant()
    def the_model_and_the_table_agree(self) -> None:
        assert (self.traffic.active, self.traffic.standby) == (self.active, self.warm)

    @invariant()
    def only_what_can_serve_has_a_part_in_the_traffic(self) -> None:
        assert {self.traffic.active, self.traffic.standby} - {None} <= set(self.good)

    @invariant()
    def nothing_serves_twice(self) -> None:
        assert self.traffic.active is None or self.traffic.active != self.traffic.standby


Lives.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestWhateverHappens = Lives.TestCase
