import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from jupyter_deploy.core.traffic import (
    Traffic,
    VersionState,
    activate,
    roll_back,
    stage,
    stop,
)
from jupyter_deploy.errors import NotFound, NothingToRollBackTo


def served(*versions):
    traffic = Traffic()
    for version in versions:
        traffic = activate(traffic, version)
    return traffic


def test_the_version_before_stays_warm():
    traffic = served("1.0.0", "1.1.0")
    assert (traffic.active, traffic.standby) == ("1.1.0", "1.0.0")


def test_the_active_version_gets_all_requests():
    traffic = served("1.0.0", "1.1.0")
    assert [traffic.percent_of(one) for one in ("1.0.0", "1.1.0")] == [0.0, 100.0]


def test_a_rollback_goes_to_the_version_before_and_keeps_the_other_warm():
    traffic = roll_back("churn", served("1.0.0", "1.1.0"), None, ["1.0.0", "1.1.0"])
    assert (traffic.active, traffic.standby) == ("1.0.0", "1.1.0")


def test_a_second_rollback_goes_one_further_back():
    known = ["1.0.0", "1.1.0", "1.2.0"]
    once = roll_back("churn", served(*known), None, known)
    assert roll_back("churn", once, None, known).active == "1.0.0"


def test_rolling_forward_again_works():
    known = ["1.0.0", "1.1.0"]
    back = roll_back("churn", served(*known), None, known)
    forward = activate(back, "1.1.0")
    assert forward == served(*known)


def test_a_rollback_skips_versions_that_cannot_serve():
    traffic = served("1.0.0", "1.1.0", "1.2.0")
    assert roll_back("churn", traffic, None, ["1.0.0", "1.2.0"]).active == "1.0.0"


def test_without_an_earlier_version_there_is_nothing_to_go_back_to():
    with pytest.raises(NothingToRollBackTo):
        roll_back("churn", served("1.0.0"), None, ["1.0.0"])


def test_a_rollback_of_what_is_stopped_names_the_version_that_served_last():
    traffic = roll_back("churn", served("1.0.0", "1.1.0"), None, ["1.0.0", "1.1.0"])
    with pytest.raises(NothingToRollBackTo, match=r"No version of 'churn' is active\.") as raised:
        roll_back("churn", stop(traffic), None, ["1.0.0", "1.1.0"])
    assert "--to 1.0.0" in (raised.value.fix or "")


def test_a_rollback_to_an_unknown_version_names_the_known_ones():
    with pytest.raises(NotFound, match=r"1\.0\.0, 1\.1\.0"):
        roll_back("churn", served("1.0.0", "1.1.0"), "9.9.9", ["1.0.0", "1.1.0"])


def test_a_staged_version_gets_no_traffic_until_it_is_promoted():
    staged = stage(served("1.0.0"), "1.1.0")
    assert staged.state_of("1.1.0") is VersionState.STANDBY
    assert staged.active == "1.0.0"
    assert activate(staged, "1.1.0") == served("1.0.0", "1.1.0")


def test_what_is_stopped_keeps_its_history():
    stopped = stop(served("1.0.0", "1.1.0"))
    assert stopped.history == ("1.0.0", "1.1.0")
    assert stopped.state_of("1.1.0") is VersionState.RETIRED


class AnEndpoint(RuleBasedStateMachine):
    """Any order of changes, against the plainest model: a list of who served."""

    def __init__(self):
        super().__init__()
        self.traffic = Traffic()
        self.known = []

    @rule()
    def deploy(self):
        self.known.append(f"1.{len(self.known)}.0")
        self.traffic = activate(self.traffic, self.known[-1])

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def go_to_any(self, data):
        version = data.draw(st.sampled_from(self.known))
        before = self.traffic.active
        self.traffic = roll_back("e", self.traffic, version, self.known)
        assert self.traffic.active == version
        assert before in (self.traffic.standby, version, None)

    @precondition(lambda self: len(self.known) > 1)
    @rule(data=st.data())
    def stage_any(self, data):
        version = data.draw(st.sampled_from(self.known))
        before = self.traffic.active
        self.traffic = stage(self.traffic, version)
        assert self.traffic.active == before

    @rule()
    def take_down(self):
        self.traffic = stop(self.traffic)

    @rule()
    def go_back(self):
        before = self.traffic
        try:
            self.traffic = roll_back("e", before, None, self.known)
        except NothingToRollBackTo:
            assert before.active is None or set(before.history) <= {before.active}
        else:
            assert self.traffic.active != before.active
            assert self.traffic.standby == before.active

    @invariant()
    def active_and_standby_are_known_and_differ(self):
        named = [v for v in (self.traffic.active, self.traffic.standby) if v]
        assert len(set(named)) == len(named)
        assert set(named) <= set(self.known)


AnEndpoint.TestCase.settings = settings(max_examples=200)
TestAnEndpoint = AnEndpoint.TestCase
