"""The demo's data and its two models.

7 043 customers of a telephone company, the IBM Telco sample as the R package modeldata has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

TARGET = "churn"
_NOT_FEATURES = ["rownames", TARGET]
_SEED = 7


@dataclass(frozen=True)
class Customers:
    """Rows to learn from, and rows held out: features and whether they left ("Yes" or "No")."""

    x_train: pd.DataFrame
    y_train: pd.Series
    x_test: pd.DataFrame
    y_test: pd.Series


@dataclass(frozen=True)
class Quality:
    """How good a model is on the rows that were held out."""

    accuracy: float
    auc: float

    def __str__(self) -> str:
        return f"accuracy {self.accuracy:.3f}, AUC {self.auc:.3f} on held-out rows"


def read_customers() -> Customers:
    """The customers, one quarter held out."""
    import pandas as pd
    from sklearn.model_selection import train_test_split

    with as_file(_csv()) as path:
        frame = pd.read_csv(path)
    x, y = frame.drop(columns=_NOT_FEATURES), frame[TARGET]
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.25, random_state=_SEED, stratify=y
    )
    return Customers(x_train, y_train, x_test, y_test)


def first_model(customers: Customers) -> Pipeline:
    """A decision tree of depth 3: easy to explain."""
    from sklearn.tree import DecisionTreeClassifier

    return _fitted(DecisionTreeClassifier(max_depth=3, random_state=_SEED), customers)


def better_model(customers: Customers) -> Pipeline:
    """Gradient boosting: better on rows it has not seen."""
    from sklearn.ensemble import GradientBoostingClassifier

    return _fitted(GradientBoostingClassifier(random_state=_SEED), customers)


def quality(model: Pipeline, customers: Customers) -> Quality:
    """How good `model` is on the rows that were held out."""
    from sklearn.metrics import accuracy_score, roc_auc_score

    leaving = model.predict_proba(customers.x_test)[:, 1]
    return Quality(
        accuracy=float(accuracy_score(customers.y_test, model.predict(customers.x_test))),
        auc=float(roc_auc_score(customers.y_test == "Yes", leaving)),
    )


def _fitted(classifier: object, customers: Customers) -> Pipeline:
    from sklearn.compose import ColumnTransformer, make_column_selector
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
                make_column_selector(dtype_include="number"),
            ),
            (
                "words",
                OneHotEncoder(handle_unknown="ignore"),
                make_column_selector(dtype_exclude="number"),
            ),
        ]
    )
    model = Pipeline([("columns", columns), ("classifier", classifier)])
    return model.fit(customers.x_train, customers.y_train)


def _csv() -> Traversable:
    installed = files("jupyter_deploy.cli") / "churn.csv.gz"
    if installed.is_file():
        return installed
    return Path(__file__).parents[2] / "example-notebooks" / "data" / "churn.csv.gz"
