"""What browsers are told when the supervisor's events move."""

from __future__ import annotations

from jupyter_deploy.server.events import Change, Heard, Number, listen


def event(number: int, endpoint: str = "churn", kind: str = "deployed") -> dict[str, object]:
    return {"number": number, "endpoint": endpoint, "kind": kind}


def test_what_was_before_is_told_as_one_change():
    heard, changes = listen(Heard(), [event(1), event(2)])
    assert heard.number == 2
    assert changes == [Change("supervisor-found")]


def test_each_endpoint_that_moved_is_told_once():
    heard, changes = listen(Heard(Number(2)), [event(3), event(4), event(5, "risk")])
    assert heard.number == 5
    assert changes == [Change("deployed", "churn"), Change("deployed", "risk")]


def test_quiet_is_told_to_nobody():
    assert listen(Heard(Number(2)), []) == (Heard(Number(2)), [])


def test_a_supervisor_that_is_gone_is_told_once():
    heard, changes = listen(Heard(Number(2)), None)
    assert changes == [Change("supervisor-lost")]
    assert listen(heard, None) == (Heard(), [])


def test_a_supervisor_with_a_new_history_is_followed_from_there():
    heard, _ = listen(Heard(Number(900)), None)
    heard, _ = listen(heard, [event(1)])
    assert heard.number == 1
