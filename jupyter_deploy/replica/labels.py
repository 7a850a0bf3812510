"""Labels that are those of the highest probabilities, without a second call of the model.

Rule: only where `predict` of the very class is known to choose so: one of somebody's own, a tuned
threshold or an outlier's label may choose otherwise, and a sample need not show it.  Whoever
chooses by scores, of which the probabilities are made, is asked where two of these are close: there
rounding could decide otherwise, and scores that differ may have equal probabilities.

Source: `predict` of the classes named, in scikit-learn 1.3 to 1.9, xgboost and lightgbm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jupyter_deploy.replica.answers import PREDICTIONS, PROBABILITIES, Answer, wireable
from jupyter_deploy.replica.models import Model
from jupyter_deploy.replica.parts import is_sklearns
from jupyter_deploy.wire.arrays import Array

#: Their `predict` takes the first of the highest probabilities.
_BY_PROBABILITY = (
    "BaggingClassifier", "CalibratedClassifierCV", "DecisionTreeClassifier", "ExtraTreeClassifier",
    "ExtraTreesClassifier", "RandomForestClassifier", "VotingClassifier",
)  # fmt: skip
_BY_PROBABILITY_TOO = {"XGBClassifier": "xgboost.", "LGBMClassifier": "lightgbm."}
#: Theirs takes the highest score.
_BY_SCORE = (
    "AdaBoostClassifier", "BernoulliNB", "CategoricalNB", "ComplementNB", "GaussianNB",
    "GradientBoostingClassifier", "HistGradientBoostingClassifier", "KNeighborsClassifier",
    "LinearDiscriminantAnalysis", "LogisticRegression", "LogisticRegressionCV", "MLPClassifier",
    "MultinomialNB", "QuadraticDiscriminantAnalysis", "SGDClassifier",
)  # fmt: skip
#: Who hands on what another one says, and under which name it has that.
_HANDS_ON = {
    "GridSearchCV": "best_estimator_",
    "HalvingGridSearchCV": "best_estimator_",
    "HalvingRandomSearchCV": "best_estimator_",
    "RandomizedSearchCV": "best_estimator_",
    "RFE": "estimator_",
    "RFECV": "estimator_",
    "StackingClassifier": "final_estimator_",
}
#: Probabilities that are closer than this may be of equal scores.
_CLOSE = 1e-6


def labelled(estimator: Any) -> Model | None:
    """A model that asks `estimator` for probabilities; None where these do not tell its labels."""
    last = _last(estimator)
    by_score = is_sklearns(last, *_BY_SCORE) and not _has_many_targets(last)
    if not (by_score or _goes_by_probability(last)):
        return None
    classes = np.asarray(estimator.classes_)

    def model(data: Any, _rows: int, _params: dict[str, Any] | None) -> Answer:
        probabilities = np.asarray(estimator.predict_proba(data))
        if by_score and not _are_apart(probabilities):
            labels = estimator.predict(data)
        else:
            labels = classes.take(probabilities.argmax(axis=1))
        return Answer((PREDICTIONS, PROBABILITIES), (wireable(labels), wireable(probabilities)))

    return model


def _last(estimator: Any) -> Any:
    """The estimator that predicts, inside of pipelines and searches of scikit-learn."""
    if is_sklearns(estimator, "Pipeline"):
        return _last(estimator.steps[-1][1])
    if is_sklearns(estimator, *_HANDS_ON):
        return _last(getattr(estimator, _HANDS_ON[type(estimator).__name__]))
    return estimator


def _goes_by_probability(classifier: Any) -> bool:
    if is_sklearns(classifier, *_BY_PROBABILITY):
        return True
    kind = type(classifier)
    library = _BY_PROBABILITY_TOO.get(kind.__name__)
    return library is not None and kind.__module__.startswith(library)


def _has_many_targets(classifier: Any) -> bool:
    several = getattr(classifier, "out_activation_", "") == "logistic" and classifier.n_outputs_ > 1
    return several or getattr(classifier, "outputs_2d_", False)


def _are_apart(probabilities: Array) -> bool:
    """Whether no row has two that are highest, or one that is no number."""
    if probabilities.shape[1] == 2:  # as below, and quicker
        return bool(np.abs(probabilities[:, 0] - probabilities[:, 1]).min() > _CLOSE)
    best = probabilities.max(axis=1, keepdims=True)
    return bool((probabilities >= best - _CLOSE).sum() == len(probabilities))
