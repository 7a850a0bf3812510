"""Labels are taken from probabilities where the model itself does so, and nowhere else."""

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, RadiusNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from tests.replica.ways import X, Y, assert_same_bits, way_of


@pytest.fixture(autouse=True)
def sklearn_as_it_was():
    with sklearn.config_context():
        yield


def test_labels_that_are_not_those_of_the_highest_probability_are_asked_for():
    class Contrary(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = np.unique(y)
            return self

        def predict_proba(self, X):
            return np.tile([0.4, 0.6], (len(X), 1))

        def predict(self, X):
            return np.full(len(X), "no")

    _, quick = way_of(Contrary().fit(X, Y))
    assert "labels" not in quick.taken


class Early(LogisticRegression):
    def predict(self, X):
        return self.classes_.take(self.predict_proba(X)[:, 1] > 0.45)


THREE = np.where(X.a > 0.3, "a", np.where(X.b > 0, "b", "c"))
MINDS = {
    "a class of one's own": Early().fit(X, Y),
    "in a pipeline": make_pipeline(StandardScaler(), Early()).fit(X, Y),
    "support vectors": SVC(probability=True, random_state=0).fit(X, Y),
    "each against the others": OneVsRestClassifier(SVC(probability=True)).fit(X, THREE),
    "a threshold": FixedThresholdClassifier(LogisticRegression(), threshold=0.45).fit(X, Y),
    "outliers": RadiusNeighborsClassifier(2.5, outlier_label="out").fit(X, Y),
}


@pytest.mark.parametrize("estimator", MINDS.values(), ids=MINDS)
def test_labels_that_may_be_others_are_asked_for_though_no_sample_shows_it(estimator):
    _, quick = way_of(estimator, X.head(1))
    assert "config" in quick.taken
    assert "labels" not in quick.taken


SATURATED = {
    "logistic": SGDClassifier(loss="log_loss", random_state=0).fit(X * 100, THREE),
    "hinged": SGDClassifier(loss="modified_huber", random_state=0).fit(X * 100, THREE),
    "bayes": GaussianNB().fit(X * 100, THREE),
    "neighbours": KNeighborsClassifier(4).fit(X * 100, THREE),
}


@pytest.mark.parametrize("estimator", SATURATED.values(), ids=SATURATED)
def test_where_probabilities_are_equal_the_scores_have_the_word(estimator):
    plain, quick = way_of(estimator, X.head(1) * 100)
    assert "labels" in quick.taken
    assert_same_bits(plain, quick, X * 100)
