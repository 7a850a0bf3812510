"""Models of many kinds: a fresh replica gives the notebook's answers, bit for bit."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from jupyter_deploy.client.payload import encode
from jupyter_deploy.core.contract import Form, Type
from jupyter_deploy.core.manifest import LoaderKind
from jupyter_deploy.gateway.columns import ArrayBuilder
from jupyter_deploy.gateway.decode import InputDecoder
from jupyter_deploy.pipeline.answers import identical
from jupyter_deploy.pipeline.rows import to_arrays
from jupyter_deploy.registry.columns import frame_contract
from jupyter_deploy.replica.answers import Answer

FACTOR = 3.5


class Doubler(BaseEstimator, TransformerMixin):
    """A transformer of a module beside the notebook."""

    def fit(self, x, y=None):
        return self

    def transform(self, x):
        return x.assign(twice=x["tenure"] * 2)


def scaled(frame):
    return frame["tenure"] * FACTOR


@pytest.fixture(scope="module")
def churn():
    data = pd.read_csv("example-notebooks/data/churn.csv.gz").head(600)
    return data.drop(columns=["churn", "rownames"]), data["churn"]


@pytest.fixture(scope="module")
def mixed():
    """One column for each dtype that a person may have."""
    rows = 80
    return pd.DataFrame({
        "whole": pd.array([1, None, 3, 4] * 20, dtype="Int64"),
        "flag": pd.array([True, None, False, True] * 20, dtype="boolean"),
        "kind": pd.Categorical(["u", "v", "u", None] * 20, categories=["v", "u", "w"]),
        "small": np.arange(rows, dtype="f4") / 3,
        "byte": np.arange(rows, dtype="i1"),
        "when": pd.date_range("2020-01-01", periods=rows),
        "zoned": pd.date_range("2020-01-01", periods=rows, tz="Europe/Berlin"),
        "took": pd.to_timedelta(np.arange(rows), unit="s"),
        "text": ["a", None, "b", "c"] * 20,
        "none": pd.Series(["a", None, "b", "c"] * 20, dtype=object),
        "nan": pd.Series(["a", np.nan, "b", "c"] * 20, dtype=object),
        "maybe": pd.Series([True, None, False, True] * 20, dtype=object),
        "day": pd.date_range("2020-01-01", periods=rows).date,
        "list": [[1, 2], [3], [], [4.5]] * 20,
    })  # fmt: skip


def churn_pipeline(x, model):
    numbers = x.select_dtypes("number").columns
    words = x.select_dtypes(exclude="number").columns
    prepare = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(
        make_column_transformer((prepare, numbers), (OneHotEncoder(), words)), model
    )


def assert_reproduced(proof):
    def plain(answer):
        return Answer(answer.names, tuple(answer.arrays), answer.rowwise, answer.columns)

    assert proof.answer is not None
    assert identical(plain(proof.expected), plain(proof.answer))


def test_a_pipeline_over_mixed_columns_finds_its_frame(deploy, churn, home, supervisor):
    x, y = churn
    model = churn_pipeline(x, LogisticRegression(max_iter=200)).fit(x, y)
    others = {"df": x.assign(churn=y), "X_train": x, "numbers": x[["tenure"]], "_hidden": x}
    deployed, proof = deploy(model, namespace=others)
    assert_reproduced(proof)
    contract = deployed.manifest.contract
    assert deployed.manifest.sample_origin == "frame X_train, 600 rows"
    assert contract.output.classes == ("No", "Yes")
    columns = {column.name: column for column in contract.columns}
    assert columns["contract"].closed
    assert columns["contract"].categories[0] == "Month-to-month"
    assert columns["tenure"].type is Type.INTEGER
    assert not columns["tenure"].nullable
    assert deployed.manifest.batchable
    body = json.loads(deployed.manifest.example)
    assert len(body["dataframe_split"]["data"]) == 1
    assert not supervisor.aborted


def test_a_forest_travels_as_skops_with_exactly_its_own_types(deploy, churn):
    x, y = churn
    x = x.select_dtypes("number").fillna(0)
    deployed, proof = deploy(RandomForestClassifier(10, random_state=0).fit(x, y), sample=x)
    assert_reproduced(proof)
    assert deployed.manifest.loader.kind is LoaderKind.SKOPS
    assert deployed.manifest.loader.trusted == ("sklearn.tree._tree.Tree",)


def test_classes_of_local_modules_and_lambdas_travel_by_value(deploy, churn):
    x, y = churn
    first = FunctionTransformer(lambda frame: frame[["tenure", "twice"]] * 2)
    model = make_pipeline(Doubler(), first, LogisticRegression()).fit(x, y)
    deployed, proof = deploy(model, namespace={"X_train": x})
    assert_reproduced(proof)
    assert deployed.manifest.loader.kind is LoaderKind.CLOUDPICKLE
    assert any("travels by value" in note for note in deployed.notes)


def test_a_boosted_model_of_another_library(deploy, churn):
    xgboost = pytest.importorskip("xgboost")
    x, y = churn
    x = x.select_dtypes("number")
    model = xgboost.XGBClassifier(n_estimators=5).fit(x, (y == "Yes").astype(int))
    deployed, proof = deploy(model, sample=x)
    assert_reproduced(proof)
    assert deployed.manifest.contract.output.classes == (0, 1)


@pytest.mark.parametrize("container", [pd.Series, list, np.array])
def test_a_text_model_gets_its_texts_as_it_was_fitted(deploy, container):
    texts = container(["good day", "bad day", "nice", "awful"] * 10)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0] * 10)
    deployed, proof = deploy(model, namespace={"X": texts})
    assert_reproduced(proof)
    assert deployed.manifest.contract.tensor.type is Type.STRING
    assert json.loads(deployed.manifest.example) == {"inputs": ["good day"]}


@pytest.mark.parametrize("model", [
    make_pipeline(StandardScaler(), LinearRegression()), LinearRegression(),
    KMeans(3, n_init=1, random_state=0), IsolationForest(n_estimators=10, random_state=0),
])  # fmt: skip
def test_a_model_fitted_on_an_array_finds_its_array(deploy, model):
    x = np.random.default_rng(0).random((100, 4), dtype="f4")
    model.fit(x, np.c_[x.sum(1), x[:, 0]])
    deployed, proof = deploy(model, namespace={"other": x[:, :2], "X": x})
    assert_reproduced(proof)
    assert deployed.manifest.contract.tensor.dtype == "float32"
    assert deployed.manifest.sample_origin == "array X, 100 rows"


def test_a_classifier_of_several_outputs_has_no_probabilities(deploy):
    x = np.random.default_rng(0).random((60, 3))
    labels = np.where(x[:, :2] > 0.5, "high", "low")
    deployed, proof = deploy(MultiOutputClassifier(LogisticRegression()).fit(x, labels), sample=x)
    assert_reproduced(proof)
    assert deployed.manifest.contract.output.shape == (2,)
    assert not deployed.manifest.contract.output.probabilities
    assert any("predict_proba is not served" in note for note in deployed.notes)


def test_categories_keep_their_codes(deploy, mixed):
    x = mixed[["kind", "small", "whole"]]
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", max_iter=5)
    deployed, proof = deploy(model.fit(x, [0, 1] * 40), namespace={"df": mixed})
    assert_reproduced(proof)
    assert deployed.manifest.contract.columns[0].levels == ("v", "u", "w")
    assert "3 of its 14 columns" in deployed.manifest.sample_origin


def test_a_function_gets_each_dtype_and_each_missing_value_as_it_was(deploy, mixed):
    def seen(frame):
        rows = frame.itertuples(index=False, name=None)
        kinds = [str(dtype) for dtype in frame.dtypes]
        return [kinds + [f"{type(value).__name__} {value}" for value in row] for row in rows]

    deployed, proof = deploy(seen, sample=mixed)
    assert_reproduced(proof)
    body = json.loads(deployed.manifest.example)["dataframe_split"]
    times = dict(zip(body["columns"], body["data"][0], strict=True))
    assert (times["when"], times["zoned"]) == ("2020-01-01", "2019-12-31T23:00Z")


def test_what_a_model_prints_is_heard_a_few_times(deploy, churn, capsys):
    def talks(rows):
        print("talks")
        return rows["tenure"]

    deploy(talks, sample=churn[0])
    assert 1 <= capsys.readouterr().out.count("talks\n") <= 3


def test_a_function_uses_globals_of_its_notebook(deploy, churn):
    x, _ = churn
    deployed, proof = deploy(scaled, sample=x)
    assert_reproduced(proof)
    assert deployed.manifest.loader.function
    assert proof.answer.arrays[0][0] == x["tenure"].iloc[0] * FACTOR


@pytest.mark.parametrize(("function", "form"), [
    (lambda frame: pd.DataFrame({"a": frame["tenure"] * 2, "b": frame["contract"]}), "columns"),
    (lambda frame: [{"a": tenure} for tenure in frame["tenure"]], "rows"),
    (lambda frame: {"mean": frame["tenure"].mean()}, "whole"),
])  # fmt: skip
def test_a_function_may_answer_in_many_forms(deploy, churn, function, form):
    deployed, proof = deploy(function, sample=churn[0])
    assert_reproduced(proof)
    assert proof.answer.columns == (form == "columns")
    assert proof.answer.rowwise == (form != "whole")
    assert deployed.manifest.batchable == (form != "whole")


def test_a_function_that_looks_at_the_whole_frame_is_not_batched(deploy, churn):
    deployed, proof = deploy(lambda x: x["tenure"] - x["tenure"].mean(), sample=churn[0])
    assert_reproduced(proof)
    assert not deployed.manifest.batchable
    assert any("not batched" in note for note in deployed.notes)


@pytest.mark.parametrize(("function", "said"), [
    (lambda x: np.log(x[:, 0]), "the answer to 2 rows is infinite"),
    (lambda x: [{"log": [float(value)]} for value in np.log(x[:, 0])], "2 rows is infinite"),
    (lambda x: {"most": -np.log(x[:, 0]).min()}, "the answer to the sample is infinite"),
])  # fmt: skip
def test_an_infinite_answer_is_said_because_callers_will_not_see_it(deploy, function, said):
    with np.errstate(divide="ignore"):
        deployed, proof = deploy(function, sample=np.array([[0.0], [1.0], [0.0], [2.0]]))
    assert_reproduced(proof)
    (note,) = [note for note in deployed.notes if "infinite" in note]
    assert said in note
    assert "callers get null" in note


def test_a_missing_answer_is_no_infinite_one(deploy):
    deployed, _ = deploy(lambda x: x[:, 0] * np.nan, sample=np.array([[0.0], [1.0]]))
    assert not any("infinite" in note for note in deployed.notes)


def test_without_a_sample_the_contract_comes_from_the_model_and_the_card_says_so(deploy, churn):
    x, y = churn
    model = churn_pipeline(x, LogisticRegression(max_iter=200)).fit(x, y)
    deployed, proof = deploy(model, namespace={"unrelated": y})
    assert proof.answer is None
    assert [column.name for column in deployed.manifest.contract.columns] == list(x.columns)
    assert deployed.manifest.contract.output.classes == ("No", "Yes")
    assert any("without a sample" in note for note in deployed.notes)
    deployed, _ = deploy(scaled)
    assert deployed.manifest.contract.form is Form.ANY


def test_a_sample_is_made_of_the_arrays_that_a_gateway_makes_of_its_json(mixed):
    contract = frame_contract(mixed)
    sample = to_arrays(contract, mixed)
    sent = ArrayBuilder(contract).arrays(InputDecoder(contract).json(encode(mixed)).rows)
    assert [array.dtype for array in sample] == [array.dtype for array in sent]
    assert [json.dumps(array.tolist(), default=str) for array in sample] == [
        json.dumps(array.tolist(), default=str) for array in sent
    ]
