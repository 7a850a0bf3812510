"""What the gateway of its own tests serves: a classifier of a frame, and functions of an array."""

from __future__ import annotations

from jupyter_deploy.core.contract import Column, Contract, Form, Output, Tensor, Type

CHURN = Contract(
    Form.FRAME,
    (
        Column("tenure", Type.INTEGER, "int64", minimum=0, maximum=72),
        Column("charges", Type.FLOAT, "float64", nullable=True),
        Column("contract", Type.STRING, "str", categories=("monthly", "yearly")),
    ),
    output=Output(Type.STRING, classes=("No", "Yes"), probabilities=True),
)
EXAMPLE = {
    "dataframe_split": {
        "columns": ["tenure", "charges", "contract"],
        "data": [[3, None, "monthly"]],
    }
}
VECTOR = Contract(Form.ARRAY, tensor=Tensor(Type.FLOAT, "float64", (2,)), output=Output(Type.FLOAT))


class Churn:
    """Long tenure stays; what is missing counts as nothing."""

    def predict(self, frame):
        return frame["tenure"].map(lambda months: "No" if months > 12 else "Yes").to_numpy()

    def predict_proba(self, frame):
        import numpy as np

        stays = frame["tenure"].clip(0, 100).to_numpy() / 100
        return np.column_stack([stays, 1 - stays])


def total(x):
    if x[0, 0] == -1:
        raise ValueError("SECRET of /etc/passwd")
    return x.sum(axis=1)


def odd(x):
    """Infinity, NaN and a number are all that it answers."""
    import numpy as np

    return np.array([np.inf, np.nan, 1.5])[: len(x)]
