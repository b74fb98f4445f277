"""Estimators: against scikit-learn, and the server's own held-out numbers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.stats
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import eigenscope as es
from cases import blobs, networks, rdms, related
from eigenscope.estimators import Clustering, Embedding, Encoder, LinearMetric, PermutationMetric, ProbeClassifier, ProbeRegressor


def test_encoder_scores_by_cross_validation(client: es.Client) -> None:
    x, y = related()
    encoder = Encoder(alphas=[1.0], cv=5, client=client).fit(x, y)
    result = client.encoding(x, y, alphas=[1.0], cv=5)
    assert encoder.score() == encoder.score_ == result.median_r
    assert np.array_equal(encoder.per_target_r_, result.per_target_r)


def test_encoder_predicts_new_rows_as_scikit_learn(client: es.Client) -> None:
    x, y = related(n=90)
    train, test = slice(0, 61), slice(61, 90)
    encoder = Encoder(alphas=[2.0], cv=None, client=client).fit(x[train], y[train])
    want = Ridge(2.0).fit(x[train], y[train]).predict(x[test])
    np.testing.assert_allclose(encoder.predict(x[test]), want, atol=1e-9)
    r = np.median([np.corrcoef(want[:, t], y[test, t])[0, 1] for t in range(y.shape[1])])
    np.testing.assert_allclose(encoder.score(x[test], y[test]), r, atol=1e-9)
    vector = Encoder("ols", cv=None, client=client).fit(x[train], y[train, 0])
    assert vector.predict(x[test]).shape == (29,)
    with pytest.raises(ValueError, match="fitted on 10"):
        encoder.predict(x[test, :4])
    with pytest.raises(AttributeError, match="call fit first"):
        Encoder().predict(x)


@pytest.mark.parametrize("n_new", [1, 2, 29])
def test_encoder_predicts_any_number_of_rows(client: es.Client, n_new: int) -> None:
    x, y = related(n=40 + n_new)
    encoder = Encoder(alphas=[2.0], cv=None, client=client).fit(x[:40], y[:40])
    np.testing.assert_allclose(encoder.predict(x[40:]), Ridge(2.0).fit(x[:40], y[:40]).predict(x[40:]), atol=1e-9)


@pytest.mark.parametrize("estimator", ["logistic", "svc", "ridge_classifier"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probe_classifier_predicts_classes(client: es.Client, estimator: str, n_classes: int) -> None:
    x, labels = blobs(k=n_classes)
    probe = ProbeClassifier(estimator, folds=5, pca=None, client=client).fit(x, labels)
    assert probe.classes_.tolist() == sorted(set(labels))
    assert probe.cv_score_ > 0.9 and len(probe.cv_scores_) == 5 and probe.confusion_.sum() == 60
    assert probe.score(x, labels) > 0.95 and set(probe.predict(x)) == set(labels)


def test_probe_classifier_has_scikit_learns_weights(client: es.Client) -> None:
    x, labels = blobs()
    probe = ProbeClassifier(pca=None, folds=5, client=client).fit(x, labels)
    theirs = LogisticRegression(solver="newton-cg", tol=1e-10, max_iter=100_000).fit(x, labels)
    np.testing.assert_allclose(probe.coef_, theirs.coef_, atol=1e-7)
    assert np.array_equal(probe.predict(x), theirs.predict(x))


def test_probe_classifier_keeps_the_type_of_labels(client: es.Client) -> None:
    x, _ = blobs()
    y = np.array([10, 2, 7])[np.arange(60) % 3]
    probe = ProbeClassifier(folds=5, client=client).fit(x, y)
    assert probe.classes_.tolist() == [2, 7, 10] and probe.classes_.dtype == y.dtype
    assert probe.score(x, y) > 0.95


def test_probe_regressor_has_scikit_learns_weights(client: es.Client) -> None:
    x, y = related()
    probe = ProbeRegressor(alpha=2.0, pca=None, folds=5, client=client).fit(x, y)
    theirs = Ridge(2.0).fit(x, y)
    np.testing.assert_allclose(probe.coef_, theirs.coef_, atol=1e-9)
    np.testing.assert_allclose(probe.predict(x), theirs.predict(x), atol=1e-9)
    np.testing.assert_allclose(probe.score(x, y), theirs.score(x, y), atol=1e-12)
    np.testing.assert_allclose(probe.cv_score_, client.probe(x, targets=y, estimator="ridge", alpha=2.0, pca=None, folds=5).mean.mean())
    one = ProbeRegressor(alpha=2.0, pca=None, folds=5, client=client).fit(x, y[:, 0])
    assert one.predict(x).shape == (60,)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("score", ["angular", "euclidean"])
def test_linear_metric_has_the_servers_distances(client: es.Client, alpha: float, score: str) -> None:
    """On the rows fitted on and on held-out ones: the folds of the server are contiguous, so that they are known here."""
    x, y = list(networks(n=60).values())[:2]
    server = client.shape_distance([x, y], alpha=alpha, score=score, n_folds=4)
    for fold, test in enumerate(np.array_split(np.arange(60), 4)):
        train = np.setdiff1d(np.arange(60), test)
        metric = LinearMetric(alpha, score_method=score).fit(x[train], y[train])
        np.testing.assert_allclose(metric.score(x[train], y[train]), server.folds.train[fold, 0, 1], rtol=1e-7)
        np.testing.assert_allclose(metric.score(x[test], y[test]), server.folds.test[fold, 0, 1], rtol=1e-7)
    whole = LinearMetric(alpha, score_method=score, client=client)
    np.testing.assert_allclose(whole.fit_score(x, y), client.shape_distance([x, y], alpha=alpha, score=score).distances[0, 1], rtol=1e-7)
    np.testing.assert_allclose(whole.pairwise_distances([x, y])[0, 1], whole.score(x, y), rtol=1e-7)


def test_linear_metric_aligns_rotated_rows() -> None:
    x = networks()["net0"]
    q = scipy.stats.ortho_group.rvs(x.shape[1], random_state=2)
    metric = LinearMetric().fit(x[:30], x[:30] @ q + 5)
    a, b = metric.transform(x[30:], x[30:] @ q + 5)
    np.testing.assert_allclose(a, b, atol=1e-10)
    with pytest.raises(ValueError, match="alpha is 2"):
        LinearMetric(2.0).fit(x, x)
    with pytest.raises(ValueError, match="same samples"):
        LinearMetric().fit(x, x[:-1])
    with pytest.raises(ValueError, match="zero_pad"):
        LinearMetric(zero_pad=False).fit(x, x[:, :-1])


def test_permutation_metric_finds_the_order_of_columns(client: es.Client, rng: np.random.Generator) -> None:
    x = rng.normal(size=(50, 9))
    order = rng.permutation(9)
    y = x[:, order] + 0.01 * rng.normal(size=(50, 9))
    metric = PermutationMetric(client=client).fit(x[:40], y[:40])
    assert np.array_equal(order[metric.columns_], np.arange(9))
    server = client.shape_distance([x, y], metric="permutation", n_folds=5)
    metric.fit(x[:40], y[:40])
    np.testing.assert_allclose(metric.score(x[:40], y[:40]), server.folds.train[4, 0, 1], rtol=1e-9)
    np.testing.assert_allclose(metric.score(x[40:], y[40:]), server.folds.test[4, 0, 1], rtol=1e-9)
    narrow = PermutationMetric(client=client).fit(x, y[:, :4])
    assert sorted(narrow.columns_) == list(range(9))
    np.testing.assert_allclose(
        narrow.score(x, y[:, :4]), client.shape_distance([x, y[:, :4]], metric="permutation").distances[0, 1], rtol=1e-9
    )


def test_embedding_is_a_transformer(client: es.Client) -> None:
    d = rdms(1)[0]
    embedding = Embedding("classical", dimensions=3, client=client)
    points = embedding.fit_transform(d)
    assert points.shape == (8, 3) and np.array_equal(points, client.embedding(d, method="classical", dimensions=3).points)


def test_clustering_is_a_clusterer(client: es.Client) -> None:
    points = np.array([0, 1, 2, 50, 51, 52, 500.0])
    d = np.abs(np.subtract.outer(points, points))
    assert Clustering("dbscan", eps=2, min_samples=2, client=client).fit_predict(d).tolist() == [0, 0, 0, 1, 1, 1, -1]
    fitted = Clustering(n_clusters=2, client=client).fit(d)
    assert fitted.labels_.tolist() == [0] * 6 + [1] and -1 <= fitted.silhouette_ <= 1


def test_scikit_learn_takes_them(client: es.Client) -> None:
    x, labels = blobs()
    probe = ProbeClassifier(folds=3, c=0.5, client=client)
    assert clone(probe).get_params() == probe.get_params()
    scores = cross_val_score(make_pipeline(StandardScaler(), probe), x, np.array(labels), cv=3)
    assert len(scores) == 3 and scores.min() > 0.9
    features, targets = related()
    search = GridSearchCV(ProbeRegressor(pca=None, folds=3, client=client), {"alpha": [1.0, 1e6]}, cv=3).fit(features, targets)
    assert search.best_params_ == {"alpha": 1.0}
    scaled = make_pipeline(StandardScaler(), Encoder(alphas=[1.0], cv=3, client=client)).fit(features, targets)
    assert scaled.predict(features).shape == targets.shape


def test_parameters_are_read_and_set() -> None:
    encoder = Encoder(alphas=[1.0, 2.0])
    assert repr(encoder) == "Encoder(alphas=[1.0, 2.0])" and encoder.get_params()["cv"] == 10
    assert encoder.set_params(cv=3) is encoder and encoder.cv == 3
    with pytest.raises(ValueError, match="has no parameter 'folds'"):
        encoder.set_params(folds=3)


def test_a_saved_estimator_has_no_token(client: es.Client) -> None:
    x, labels = blobs()
    probe = ProbeClassifier(folds=3, client=client).fit(x, labels)
    saved = pickle.dumps(probe)
    token = client.transport._token
    assert token is not None and token.encode() not in saved
    assert np.array_equal(pickle.loads(saved).predict(x), probe.predict(x))
