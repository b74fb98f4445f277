"""Reference values of UMAP's graph: writes ../fixtures/umap.json.

Run from the repository root: python tests/reference/umap_graph.py (umap-learn 0.5, numpy, scipy; some seconds). The inputs are the distances of
../fixtures/populations.json. Points themselves depend on random numbers and are not compared.
"""

import json
import pathlib

import numpy as np
from scipy.spatial.distance import squareform
from umap.umap_ import find_ab_params, fuzzy_simplicial_set

folder = pathlib.Path(__file__).parent.parent / "fixtures"
pairs = json.loads((folder / "populations.json").read_text())["clustering"]
out = {"curves": [{"min_dist": d, "ab": list(map(float, find_ab_params(1.0, d)))} for d in (0.0, 0.1, 0.5)]}
for name, n_neighbors in (("euclidean", 10), ("angles", 6)):
    square = squareform(pairs[name]["pairs"])
    graph, _, _ = fuzzy_simplicial_set(square, n_neighbors, np.random.RandomState(0), metric="precomputed")
    out[name] = {"n_neighbors": n_neighbors, "graph": np.round(graph.toarray().astype(float), 7).tolist()}
(folder / "umap.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
