"""The models of the benchmark: fitted once, saved for everybody, with the answers to expect.

Rule 1: the data is real and at hand: breast cancer (569 rows of 30 floats, in scikit-learn) and
churn (7 043 customers, mixed types).  Rule 2: every server loads the very object whose answers are
in `labels`; one that takes arrays gets the same model fitted on the same values as an array, so
that scikit-learn does not warn about feature names at each of its calls.  Rule 3: the top of this
file needs the standard library only; fitting runs in the environment "ours".

    FOLDER/<model>/model.joblib     fitted on a frame, as in a notebook
    FOLDER/<model>/served.joblib    what the peers load
    FOLDER/<model>/fitted.json      columns, 50 rows, their labels, and times of calls in process
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

ROWS = 50
CALLS = 300
CHURN = Path(__file__).parents[2] / "example-notebooks" / "data" / "churn.csv.gz"


@dataclass(frozen=True)
class Kind:
    """A model of the benchmark: how it is called in the table, and what it takes."""

    name: str
    title: str
    #: Rows are floats only: a server may be given an array.
    numeric: bool = True
    torch: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        Kind("logistic", "StandardScaler + LogisticRegression, 30 floats"),
        Kind("forest", "RandomForest of 100 trees, 30 floats"),
        Kind("churn", "churn Pipeline with a ColumnTransformer, 19 mixed columns", numeric=False),
        Kind("boosting", "XGBoost of 100 trees, 30 floats"),
        Kind("mlp", "PyTorch MLP 30-64-64-2", torch=True),
    )
}


@dataclass(frozen=True)
class InProcess:
    """Milliseconds of one call with one row, in the process that fitted the model."""

    frame_p50: float
    frame_p99: float
    array_p50: float | None
    array_p99: float | None


@dataclass(frozen=True)
class Fitted:
    """A fitted model: 50 complete rows and the label that the model gives each of them."""

    name: str
    folder: str
    columns: list[str]
    rows: list[list[Any]]
    labels: list[Any]
    in_process: InProcess

    @property
    def kind(self) -> Kind:
        """What the model is."""
        return KINDS[self.name]


def read(folder: Path) -> Fitted:
    """The model that `main` saved in `folder`."""
    stored = json.loads((folder / "fitted.json").read_text())
    return Fitted(**{**stored, "in_process": InProcess(**stored["in_process"])})


def predictor(folder: Path) -> Callable[[Any], list[Any]]:
    """A function from rows (lists of values) to labels, as a peer's handler would write it."""
    import joblib
    import numpy
    import pandas

    fitted, model = read(folder), joblib.load(folder / "served.joblib")
    if fitted.kind.numeric:
        return lambda rows: model.predict(numpy.asarray(rows, dtype=float)).tolist()
    return lambda rows: model.predict(pandas.DataFrame(rows, columns=fitted.columns)).tolist()


# --- fitting, in the environment "ours" ----------------------------------------------------------


def main(arguments: list[str]) -> None:
    """`python -m benchmarks.models FOLDER MODEL...`: fit and save each."""
    for name in arguments[1:]:
        folder = Path(arguments[0]) / name
        folder.mkdir(parents=True, exist_ok=True)
        _save(KINDS[name], folder)


def _save(kind: Kind, folder: Path) -> None:
    import joblib

    frame, target = churn_data() if kind.name == "churn" else cancer_data()
    model = unfitted(kind.name).fit(frame, target)
    served = unfitted(kind.name).fit(frame.to_numpy(), target) if kind.numeric else model
    joblib.dump(model, folder / "model.joblib")
    joblib.dump(served, folder / "served.joblib")
    rows = frame.dropna().sample(ROWS, random_state=0).reset_index(drop=True)
    fitted = Fitted(
        name=kind.name,
        folder=str(folder),
        columns=list(rows.columns),
        rows=json.loads(rows.to_json(orient="values", double_precision=15)),
        labels=model.predict(rows).tolist(),
        in_process=_times(model, served if kind.numeric else None, rows),
    )
    (folder / "fitted.json").write_text(json.dumps(asdict(fitted)))


def churn_data() -> tuple[Any, Any]:
    """The customers (19 columns, a few charges missing) and whether each left: Yes or No."""
    import pandas

    frame = pandas.read_csv(CHURN).drop(columns="rownames")
    return frame.drop(columns="churn"), frame["churn"]


def cancer_data() -> tuple[Any, Any]:
    """569 rows of 30 floats, and 0 or 1 for each."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    return data.data, data.target


def unfitted(name: str) -> Any:
    """The estimator of that name, before `fit`."""
    return _ESTIMATORS[name]()


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


def _forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=100, random_state=0)


def _churn() -> Any:
    from sklearn.compose import ColumnTransformer, make_column_selector
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = ColumnTransformer(
        [
            ("numbers", numbers, make_column_selector(dtype_include="number")),
            (
                "words",
                OneHotEncoder(handle_unknown="ignore"),
                make_column_selector(dtype_exclude="number"),
            ),
        ]
    )
    return make_pipeline(columns, LogisticRegression(max_iter=1000))


def _boosting() -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(n_estimators=100, max_depth=4, n_jobs=1, random_state=0)


def _mlp() -> Any:
    from benchmarks.mlp import Mlp

    return Mlp()


_ESTIMATORS: dict[str, Callable[[], Any]] = {
    "logistic": _logistic,
    "forest": _forest,
    "churn": _churn,
    "boosting": _boosting,
    "mlp": _mlp,
}


def _times(model: Any, served: Any | None, rows: Any) -> InProcess:
    frames = [rows.iloc[[number]] for number in range(ROWS)]
    frame_p50, frame_p99 = _percentiles(model.predict, frames)
    if served is None:
        return InProcess(frame_p50, frame_p99, None, None)
    arrays = [frame.to_numpy() for frame in frames]
    return InProcess(frame_p50, frame_p99, *_percentiles(served.predict, arrays))


def _percentiles(call: Callable[[Any], Any], inputs: list[Any]) -> tuple[float, float]:
    seconds = []
    for number in range(CALLS):
        started = time.perf_counter()
        call(inputs[number % len(inputs)])
        seconds.append(time.perf_counter() - started)
    cut = quantiles(seconds, n=100)
    return cut[49] * 1000, cut[98] * 1000


if __name__ == "__main__":
    main(sys.argv[1:])
