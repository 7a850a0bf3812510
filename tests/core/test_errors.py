import pytest

from jupyter_deploy import errors
from jupyter_deploy.errors import BadInput, DeployError, DeployFailed, NotFound, Unauthorized


def every_error():
    found, waiting = [], [DeployError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return found


def test_every_code_belongs_to_one_error():
    codes = [kind.code for kind in every_error()]
    assert sorted(codes) == sorted(set(codes))


def test_the_tree_in_the_module_names_every_error_people_meet():
    for kind in every_error():
        if kind.__name__ not in ("DeployError", "RequestError"):
            assert kind.__doc__
            assert 400 <= kind.status <= 599


def test_a_problem_document_has_the_members_of_rfc_9457():
    document = NotFound("endpoint", "x", ["churn"]).problem("req-1")
    assert document == {
        "type": errors.PROBLEM_TYPE + "not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no endpoint 'x'.",
        "instance": "req-1",
        "fix": "Known: churn.",
    }


@pytest.mark.parametrize(
    "error",
    [
        NotFound("endpoint", "x"),
        BadInput("two values are wrong", [{"pointer": "/inputs/0", "message": "m"}]),
        DeployFailed("prove", "row 3 differs", "Look at it.", ["last", "lines"]),
    ],
)
def test_an_error_crosses_a_socket_whole(error):
    copy = DeployError.from_problem(error.problem("r"))
    assert type(copy) is type(error)
    assert (copy.detail, copy.fix) == (error.detail, error.fix)
    assert copy.extras() == error.extras()


@pytest.mark.parametrize("kind", [e for e in every_error() if issubclass(e, errors.RequestError)])
def test_every_error_of_a_request_that_crossed_a_socket_still_has_its_headers(kind):
    copy = DeployError.from_problem({"type": errors.PROBLEM_TYPE + kind.code, "detail": "x"})
    assert isinstance(copy.headers(), list)


def test_an_unknown_problem_is_still_an_error_with_its_words():
    error = DeployError.from_problem({"type": "about:blank", "detail": "teapot"})
    assert type(error) is DeployError
    assert str(error) == "teapot"


def test_an_error_is_also_the_builtin_that_a_caller_expects():
    assert isinstance(NotFound("endpoint", "x"), LookupError)
    assert isinstance(BadInput("x"), ValueError)


def test_a_caller_learns_no_more_than_that_the_key_is_not_valid():
    headers = dict(Unauthorized(sent=True).headers())
    assert headers["www-authenticate"]
    assert Unauthorized(sent=True).detail == "The key is not valid."


def test_a_person_reads_what_happened_and_what_to_do_not_our_frames():
    lines = DeployFailed("prove", "row 3 differs.", "Look at it.", ["a log line"])
    text = lines._render_traceback_()
    assert text == ["DeployFailed at step 'prove': row 3 differs.", "  | a log line", "Look at it."]


def test_who_names_what_is_not_there_hears_what_there_is():
    assert NotFound("endpoint", "x", ["churn"]).fix == "Known: churn."
    assert NotFound("endpoint", "x", []).fix == "There are none yet."
    assert NotFound("route", "x").fix == ""


def test_what_is_not_found_says_what_there_is_and_how_much_more():
    assert str(NotFound("key", "a", [*"abcdefgh"])).endswith("Known: a, b, c, d, e, f, g, h.")
    assert str(NotFound("key", "a", [*"abcdefghij"])).endswith("f, g, h and 2 more.")
