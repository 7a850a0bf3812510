"""Clients that others wrote, unmodified, pointed at a real gateway and a real replica."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import tritonclient.http as triton
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from tritonclient.utils import InferenceServerException

from jupyter_deploy.core.contract import Column, Contract, Form, Output, Tensor, Type
from tests.gateways import Stack

CHURN = Contract(
    Form.FRAME,
    (
        Column("tenure", Type.INTEGER, "int64"),
        Column("charges", Type.FLOAT, "float64", nullable=True),
        Column("plan", Type.STRING, "str"),
    ),
    output=Output(Type.STRING, classes=("No", "Yes"), probabilities=True),
)
FRAME = pd.DataFrame(
    {"tenure": [1, 30], "charges": [np.nan, 2.5], "plan": ["basic", "pro"]}, index=[7, 9]
)
NUMBERS = Contract(
    Form.FRAME,
    (Column("a", Type.FLOAT, "float64"), Column("b", Type.INTEGER, "int64")),
    output=Output(Type.FLOAT),
)
MATRIX = Contract(
    Form.ARRAY, tensor=Tensor(Type.FLOAT, "float32", (2, 2)), output=Output(Type.FLOAT, (2,))
)


class Churn:
    def predict(self, frame):
        import numpy as np

        return np.where(frame["charges"].isna(), "Yes", "No")

    def predict_proba(self, frame):
        import numpy as np

        return np.tile([0.25, 0.75], (len(frame), 1))


def add(frame):
    return (frame["a"] + frame["b"]).to_numpy()


def rows(x):
    return x.sum(axis=2)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        stack.deploy("churn", CHURN, Churn())
        stack.deploy("numbers", NUMBERS, add)
        stack.deploy("matrix", MATRIX, rows)
        yield stack


@pytest.fixture(scope="module")
def key(stack) -> str:
    return stack.key("churn", "numbers", "matrix")


# --- MLflow's scoring client ----------------------------------------------------------------------


@pytest.fixture
def scoring(stack, key):
    """It makes http://{host}:{port}/invocations, so that host and port carry key and path."""

    def client(path: str) -> ScoringServerClient:
        return ScoringServerClient(f"anyone:{key}@127.0.0.1", f"{stack.port}/endpoints/{path}")

    return client


def test_mlflows_client_finds_the_server_ready_and_asks_for_its_version(scoring):
    client = scoring("churn")
    client.wait_server_ready(timeout=5)
    assert client.get_version() == "3.17.0"


def test_mlflows_client_sends_a_frame_with_missing_values(scoring):
    answer = scoring("churn").invoke(FRAME)
    assert answer.get_predictions()[0].tolist() == ["Yes", "No"]
    assert answer["classes"] == ["No", "Yes"]


def test_mlflows_client_sends_arrays_and_lists(scoring):
    matrix = np.arange(8, dtype="float32").reshape(2, 2, 2)
    answer = scoring("matrix/versions/1.0.0").invoke(matrix)
    assert answer.get_predictions("ndarray").tolist() == matrix.sum(axis=2).tolist()
    assert scoring("numbers").invoke([{"a": 1.5, "b": 2}])["predictions"] == [3.5]
    assert scoring("numbers").invoke(np.array([[1.0, 2.0]]))["predictions"] == [3.0]


def test_mlflows_client_shows_our_error(scoring):
    with pytest.raises(Exception, match=r"error code 400.*expected integer, got number with"):
        scoring("numbers").invoke([{"a": 1, "b": 2.5}])


# --- the client of Triton, for the Open Inference Protocol ----------------------------------------


@pytest.fixture
def tritons(stack, key) -> Iterator[triton.InferenceServerClient]:
    client = triton.InferenceServerClient(f"127.0.0.1:{stack.port}")
    client.register_plugin(_Bearer(key))
    with client:
        yield client


class _Bearer(triton.InferenceServerClientPlugin):
    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, request) -> None:
        request.headers["Authorization"] = f"Bearer {self.key}"


def tensor(name: str, values: np.ndarray, datatype: str, *, binary: bool) -> triton.InferInput:
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def churn_inputs(*, binary: bool) -> list[triton.InferInput]:
    return [
        tensor("plan", np.array([["basic"], ["pro"]], dtype=object), "BYTES", binary=binary),
        tensor("tenure", np.array([1, 30]), "INT64", binary=binary),
        tensor("charges", np.array([np.nan, 2.5]), "FP64", binary=binary),
    ]


def test_tritons_client_finds_server_and_models(tritons):
    assert tritons.is_server_live()
    assert tritons.is_server_ready()
    assert tritons.is_model_ready("churn")
    assert tritons.is_model_ready("churn", "1.0.0")
    assert not tritons.is_model_ready("no-such-one")
    assert tritons.get_server_metadata()["name"] == "jupyter_deploy"
    metadata = tritons.get_model_metadata("churn")
    assert metadata["versions"] == ["1.0.0"]
    assert [one["datatype"] for one in metadata["inputs"]] == ["INT64", "FP64", "BYTES"]
    assert [one["name"] for one in metadata["outputs"]] == ["predict", "probabilities"]


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_sends_one_tensor_for_each_column(tritons, binary):
    inputs = churn_inputs(binary=binary)
    if not binary:
        inputs[2] = tensor("charges", np.array([0.5, 2.5]), "FP64", binary=False)
    result = tritons.infer("churn", inputs, request_id="mine")
    wanted = ["Yes", "No"] if binary else ["No", "No"]
    assert result.as_numpy("predict").tolist() == wanted
    assert result.as_numpy("probabilities").tolist() == [[0.25, 0.75]] * 2
    assert result.get_response()["id"] == "mine"
    assert result.get_response()["model_version"] == "1.0.0"


def test_tritons_client_may_ask_for_one_output_of_one_version(tritons):
    outputs = [triton.InferRequestedOutput("probabilities")]
    result = tritons.infer("churn", churn_inputs(binary=True), model_version="1.0.0",
                           outputs=outputs)  # fmt: skip
    assert result.as_numpy("predict") is None
    assert result.as_numpy("probabilities").shape == (2, 2)


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_sends_one_tensor_for_a_frame_of_numbers_or_an_array(tritons, binary):
    wide = tensor("anything", np.array([[1.5, 2], [3, 4]]), "FP64", binary=binary)
    assert tritons.infer("numbers", [wide]).as_numpy("predict").tolist() == [3.5, 7.0]
    values = np.arange(4, dtype="float32").reshape(1, 2, 2)
    result = tritons.infer("matrix", [tensor("x", values, "FP32", binary=binary)])
    assert result.as_numpy("predict").tolist() == [[1.0, 5.0]]


def test_tritons_client_shows_our_errors(tritons, stack):
    with pytest.raises(InferenceServerException, match="expected integer, got number with") as e:
        tritons.infer("numbers", [tensor("x", np.array([[1, 2.5]]), "FP64", binary=True)])
    assert e.value.status() == "400"
    tritons.unregister_plugin()
    with pytest.raises(InferenceServerException) as e:
        tritons.infer("numbers", [tensor("x", np.array([[1.0, 2]]), "FP64", binary=True)])
    assert e.value.status() == "401"


# --- what a request of the protocol may not be ----------------------------------------------------


def one(**changes) -> dict:
    base = {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}
    return {"inputs": [base | changes]}


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (one(datatype="FP65"), "/inputs/0/datatype"),
        (one(shape=[1, 3]), "/inputs/0/data"),
        (one(shape=[-1, 2]), "/inputs/0/shape"),
        (one(shape=[]), "/inputs/0/shape"),
        (one(data=[1, "2"]), "/inputs/0/data/1"),
        (one(data=[[1], [2]]), "/inputs/0/data"),
        (one(data=[1, 1e400]), "/inputs/0/data/1"),
        (one(data=7), "/inputs/0/data"),
        (one(datatype="INT8", data=[1, 128]), "/inputs/0/data/1"),
        (one(datatype="INT64", data=[1, 2.5]), "/inputs/0/data/1"),
        (one(datatype="BOOL", data=[True, 1]), "/inputs/0/data/1"),
        ({"inputs": []}, "/inputs"),
        ({"inputs": one()["inputs"] * 2}, "/inputs"),
        ({"inputs": [{"name": "x", "shape": [1], "datatype": "FP64"}]}, "/inputs/0"),
        (one(name="a", shape=[1], data=[1]), "/inputs"),
        ({"inputs": [*one(name="a", shape=[2])["inputs"], *one(name="b", shape=[2])["inputs"]]},
         None),
    ],
)  # fmt: skip
def test_a_tensor_that_contradicts_itself_is_refused_at_its_place(stack, key, body, at):
    content = json.dumps(body).replace("Infinity", "1e400")
    answer = stack.client.post("/v2/models/numbers/infer", content=content,
                               headers={"X-API-Key": key})  # fmt: skip
    if at is None:
        assert answer.json()["outputs"][0]["data"] == [2.0, 4.0]
        return
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == at
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("size", "extra"),
    [("x", b""), ("-1", b""), ("99999", b""), ("9" * 5000, b""), (None, b"\0" * 3), (None, b"")],
)
def test_binary_data_that_is_not_as_long_as_it_says_is_refused(stack, key, size, extra):
    text = json.dumps({
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP64",
                    "parameters": {"binary_data_size": 16}}],
    }).encode()  # fmt: skip
    headers = {"X-API-Key": key, "Inference-Header-Content-Length": size or str(len(text))}
    answer = stack.client.post("/v2/models/numbers/infer", content=text + extra, headers=headers)
    assert answer.status_code == 400
