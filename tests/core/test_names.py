import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.names import consumer_name, endpoint_name
from jupyter_deploy.errors import InvalidName


@pytest.mark.parametrize("name", ["a", "churn", "churn-2", "a" * 63, "x0"])
def test_a_good_endpoint_name_is_taken_as_it_is(name):
    assert endpoint_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "Churn", "1churn", "-a", "a-", "a_b", "a.b", "a/b", "..", "a" * 64, "a\n", "é", "a b",
     "%2e%2e", "a\x00", "\uff41", None, 3, b"churn", ["churn"]],
)  # fmt: skip
def test_a_bad_endpoint_name_is_refused_with_the_rule(name):
    with pytest.raises(InvalidName, match="lower-case letters"):
        endpoint_name(name)


@given(st.text())
def test_no_accepted_endpoint_name_can_leave_a_path_or_a_header(text):
    try:
        name = endpoint_name(text)
    except InvalidName:
        return
    assert name.isascii()
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize("name", ["crm", "data.team", "ann@example.org", "a"])
def test_a_good_consumer_name_is_taken_as_it_is(name):
    assert consumer_name(name) == name


@pytest.mark.parametrize("name", ["", "a b", ".a", "a/", "a" * 64, "ä"])
def test_a_bad_consumer_name_is_refused(name):
    with pytest.raises(InvalidName):
        consumer_name(name)
