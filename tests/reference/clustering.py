"""Reference values for clustering of distance matrices, from scipy and scikit-learn: points in blobs with outliers, and distances that no points have.

Run from the repository root: python tests/reference/clustering.py
"""

import json
from pathlib import Path

import numpy as np
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import pdist, squareform
from sklearn.cluster import DBSCAN, OPTICS
from sklearn.metrics import silhouette_samples


def renumbered(labels):
    """Clusters by their first items, None for noise."""
    names = {}
    return [None if label < 0 else names.setdefault(int(label), len(names)) for label in labels]


def finite(values):
    return [None if np.isinf(v) else float(v) for v in values]


def case(d, eps, threshold):
    pairs = squareform(d)
    trees = {}
    for method in ("average", "complete", "single", "ward"):
        merges = linkage(pairs, method)
        ordered = leaves_list(optimal_leaf_ordering(merges, pairs))
        trees[method] = {
            "heights": merges[:, 2].tolist(),
            "sizes": merges[:, 3].astype(int).tolist(),
            "three": renumbered(fcluster(merges, 3, "maxclust")),
            "threshold": threshold,
            "below": renumbered(fcluster(merges, threshold, "distance")),
            "length": float(sum(d[a, b] for a, b in zip(ordered, ordered[1:]))),
        }
    optics = OPTICS(min_samples=4, metric="precomputed", cluster_method="xi", xi=0.05).fit(d)
    return {
        "distances": d.tolist(),
        "trees": trees,
        "silhouettes": silhouette_samples(d, trees["average"]["three"], metric="precomputed").tolist(),
        "dbscan": {"eps": eps, "min_samples": 3, "labels": renumbered(DBSCAN(eps=eps, min_samples=3, metric="precomputed").fit(d).labels_)},
        "optics": {
            "min_samples": 4,
            "xi": 0.05,
            "order": optics.ordering_.tolist(),
            "reachability": finite(optics.reachability_[optics.ordering_]),
            "labels": renumbered(optics.labels_),
        },
    }


rng = np.random.default_rng(8)
blobs = [rng.normal(center, spread, size=(n, 4)) for center, spread, n in [(0, 0.5, 9), (4, 1.0, 8), (-5, 1.6, 7)]]
points = np.vstack([*blobs, rng.uniform(-12, 12, size=(3, 4))])
directions = rng.normal(size=(15, 6))
directions /= np.linalg.norm(directions, axis=1)[:, None]
angles = np.arccos(np.clip(directions @ directions.T, -1, 1)) + np.abs(squareform(rng.normal(size=105))) * 0.3
np.fill_diagonal(angles, 0)
cases = {"blobs": case(squareform(pdist(points)).round(6), 2.5, 4.0), "angles": case(angles.round(6), 1.2, 1.5)}
Path("tests/fixtures/clustering.json").write_text(json.dumps(cases))
print({name: (found["dbscan"]["labels"], found["optics"]["labels"]) for name, found in cases.items()})
