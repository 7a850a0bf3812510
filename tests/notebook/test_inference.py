"""The inference client over a real socket: what it sends, and what it makes of the answer."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from jupyter_deploy.client.inference import InferenceClient
from jupyter_deploy.core.keys import Secret
from jupyter_deploy.errors import (
    BadInput,
    DeadlineExceeded,
    ModelFailed,
    RequestError,
    Unauthorized,
    Unavailable,
    UnknownRoute,
)
from tests.support import free_port


class Endpoint(ThreadingHTTPServer):
    """Answers what the test says, and remembers what came."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.answer, self.came = 200, b'{"predictions": []}', []
        self.hang_up = 0
        self.wait = threading.Event()
        self.wait.set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def says(self, status, document):
        self.status, self.answer = status, json.dumps(document).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.came.append((self.path, dict(self.headers.items()), json.loads(body)))
        self.server.wait.wait(5)
        if self.server.hang_up:
            self.server.hang_up -= 1
            self.close_connection = True
            return
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def endpoint():
    with Endpoint() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.wait.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def client(endpoint):
    with InferenceClient(endpoint.url, Secret("jd_live_x")) as made:
        yield made


def problem(code, status, detail, **more):
    kind = f"https://jupyterlab-deploy.readthedocs.io/errors#{code}"
    return {"type": kind, "status": status, "detail": detail, "instance": "r-7", **more}


def test_predictions_come_back_as_the_model_gives_them(endpoint, client):
    endpoint.says(200, {"predictions": ["Yes", "No"], "probabilities": [[0, 1], [1, 0]]})
    assert client.predict("churn", np.eye(2)).tolist() == ["Yes", "No"]
    path, headers, body = endpoint.came[0]
    assert path == "/endpoints/churn/invocations"
    assert headers["authorization"] == "Bearer jd_live_x"
    assert body == {"inputs": [[1.0, 0.0], [0.0, 1.0]]}


def test_the_whole_answer_is_there_for_whoever_wants_it(endpoint, client):
    endpoint.says(200, {"predictions": [1], "classes": [0, 1]})
    assert client.predict_json("churn", {"inputs": [1]})["classes"] == [0, 1]


def test_half_a_character_in_an_answer_comes_back_as_it_is(endpoint, client):
    endpoint.says(200, {"predictions": ["caf\udce9"]})
    assert client.predict("churn", [1]).tolist() == ["caf\udce9"]


def test_a_version_is_asked_for_by_its_own_path(endpoint, client):
    client.predict("churn", [1], version="1.0.0")
    assert endpoint.came[0][0] == "/endpoints/churn/versions/1.0.0/invocations"


def test_a_key_that_was_rotated_in_its_file_is_the_one_that_is_sent(endpoint, tmp_path):
    file = tmp_path / "key"
    with InferenceClient(endpoint.url, file) as client:
        for key in ("first", "second"):
            file.write_text(f"{key}\n")
            client.predict("churn", [1])
    assert [headers["authorization"] for _, headers, _ in endpoint.came] == [
        "Bearer first",
        "Bearer second",
    ]


def test_the_key_is_in_no_repr_and_no_error(endpoint, client, tmp_path):
    endpoint.says(401, problem("unauthorized", 401, "The key is not valid."))
    with pytest.raises(Unauthorized) as raised:
        client.predict("churn", [1])
    assert "jd_live" not in repr(client) + repr(vars(client)) + repr(raised.value)


def test_a_proxy_from_the_environment_does_not_see_calls_to_this_machine(endpoint, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with InferenceClient(endpoint.url, Secret("k")) as client:
        client.predict("churn", [1])
    assert len(endpoint.came) == 1


def test_what_is_not_served_says_where_to_look(endpoint, client):
    endpoint.says(404, problem("unknown-route", 404, "churn is not served here."))
    with pytest.raises(UnknownRoute, match="churn is not served here") as raised:
        client.predict("churn", [1])
    assert raised.value.fix == "endpoint('churn').versions shows what serves, or was stopped."


def test_a_bad_input_names_the_first_values_that_are_wrong(endpoint, client):
    wrong = [
        {"row": row, "column": "tenure", "expected": "integer", "got": "string"} for row in range(5)
    ]
    endpoint.says(400, problem("bad-input", 400, "5 values are wrong.", errors=wrong))
    with pytest.raises(BadInput) as raised:
        client.predict("churn", [1])
    assert str(raised.value).startswith(
        "5 values are wrong. row 0, column 'tenure': expected integer, got string; row 1"
    )
    assert str(raised.value).endswith("and 2 more.")
    assert len(raised.value.errors) == 5


def test_a_model_that_failed_says_where_its_trace_is(endpoint, client):
    endpoint.says(500, problem("model-failed", 500, "The model failed on this input."))
    with pytest.raises(ModelFailed, match=r"endpoint\('churn'\)\.errors\['r-7'\]") as raised:
        client.predict("churn", [1])
    assert raised.value.request_id == "r-7"


def test_an_answer_that_is_no_problem_document_is_still_an_error(endpoint, client):
    endpoint.status, endpoint.answer = 502, b"<h1>Bad Gateway</h1>"
    with pytest.raises(RequestError, match="answered 502"):
        client.predict("churn", [1])


def test_a_connection_that_was_closed_is_tried_once_more(endpoint, client):
    client.predict("churn", [1])
    endpoint.hang_up = 1
    client.predict("churn", [2])
    assert [body["inputs"] for _, _, body in endpoint.came] == [[1], [2], [2]]


def test_nobody_at_the_address_says_how_to_start(tmp_path):
    with (
        InferenceClient(f"http://127.0.0.1:{free_port()}", Secret("k")) as client,
        pytest.raises(Unavailable, match="jupyter endpoint start"),
    ):
        client.predict("churn", [1])


@pytest.mark.parametrize("held", [b"", b" \n", b"\xff\0\xff"])
def test_a_key_file_that_holds_no_key_says_so(held, tmp_path):
    file = tmp_path / "damaged"
    file.write_bytes(held)
    with (
        InferenceClient("http://127.0.0.1:1", file) as client,
        pytest.raises(Unavailable, match="it holds no key"),
    ):
        client.predict("churn", [[1.0]])


def test_a_key_file_that_is_gone_says_how_to_get_one(tmp_path):
    with (
        InferenceClient("http://127.0.0.1:1", tmp_path / "gone") as client,
        pytest.raises(Unavailable, match="%apikey create"),
    ):
        client.predict("churn", [1])


def test_a_wait_for_an_answer_has_an_end(endpoint):
    endpoint.wait.clear()
    with (
        InferenceClient(endpoint.url, Secret("k"), answer_seconds=0.2) as client,
        pytest.raises(DeadlineExceeded),
    ):
        client.predict("churn", [1])
    endpoint.wait.set()
