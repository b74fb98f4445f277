"""Reference values for embeddings and trees: writes ../fixtures/embedding.json. Needs numpy, scipy and scikit-learn."""

import json
import pathlib
import warnings

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import TSNE, smacof
from sklearn.manifold._t_sne import _joint_probabilities

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20251105)
K = 18
pairs = np.round(pdist(rng.normal(size=(K, 5)) * [3, 2, 1, 1, 1]), 4)
square = squareform(pairs)

h = np.eye(K) - 1 / K
values, vectors = np.linalg.eigh(-0.5 * h @ square**2 @ h)
points = vectors[:, ::-1][:, :2] * np.sqrt(values[::-1][:2])

best = min((smacof(square, metric=True, n_components=2, n_init=1, eps=1e-12, max_iter=3000, random_state=seed, normalized_stress=False) for seed in range(100)), key=lambda found: found[1])
stress = np.sqrt(((pdist(best[0]) - pairs) ** 2).sum() / (pairs**2).sum())

# The best of some runs of scikit-learn with an exact gradient.
divergence = min(
    TSNE(perplexity=5.0, metric="precomputed", init="random", method="exact", random_state=seed).fit(square.copy()).kl_divergence_ for seed in range(10)
)

out = {
    "pairs": pairs.tolist(),
    "classical_distances": pdist(points).tolist(),
    "smacof_stress": float(stress),
    "tsne_divergence": float(divergence),
    # scikit-learn takes squared distances and searches the precision to 1e-5.
    "affinities": squareform(_joint_probabilities((square**2).astype(np.float32), 5.0, 0)).tolist(),
    "linkage": {method: linkage(pairs, method).tolist() for method in ("average", "complete", "single", "ward")},
}
path = pathlib.Path(__file__).parent.parent / "fixtures" / "embedding.json"
path.write_text(json.dumps(out, separators=(",", ":")) + "\n")
