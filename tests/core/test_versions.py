import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.versions import Bump, check_version, next_version, parse_version
from jupyter_deploy.errors import InvalidVersion, VersionExists


def test_the_first_version_is_1_0_0():
    assert next_version([], [], Bump.MINOR) == "1.0.0"
    assert next_version([], [], Bump.MAJOR) == "1.0.0"


@pytest.mark.parametrize(
    ("bump", "version"),
    [(Bump.MAJOR, "2.0.0"), (Bump.MINOR, "1.11.0"), (Bump.PATCH, "1.10.1")],
)
def test_a_version_follows_the_newest_by_number_not_by_text(bump, version):
    assert next_version(["1.0.0", "1.9.0", "1.10.0"], [], bump) == version


def test_a_try_after_a_failed_version_is_a_patch_of_it():
    assert next_version(["1.0.0"], ["1.0.0"], Bump.MINOR) == "1.0.1"
    assert next_version(["1.0.0", "1.1.0"], ["1.1.0"], Bump.MINOR) == "1.1.1"


@given(st.lists(st.tuples(*[st.integers(0, 30)] * 3)), st.sampled_from(Bump), st.data())
def test_the_next_version_is_new_and_above_all_that_served(numbers, bump, data):
    known = [".".join(map(str, number)) for number in numbers]
    failed = data.draw(st.lists(st.sampled_from(known))) if known else []
    following = parse_version(next_version(known, failed, bump))
    assert str(following) not in known
    assert all(following > parse_version(v) for v in known if v not in failed)


@pytest.mark.parametrize(
    "text",
    ["1", "1.0", "v1.0.0", "1.0.0-rc1", "1.0.0+x", "01.0.0", "", "a", 1.0, 2, (1, 0, 0)],
)
def test_what_is_not_three_numbers_is_refused(text):
    with pytest.raises(InvalidVersion, match=r"MAJOR\.MINOR\.PATCH"):
        parse_version(text)


def test_a_version_that_exists_is_refused_and_the_next_one_named():
    with pytest.raises(VersionExists, match=r"1\.2\.0 or higher"):
        check_version("churn", "1.1.0", ["1.0.0", "1.1.0"], [])


def test_a_version_that_goes_backwards_is_refused():
    with pytest.raises(InvalidVersion, match="goes backwards: churn is at 2"):
        check_version("churn", "1.5.0", ["1.0.0", "2.0.0"], [])


def test_a_version_of_ones_own_choice_may_jump_ahead():
    assert check_version("churn", "7.0.0", ["1.0.0"], []) == "7.0.0"
