"""A table makes of columns what a ColumnTransformer makes of their frame, whatever is in them."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from jupyter_deploy.replica.inputs import input_builder
from jupyter_deploy.replica.models import estimator_model
from jupyter_deploy.replica.shortcuts import Way, quickest
from jupyter_deploy.replica.spec import ColumnSpec, ReplicaSpec
from tests.replica.ways import stopped

RANDOM = np.random.default_rng(11)
CITIES, PLANS = ["Bern", "Oslo", "Rome", "Zürich"], ["basic", "", "gold"]
FRAME = pd.DataFrame({
    "age": RANDOM.integers(18, 90, 120),
    "city": RANDOM.choice(CITIES, 120),
    "income": np.where(RANDOM.random(120) < 0.1, np.nan, RANDOM.normal(4e4, 1e4, 120)),
    "plan": RANDOM.choice(PLANS, 120),
    "visits": RANDOM.integers(0, 5, 120).astype("int8"),
    "side": RANDOM.choice(["left", "right"], 120),
    "member": RANDOM.random(120) < 0.4,
    "gap": [None if place % 9 == 0 else CITIES[place % 3] for place in range(120)],
})  # fmt: skip
TARGET = np.where((FRAME.age > 50) ^ (FRAME.city == "Oslo"), "stays", "leaves")
NUMBERS, WORDS = ["age", "income", "visits"], ["plan", "city"]


@pytest.fixture(autouse=True)
def sklearn_as_it_was():
    with sklearn.config_context():
        yield


def filled_and_scaled(*more):
    return make_pipeline(SimpleImputer(strategy="median"), *more, StandardScaler())


def columns(*blocks, **options):
    return ColumnTransformer(
        [(f"block {number}", *block) for number, block in enumerate(blocks)], **options
    )


ONE_HOT = OneHotEncoder(handle_unknown="ignore")
LOGISTIC = LogisticRegression(max_iter=1000)
KNOWN = {
    "numbers and words": columns((filled_and_scaled(), NUMBERS), (ONE_HOT, WORDS)),
    "words and numbers": columns((ONE_HOT, WORDS), (filled_and_scaled(), NUMBERS)),
    "columns by their dtype": columns(
        (filled_and_scaled(), make_column_selector(dtype_include="number")),
        (ONE_HOT, make_column_selector(dtype_exclude=["number", "bool"])),
    ),
    "a word is refused": columns((filled_and_scaled(), NUMBERS), (OneHotEncoder(), WORDS)),
    "ordinals": columns((filled_and_scaled(), NUMBERS), (OrdinalEncoder(), ["city"])),
    "scaled only": columns((StandardScaler(with_mean=False), ["age"]), (ONE_HOT, ["city"])),
    "scaled otherwise": columns((filled_and_scaled(MinMaxScaler()), NUMBERS), (ONE_HOT, WORDS)),
    "of a degree": columns((filled_and_scaled(PolynomialFeatures()), NUMBERS), (ONE_HOT, WORDS)),
    "the rest as it is": columns(
        (ONE_HOT, [*WORDS, "side", "gap"]), (filled_and_scaled(), ["income", "member"]),
        remainder="passthrough",
    ),
    "some dropped": columns((ONE_HOT, ["city"]), (filled_and_scaled(), ["income"]),
                            ("drop", ["plan"])),
    "sparse": columns((filled_and_scaled(), NUMBERS), (ONE_HOT, WORDS), sparse_threshold=1.0),
    "whole numbers as they are": columns(("passthrough", ["age", "visits"])),
    "numbers only": columns((filled_and_scaled(), NUMBERS)),
    "a word dropped": columns((OneHotEncoder(drop="first"), WORDS), (StandardScaler(), ["age"])),
    "one of two dropped": columns(
        (OneHotEncoder(drop="if_binary", handle_unknown="ignore"), ["side", *WORDS])
    ),
    "ordinals with a code for others": columns(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), WORDS)
    ),
    "the most frequent word": columns(
        (make_pipeline(SimpleImputer(strategy="most_frequent"), ONE_HOT), [*WORDS, "gap"])
    ),
    "a word for what is missing": columns(
        (make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), ONE_HOT), ["gap"]),
        (make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OrdinalEncoder()), WORDS)
    ),
    "missing as a word": columns((OneHotEncoder(handle_unknown="ignore"), ["gap", "city"])),
    "missing has a code": columns((OrdinalEncoder(encoded_missing_value=-2), ["gap", "side"])),
    "flags among numbers": columns((filled_and_scaled(), [*NUMBERS, "member"]), (ONE_HOT, WORDS)),
    "flags only": columns((StandardScaler(), ["member"]), (ONE_HOT, WORDS)),
    "words only": columns((OneHotEncoder(handle_unknown="ignore", sparse_output=False), WORDS)),
}  # fmt: skip


def ways(estimator, frame=FRAME, missing="nan", **levels):
    described = tuple(
        ColumnSpec(
            name, "any", "category" if name in levels else str(dtype),
            levels=levels.get(name), missing=missing, nullable=not str(dtype).startswith("int"),
        )
        for name, dtype in frame.dtypes.items()
    )  # fmt: skip
    probabilities = hasattr(estimator, "predict_proba")
    spec = ReplicaSpec(
        socket="", report="", model="", loader="cloudpickle", file="", trusted=(), function=False,
        form="frame", columns=described, tensor=None, probabilities=probabilities, warmup=None,
    )  # fmt: skip
    plain = Way(estimator_model(estimator, probabilities=probabilities), input_builder(spec))
    return plain, quickest(plain, estimator, spec, arrays_of(frame), stopped, stopped)


def arrays_of(frame):
    return [
        np.array([None if word != word else word for word in frame[name]], dtype=object)
        if frame[name].dtype.kind == "O" or str(frame[name].dtype) in ("str", "category")
        else frame[name].to_numpy()
        for name in frame
    ]


def outcome(way, arrays):
    """The bits of the answer, or the words of the error."""
    rows = len(arrays[0])
    try:
        answer = way.model(way.build(arrays, rows), rows, None)
    except ValueError as error:
        return str(error)
    return [(one.dtype, one.shape, one.tolist() if one.dtype.kind == "O" else one.tobytes())
            for one in answer.arrays]  # fmt: skip


def before_a_classifier(transformer):
    """Of its own: shortcuts stay on an estimator."""
    return make_pipeline(clone(transformer), clone(LOGISTIC))


DTYPES = ("int64", object, "float64", object, "int8", object, bool, object)
WORD = st.sampled_from([*CITIES, *PLANS, "Paris", "bern", "\x00", "left", "right", "?", None])
ROW = st.tuples(
    st.integers(-(2**62), 2**62), WORD, st.floats(allow_nan=True, allow_infinity=True), WORD,
    st.integers(-128, 127), WORD, st.booleans(), WORD,
)  # fmt: skip


@pytest.mark.parametrize("transformer", KNOWN.values(), ids=KNOWN)
def test_rows_of_any_kind_get_the_same_answer_or_error(transformer):
    plain, quick = ways(before_a_classifier(transformer).fit(FRAME, TARGET))
    assert "table" in quick.taken
    assert not isinstance(quick.build(arrays_of(FRAME), len(FRAME)), pd.DataFrame)

    @settings(max_examples=25)
    @given(rows=st.lists(ROW, min_size=1, max_size=5))
    def check(rows):
        values = [[row[place] for row in rows] for place in range(len(DTYPES))]
        arrays = list(map(np.array, values, DTYPES))
        assert outcome(quick, arrays) == outcome(plain, arrays)

    check()


REST = {
    "a tree": make_pipeline(KNOWN["sparse"], DecisionTreeClassifier(max_depth=4)),
    "more steps": make_pipeline(KNOWN["numbers and words"], StandardScaler(), LOGISTIC),
    "a regressor": make_pipeline(KNOWN["ordinals"], LinearRegression()),
    "a search": GridSearchCV(make_pipeline(KNOWN["sparse"], LOGISTIC), {}, cv=2),
}


@pytest.mark.parametrize("estimator", REST.values(), ids=REST)
def test_whatever_comes_after_the_columns_is_asked_as_before(estimator):
    classifies = hasattr(estimator, "predict_proba")
    target = TARGET if classifies else FRAME.age * 0.1
    plain, quick = ways(clone(estimator).fit(FRAME, target))
    assert "table" in quick.taken
    assert outcome(quick, arrays_of(FRAME)) == outcome(plain, arrays_of(FRAME))


def test_categories_are_words_too():
    frame = FRAME.astype({"city": "category", "plan": "category"})
    estimator = before_a_classifier(KNOWN["numbers and words"]).fit(frame, TARGET)
    levels = {"city": tuple(CITIES), "plan": tuple(sorted(PLANS))}
    plain, quick = ways(estimator, frame, **levels)
    assert "table" in quick.taken
    frame.loc[0, "city"] = np.nan
    arrays = arrays_of(frame)
    arrays[1][1] = "Paris"
    assert outcome(quick, arrays) == outcome(plain, arrays)


def test_a_missing_word_may_be_none():
    estimator = before_a_classifier(KNOWN["numbers and words"]).fit(FRAME, TARGET)
    plain, quick = ways(estimator, missing="none")
    arrays = arrays_of(FRAME)
    arrays[1][:3] = None
    assert outcome(quick, arrays) == outcome(plain, arrays)


class Own(StandardScaler):
    """Somebody's own scaler."""

    def transform(self, X, copy=None):
        return super().transform(X, copy) * (2.0 if isinstance(X, pd.DataFrame) else 1.0)


UNKNOWN = {
    "a transformer of ones own": columns((Own(), ["age", "visits"]), (ONE_HOT, WORDS)),
    "a function": columns(
        (make_pipeline(SimpleImputer(), FunctionTransformer(np.cbrt)), NUMBERS), (ONE_HOT, WORDS)
    ),
    "text": columns((CountVectorizer(), "city"), (filled_and_scaled(), NUMBERS)),
    "rare words together": columns((OneHotEncoder(min_frequency=5), ["city"])),
    "single precision": columns((OneHotEncoder(dtype=np.float32), ["city"])),
    "a mark for what was missing": columns(
        (make_pipeline(SimpleImputer(strategy="constant", add_indicator=True), ONE_HOT), ["gap"])
    ),
    "flags as they are": columns(("passthrough", ["member", "age"]), (ONE_HOT, WORDS)),
    "whole numbers": columns((PolynomialFeatures(), ["age", "visits"]), (ONE_HOT, WORDS)),
    "whole numbers, filled": columns(
        (make_pipeline(SimpleImputer(strategy="most_frequent"), PolynomialFeatures()), ["age"]),
        (ONE_HOT, WORDS),
    ),
    "a weight": columns(
        (filled_and_scaled(), NUMBERS), (ONE_HOT, WORDS), transformer_weights={"block 0": 1.0}
    ),
    "numbers as words": columns((OneHotEncoder(handle_unknown="ignore"), ["city", "visits"])),
    "a frame comes out": columns(
        (StandardScaler(), ["age"]), (OrdinalEncoder(), ["city"])
    ).set_output(transform="pandas"),
}


@pytest.mark.parametrize("transformer", UNKNOWN.values(), ids=UNKNOWN)
def test_what_is_not_known_to_the_letter_has_no_table(transformer):
    _, quick = ways(before_a_classifier(transformer).fit(FRAME, TARGET))
    assert "table" not in quick.taken


class Contrary(Pipeline):
    """Somebody's own pipeline."""


def test_a_pipeline_of_ones_own_has_no_table():
    steps = [("columns", clone(KNOWN["numbers and words"])), ("model", clone(LOGISTIC))]
    _, quick = ways(Contrary(steps).fit(FRAME, TARGET))
    assert "table" not in quick.taken


MISSING = {"nan": np.nan, "none": None}


@pytest.mark.parametrize("missing", MISSING)
@pytest.mark.parametrize("name", [name for name in KNOWN if "word" in name or "missing" in name])
def test_a_missing_word_is_what_it_was_in_the_notebook(name, missing):
    words = [*WORDS, "side", "gap"]
    frame = FRAME.astype(dict.fromkeys(words, object))
    frame.loc[frame.gap.isna(), "gap"] = MISSING[missing]
    plain, quick = ways(before_a_classifier(KNOWN[name]).fit(frame, TARGET), frame, missing)
    assert "table" in quick.taken

    @settings(max_examples=10)
    @given(rows=st.lists(st.tuples(WORD, WORD, WORD, WORD), min_size=1, max_size=4))
    def check(rows):
        arrays = arrays_of(FRAME[: len(rows)])
        for number, word in enumerate(words):
            arrays[FRAME.columns.get_loc(word)] = np.array([row[number] for row in rows], object)
        assert outcome(quick, arrays) == outcome(plain, arrays)

    check()


@pytest.mark.parametrize("missing", MISSING)
def test_both_kinds_of_missing_words_have_no_table(missing):
    city = FRAME.city.astype(object)
    city[:9], city[9:20] = None, np.nan
    frame = FRAME.assign(city=city)
    estimator = before_a_classifier(KNOWN["numbers and words"]).fit(frame, TARGET)
    assert "table" not in ways(estimator, frame, missing)[1].taken


def test_objects_that_are_no_words_have_no_table():
    frame = FRAME.assign(city=FRAME.visits.astype(object))
    estimator = before_a_classifier(KNOWN["numbers and words"]).fit(frame, TARGET)
    assert "table" not in ways(estimator, frame)[1].taken
