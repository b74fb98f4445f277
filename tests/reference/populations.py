"""Reference values for populations of networks: writes ../fixtures/populations.json.

Run from the repository root: python tests/reference/populations.py (numpy, scipy, scikit-learn; some seconds).
The inputs are stored with 6 decimals; every section has its own seed. The shape metrics are written from the definitions.
"""

import json
import pathlib
from itertools import combinations, permutations, product

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist, squareform
from scipy.stats import ortho_group
from sklearn.cluster import DBSCAN, HDBSCAN, OPTICS
from sklearn.manifold import Isomap
from sklearn.metrics import silhouette_samples

norm = np.linalg.norm
column_centered = lambda x: x - x.mean(0)


def renumbered(labels):
    """Labels in the order of their first occurrence; noise stays -1."""
    names = {}
    return [-1 if label < 0 else names.setdefault(int(label), len(names)) for label in labels]


def linkage_cuts(pairs, method):
    """The merges, and the cuts into 3 clusters and half-way between the merges that leave 5 and 4 clusters."""
    merges = linkage(pairs, method)
    heights = merges[:, 2]
    threshold = round((heights[-5] + heights[-4]) / 2, 4)
    three, cut = fcluster(merges, 3, "maxclust"), fcluster(merges, threshold, "distance")
    assert len(set(three)) == 3 and len(set(cut)) == 5 and (np.diff(heights) > 0).all()
    return {"merges": merges, "three": renumbered(three), "threshold": threshold, "cut": renumbered(cut)}


def medoids(square):
    """The best 3 medoids of all sets of 3, and the sum of the distances to the nearest."""
    sets = list(combinations(range(len(square)), 3))
    costs = [square[:, chosen].min(1).sum() for chosen in sets]
    best, second = np.argsort(costs)[:2]
    assert costs[second] - costs[best] > 1e-3
    return {"medoids": sets[best], "cost": costs[best]}


def leaf_order(merges, square):
    """The least sum of distances of neighboring leaves, and their order (scipy's is often not the best: its issue 11227)."""
    # For each cluster the best order from leaf to leaf.
    best = [{(leaf, leaf): (0, (leaf,))} for leaf in range(len(square))]
    for left, right in merges[:, :2].astype(int):
        orders = {}
        for ((a, b), one), ((c, d), other) in product(best[left].items(), best[right].items()):
            length = one[0] + square[b, c] + other[0]
            if length < orders.get((a, d), (np.inf,))[0]:
                orders[a, d], orders[d, a] = (length, one[1] + other[1]), (length, (one[1] + other[1])[::-1])
        best.append(orders)
    return min(best[-1].values())


def clustering(pairs, eps):
    assert len(set(pairs)) == len(pairs)
    square = squareform(pairs)
    linkages = {method: linkage_cuts(pairs, method) for method in ("single", "complete", "average", "ward")}
    length, leaves = leaf_order(linkages["average"]["merges"], square)
    optics = OPTICS(min_samples=4, metric="precomputed", cluster_method="xi", xi=0.05).fit(square)
    reached = [None if np.isinf(value) else value for value in optics.reachability_]
    visits = {key: getattr(optics, key + "_") for key in ("ordering", "core_distances", "predecessor", "labels")}
    hdbscan = lambda d: np.array(renumbered(HDBSCAN(min_cluster_size=4, metric="precomputed", copy=True).fit(d).labels_))
    # The order of the points may change the labels (ties of mutual reachability): not for this input.
    for seed in range(100):
        order = np.random.default_rng(seed).permutation(len(square))
        assert renumbered(hdbscan(square[np.ix_(order, order)])[np.argsort(order)]) == list(hdbscan(square))
    widths = silhouette_samples(square, linkages["average"]["three"], metric="precomputed")
    isomap = Isomap(n_neighbors=5, n_components=2, metric="precomputed").fit(square)
    assert connected_components(isomap.nbrs_.kneighbors_graph(), directed=False)[0] == 1
    h = np.eye(len(square)) - 1 / len(square)
    values, vectors = np.linalg.eigh(-0.5 * h @ square**2 @ h)
    scaled = pdist(vectors[:, -2:] * np.sqrt(values[-2:]))
    return {
        "pairs": pairs,
        "linkage": linkages,
        # Leaves up to reversal.
        "average_leaf_order": {"leaves": leaves, "length": length},
        "dbscan": {"eps": eps, "min_samples": 3, "labels": DBSCAN(eps=eps, min_samples=3, metric="precomputed").fit(square).labels_},
        # By point, not in the order of the plot; of points that are equally reachable the lowest comes first.
        "optics": {"min_samples": 4, "xi": 0.05, "reachability": reached, **visits},
        "hdbscan": {"min_cluster_size": 4, "labels": hdbscan(square)},
        "k_medoids": medoids(square),
        "silhouette": {"labels": linkages["average"]["three"], "samples": widths, "score": widths.mean()},
        "isomap": {"neighbors": 5, "distances": pdist(isomap.embedding_), "paths": squareform(isomap.dist_matrix_, checks=False)},
        "classical": {"distances": scaled, "negative_share": -values[values < 0].sum() / np.abs(values).sum()},
    }


def clustering_section():
    rng = np.random.default_rng(13)
    centers, spreads = [[0, 0, 0, 0], [3, 0, 0, 0], [1.5, 2.6, 0, 0]], (0.25, 0.5, 0.8)
    blobs = [rng.normal(center, spread, (n, 4)) for center, spread, n in zip(centers, spreads, (9, 8, 7))]
    points = np.concatenate([*blobs, rng.uniform(-1, 4, (3, 4))])[rng.permutation(27)]
    rng = np.random.default_rng(54)
    directions = np.repeat(rng.normal(size=(3, 5)), 5, axis=0) + rng.normal(size=(15, 5)) * 0.5
    cosines = 1 - pdist(directions[rng.permutation(15)], "cosine")
    angles = np.round(np.arccos(cosines) + rng.normal(size=105) * 0.05, 6)
    square = squareform(angles)
    assert (square > (square[:, :, None] + square[None]).min(1) + 1e-6).any(), "it breaks the triangle inequality"
    return {"euclidean": clustering(np.round(pdist(points), 6), 1.4), "angles": clustering(angles, 0.5)}


def score(a, b, method):
    angle = np.arccos(np.clip((a * b).sum() / (norm(a) * norm(b)), -1, 1))
    return {"angular": angle, "euclidean": norm(a - b)}[method]


def whitening(x, alpha, keep_variance=True):
    if alpha > 1 - 1e-7:
        return np.eye(x.shape[1])
    values, vectors = np.linalg.eigh(x.T @ x)
    values = np.maximum(values, 1e-7)
    d = alpha + (1 - alpha) / np.sqrt(values)
    if keep_variance:
        d *= np.sqrt(values.sum() / (alpha**2 * values + 2 * alpha * (1 - alpha) * np.sqrt(values) + (1 - alpha) ** 2).sum())
    return (vectors * d) @ vectors.T


def linear(x, y, alpha=1):
    """The map of rows of both networks to common coordinates, fitted on x and y (zero-padded, then centered and whitened)."""
    width = max(x.shape[1], y.shape[1])
    pad = lambda z: np.pad(z, ((0, 0), (0, width - z.shape[1])))
    x, y = pad(x), pad(y)
    mx, my = x.mean(0), y.mean(0)
    zx, zy = whitening(x - mx, alpha), whitening(y - my, alpha)
    u, _, vt = np.linalg.svd(((x - mx) @ zx).T @ ((y - my) @ zy))
    return lambda a, b: ((pad(a) - mx) @ zx @ u, (pad(b) - my) @ zy @ vt.T)


linear_score = lambda x, y, alpha=1: score(*linear(x, y, alpha)(x, y), "angular")


def align(x, y, group="orth"):
    """T of the group with x T closest to y."""
    if group == "perm":
        return np.eye(x.shape[1])[linear_sum_assignment(x.T @ y, maximize=True)[1]]
    u, _, vt = np.linalg.svd(x.T @ y)
    return u @ vt


def permutation(x, y):
    """As `linear`, by the best matching of columns; and the column of y for each column of x."""
    mx, my = x.mean(0), y.mean(0)
    columns = linear_sum_assignment((x - mx).T @ (y - my), maximize=True)[1]
    return (lambda a, b: (a - mx, (b - my)[:, columns])), columns


def distances(networks, distance):
    """Symmetric, with a zero diagonal; `distance` takes two indices."""
    d = np.zeros((len(networks), len(networks)))
    for i, j in combinations(range(len(networks)), 2):
        d[i, j] = d[j, i] = distance(i, j)
    return d


def cross_validated(x, y, folds):
    """The train and test scores of contiguous folds."""
    scores = {"train": [], "test": []}
    for held_out in np.array_split(np.arange(len(x)), folds):
        rest = np.setdiff1d(np.arange(len(x)), held_out)
        transform = linear(x[rest], y[rest])
        for key, rows in (("train", rest), ("test", held_out)):
            scores[key].append(score(*transform(x[rows], y[rows]), "angular"))
    return scores


def published():
    """The visible values: their inputs as far as they are small, and what is found here."""
    # One stream draws 64 train sets and then 64 test sets, each 1024 x 64.
    train, test = np.random.default_rng(0).standard_normal((2, 64, 1024, 64))
    train, test = train - train.mean(1, keepdims=True), test - train.mean(1, keepdims=True)
    sizes, test_sizes = norm(train, axis=(1, 2)), norm(test, axis=(1, 2))
    sums = np.zeros(2)
    for i in range(63):
        u, s, vt = np.linalg.svd(train[i].T @ train[i + 1 :])
        sums[0] += np.arccos(s.sum(1) / (sizes[i] * sizes[i + 1 :])).sum()
        products = (test[i].T @ test[i + 1 :] * (u @ vt)).sum((1, 2))
        sums[1] += np.arccos(products / (test_sizes[i] * test_sizes[i + 1 :])).sum()
    sums *= 2  # Over the whole symmetric matrices.
    assert np.allclose(sums, [5478.173387196459, 6333.232718084371], rtol=1e-12, atol=0)

    # The 256 x 2 example of ten folds: y is x times a matrix. Stored in full, for 1e-8 does not survive 6 decimals.
    x = np.random.RandomState(42069).uniform(-10, 10, (256, 2))
    x = x[np.argsort(x[:, 0])]
    rng = np.random.default_rng(42069)
    rng.random()  # An angle that is not used here.
    y = x @ rng.standard_exponential((2, 2))
    folds = cross_validated(x, y, 10)
    for key, digits in (
        ("train", "46626067 46140001 46623968 46866604 47149637 47078356 46782596 46504587 46302238 46197876"),
        ("test", "48806546 50628853 48546268 46253340 37655937 41099730 47418875 49561857 50214559 51200611"),
    ):
        assert np.allclose(folds[key], [float("0." + one) for one in digits.split()], rtol=0, atol=1e-8)
    convention = "default_rng(0), 64 train sets, then 64 test sets; alpha 1, angular; sums of the whole symmetric matrices"
    gaussian = {"convention": convention, "train": sums[0], "test": sums[1]}
    return {"gaussian_sums": gaussian, "ten_folds": {"x": x, "y": y, **folds}}


def linear_section():
    rng = np.random.default_rng(604)
    latent = rng.normal(size=(50, 4))
    networks = [np.round(latent @ rng.normal(size=(4, n)) + rng.normal(size=(50, n)) + rng.normal(size=n), 6) for n in (5, 5, 3, 7)]
    train, test = [x[:30] for x in networks], [x[30:] for x in networks]
    cases = []
    for alpha, method in product((0, 0.3, 1), ("angular", "euclidean")):
        case = {"alpha": alpha, "score": method}
        for key, rows in (("train", train), ("test", test)):
            pair = lambda i, j: score(*linear(train[i], train[j], alpha)(rows[i], rows[j]), method)
            case[key] = distances(train, pair)
            # The first two (rows) against the last two, fitted the other way around.
            case["cross_" + key] = [[pair(j, i) for j in (2, 3)] for i in (0, 1)]
            assert np.allclose(case["cross_" + key], case[key][:2, 2:], rtol=0, atol=1e-10)
        cases.append(case)
    x, y = column_centered(train[0]), column_centered(train[1])
    nuclear = norm(x.T @ y, "nuc")
    assert np.isclose(cases[4]["train"][0, 1], np.arccos(nuclear / (norm(x) * norm(y))), rtol=1e-12)
    assert np.isclose(cases[5]["train"][0, 1] ** 2, norm(x) ** 2 + norm(y) ** 2 - 2 * nuclear, rtol=1e-12)
    correlations = norm(np.linalg.qr(x)[0].T @ np.linalg.qr(y)[0], "nuc")
    assert np.isclose(cases[0]["train"][0, 1], np.arccos(correlations / 5), rtol=1e-6)
    transform, columns = permutation(train[0], train[1])
    both = lambda method: {key: score(*transform(*rows[:2]), method) for key, rows in (("train", train), ("test", test))}
    kernels = [z @ z.T for z in map(column_centered, train)]
    return {
        **published(),
        **{"train": train, "test": test, "cases": cases},
        "permutation": {"y_column_of_x_column": columns, "angular": both("angular"), "euclidean": both("euclidean")},
        "five_folds": cross_validated(train[0], train[1], 5),
        "cka": distances(train, lambda i, j: score(kernels[i], kernels[j], "angular")),
    }


def root(a):
    values, vectors = np.linalg.eigh(a)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def bures2(a, b):
    s = root(a)
    return np.trace(a) + np.trace(b) - 2 * np.sqrt(np.maximum(np.linalg.eigvalsh(s @ b @ s), 0)).sum()


def gaussian_score(x, y, t, alpha):
    pairs = zip(*x, *y)
    q = np.mean([alpha * norm(mx - my @ t) ** 2 + (2 - alpha) * bures2(sx, t.T @ sy @ t) for mx, sx, my, sy in pairs])
    return np.sign(q) * np.sqrt(abs(q))


def gaussian_fit(x, y, alpha, group="orth", start=None, niter=1000, tol=1e-8):
    """T and the losses, weights sqrt; the start aligns the means."""
    roots = [[root(a) for a in z[1]] for z in (x, y)]
    t = align(y[0], x[0], group) if start is None else start
    a = np.concatenate([np.sqrt(alpha) * x[0], *(np.sqrt(2 - alpha) * s for s in roots[0])])
    losses = []
    while len(losses) < niter:
        turned = [align(t.T @ sy, sx).T @ sy for sx, sy in zip(*roots)]
        b = np.concatenate([np.sqrt(alpha) * y[0], *(np.sqrt(2 - alpha) * s for s in turned)])
        t = align(b, a, group)
        losses.append(norm(a - b @ t))
        if len(losses) > 3 and losses[-2] - losses[-1] < tol:
            break
    return t, losses


def energy_score(x, y, t):
    between = [norm(a[:, None] - (b @ t)[None], axis=2).mean() for a, b in zip(x, y)]
    within = [0.5 * (pdist(a).mean() + pdist(b).mean()) for a, b in zip(x, y)]
    return np.sqrt(max(0, np.mean(between) - np.mean(within)))


def energy_fit(x, y, niter=100, tol=1e-6):
    """T and the losses of the iteration over all pairs of repeats of an image."""
    a = np.repeat(x, x.shape[1], axis=1).reshape(-1, x.shape[2])
    b = np.tile(y, (1, x.shape[1], 1)).reshape(-1, x.shape[2])
    w, losses = np.ones((len(a), 1)), []
    while len(losses) < niter:
        t = align(w * b, w * a)
        residuals = norm(a - b @ t, axis=1)
        losses.append(residuals.mean())
        if len(losses) > 1 and losses[-2] - losses[-1] < tol:
            break
        w = 1 / np.maximum(np.sqrt(residuals), 1e-6)[:, None]
    assert (np.diff(losses) < 1e-12).all()
    return t, losses


def stochastic_section():
    rng = np.random.default_rng(638)
    turn = ortho_group.rvs(3, random_state=rng)
    means, roots = rng.normal(size=(6, 3)) * 1.5, rng.normal(size=(2, 6, 3, 5))
    covariances = np.round(roots @ roots.swapaxes(-1, -2) / 3, 6)
    x = (np.round(means, 6), covariances[0])
    y = (np.round(means @ turn + rng.normal(size=(6, 3)), 6), covariances[1])
    fast = [np.trace(a + b) - 2 * norm(root(a) @ root(b), "nuc") for a, b in zip(*covariances)]
    assert np.allclose(fast, [bures2(a, b) for a, b in zip(*covariances)], rtol=0, atol=1e-6)
    given = ortho_group.rvs(3, random_state=rng)
    fits = []
    for alpha in (0, 0.5, 1, 2):
        t, losses = gaussian_fit(x, y, alpha)
        restarts = [gaussian_fit(x, y, alpha, start=ortho_group.rvs(3, random_state=rng))[0] for _ in range(50)]
        fits.append({
            "alpha": alpha,
            **{key: gaussian_score(x, y, at, alpha) for key, at in (("identity", np.eye(3)), ("given", given), ("orth", t))},
            "losses": losses,
            "best_of_50_restarts": min(gaussian_score(x, y, other, alpha) for other in restarts),
        })
    # Column j of the moved y is column order[j] of y.
    best, order = min((gaussian_score(x, y, np.eye(3)[:, order], 1), order) for order in permutations(range(3)))
    iterated = gaussian_score(x, y, gaussian_fit(x, y, 1, "perm")[0], 1)
    d0, d2 = fits[0]["best_of_50_restarts"], fits[3]["best_of_50_restarts"]
    for alpha in np.linspace(0, 2, 10):
        lower = np.sqrt((1 - alpha / 2) * d0**2 + alpha / 2 * d2**2)
        assert gaussian_score(x, y, gaussian_fit(x, y, alpha)[0], alpha) >= lower - 1e-6
    xs = np.round(rng.normal(size=(5, 1, 3)) + 0.5 * rng.normal(size=(5, 4, 3)), 6)
    ys = np.round(rng.normal(size=(5, 1, 3)) + 0.8 * rng.normal(size=(5, 4, 3)), 6)
    t, losses = energy_fit(xs, ys)
    return {
        "gaussian": {
            **{"x_means": x[0], "x_covariances": x[1], "y_means": y[0], "y_covariances": y[1]},
            **{"given": given, "scores": fits},
            "perm": {"alpha": 1, "order": order, "best": best, "iterated": iterated},
        },
        "energy": {"x": xs, "y": ys, "identity": energy_score(xs, ys, np.eye(3)), "losses": losses, "orth": energy_score(xs, ys, t)},
    }


def convolution_section():
    rng = np.random.default_rng(607)
    images, h, w = 4, 3, 4
    x = np.round(rng.normal(size=(images, h, w, 2)), 6)
    # y is x moved by (1, -1), in other channels and with noise.
    y = np.round(np.roll(x, (1, -1), (1, 2)) @ rng.normal(size=(2, 3)) + 0.5 * rng.normal(size=(images, h, w, 3)), 6)
    flat = lambda z: z.reshape(-1, z.shape[-1])
    table = np.empty((h, w))
    for i, j in np.ndindex(h, w):
        # A positive shift moves rows down and columns to the right, as numpy.roll.
        table[i, j] = linear_score(flat(np.roll(x, (i - h // 2, j - w // 2), (1, 2))), flat(y))
    return {"x": x, "y": y, "table": table, "minimum": table.min()}


def frechet_mean(networks, group, start, tol=1e-10, max_iter=1000):
    mean = start.copy()
    for _ in range(max_iter):
        previous, mean = mean, np.mean([x @ align(x, mean, group) for x in networks], axis=0)
        if norm(mean - previous) / np.sqrt(mean.size) < tol:
            return mean
    raise AssertionError("no convergence")


def average(networks, group):
    """The mean from the first network, and the tangent space there; the matrices of inner products do not depend on a rotation."""
    mean = frechet_mean(networks, group, networks[0])
    aligned = [x @ align(x, mean, group) for x in networks]
    for method in ("angular", "euclidean"):
        d = distances(aligned, lambda i, j: score(aligned[i], aligned[j], method))
        assert np.linalg.eigvalsh(np.exp(-0.7 * d)).min() >= -1e-10
    residuals = np.array([(mean - z).ravel() for z in aligned])
    return {
        "gram": mean @ mean.T,
        "sum_of_squares": (residuals**2).sum(),
        "residual_products": residuals @ residuals.T,
        "explained_variance": np.linalg.svd(column_centered(residuals), compute_uv=False)[:-1] ** 2 / (len(networks) - 1),
    }


def kmeans(networks, seeds):
    """Centroids are converged Frechet means; distances are those of the linear metric, alpha 1 and angular."""
    centroids, labels = networks[list(seeds)], None
    while True:
        table = np.array([[linear_score(x, c) for x in networks] for c in centroids])
        if np.array_equal(table.argmin(0), labels):
            return labels, table
        labels = table.argmin(0)
        centroids = [frechet_mean(members, "orth", members[0]) for members in (networks[labels == k] for k in range(len(seeds)))]


def average_section():
    rng = np.random.default_rng(608)
    turn = lambda x: x @ ortho_group.rvs(4, random_state=rng)
    template = rng.normal(size=(12, 4)) + 1
    networks = np.round([turn(template + 0.4 * rng.normal(size=(12, 4))) for _ in range(3)], 6)
    half = 0.5 * networks[0] + 0.5 * networks[1] @ align(networks[1], networks[0])
    # Centered, so that it does not matter whether the mean centers.
    planted = [0, 1, 0, 0, 1, 0, 1, 0]
    templates = rng.normal(size=(2, 12, 4))
    items = np.round([turn(column_centered(templates[label] + 0.3 * rng.normal(size=(12, 4)))) for label in planted], 6)
    labels, table = kmeans(items, (0, 1))
    assert list(labels) == planted
    return {
        "networks": networks,
        **{group: average(networks, group) for group in ("orth", "perm")},
        "half_way_gram": half @ half.T,
        "kmeans": {"networks": items, "labels": labels, "centroid_distances": table},
    }


def properties(rng):
    """What holds for any input (the sections assert the rest)."""
    x, v, w = rng.normal(size=(100, 10)), rng.normal(size=10), rng.normal(size=(10, 10))
    q, permuted = ortho_group.rvs(10, random_state=rng), x[:, rng.permutation(10)]
    assert norm(x @ align(x, x @ q) - x @ q) < 1e-6 and linear_score(x, 3 * x @ q + v) < 1e-6
    for method in ("angular", "euclidean"):
        assert score(*permutation(x, permuted)[0](x, permuted), method) < 1e-6
    for moved in (x @ w, x @ w + v):
        assert linear_score(x, moved, 0) < 1e-6 < linear_score(x, moved, 1)
    a, b = (np.linalg.qr(rng.normal(size=(100, 10)))[0] for _ in range(2))
    cosines = np.linalg.svd(a.T @ b, compute_uv=False)
    assert abs(score(a @ align(a, b), b, "angular") - np.arccos(cosines.mean())) < 1e-6
    centered = column_centered(x)
    for alpha in (0, 0.5, 1):
        networks = rng.normal(size=(3, 31, 30))
        d = distances(networks, lambda i, j: linear_score(networks[i], networks[j], alpha))
        assert all(d[i, j] <= d[i, k] + d[k, j] + 1e-6 for i, j, k in permutations(range(3)))
        assert abs(norm(centered @ whitening(centered, alpha)) ** 2 - norm(centered) ** 2) < 1e-7
    for keep_variance, scale in ((False, 1), (True, norm(centered) ** 2 / 10)):
        white = centered @ whitening(centered, 0, keep_variance)
        assert np.allclose(white.T @ white, scale * np.eye(10), rtol=0, atol=1e-6)
    q, means = ortho_group.rvs(4, random_state=rng), rng.normal(size=(6, 4))
    identities, spread = np.array([np.eye(4)] * 6), np.array([np.diag(np.logspace(-1, 1, 4))] * 6)
    for x in ((means, identities), (0 * means, spread)):
        y = (x[0] @ q, q.T @ x[1] @ q)
        assert gaussian_score(x, y, q.T, 1) < 1e-6 and gaussian_score(x, y, gaussian_fit(x, y, 1)[0], 1) < 1e-6
    template = rng.normal(size=(12, 4)) + 1
    turns = {"orth": ortho_group.rvs(4, size=4, random_state=rng), "perm": [np.eye(4)[rng.permutation(4)] for _ in range(4)]}
    for group, elements in turns.items():
        copies = [template @ element for element in elements]
        mean = frechet_mean(copies, group, copies[0])
        assert pdist([(z @ align(z, mean, group)).ravel() for z in copies]).max() < 1e-6


out = {
    "clustering": clustering_section(),
    "linear": linear_section(),
    "stochastic": stochastic_section(),
    "convolution": convolution_section(),
    "average": average_section(),
}
properties(np.random.default_rng(613))
path = pathlib.Path(__file__).parent.parent / "fixtures" / "populations.json"
path.write_text(json.dumps(out, default=lambda value: value.tolist(), separators=(",", ":"), allow_nan=False) + "\n")
