"""Eigenscope's command line beside numpy, scipy and scikit-learn, in the same run.

Every row alternates ours and the peer and reports medians and the ratio peer / ours. Peers are timed inside
this process, on data that is already in memory; ours is a whole process that starts, reads its files, computes
and prints, so its time is the one that a user waits for. Both use all cores.

Usage: peers.py [NAME]   (EIGENSCOPE = path of the binary)
"""

import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.spatial.distance as distance
import sklearn
from himalaya.ridge import RidgeCV as HimalayaRidgeCV
from himalaya.scoring import r2_score
from rsatoolbox.inference import eval_dual_bootstrap, eval_fixed
from rsatoolbox.model import ModelFixed
from rsatoolbox.rdm import RDMs
from rsatoolbox.util.searchlight import evaluate_models_searchlight, get_searchlight_RDMs, get_volume_searchlight
from scipy.stats import spearmanr
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold
from threadpoolctl import threadpool_limits

EIGENSCOPE = os.environ["EIGENSCOPE"]
REPEATS = int(os.environ.get("REPEATS", "3"))


def cli(*args):
    out = subprocess.run([EIGENSCOPE, *map(str, args), "--json", "--device", "cpu"], check=True, capture_output=True, text=True)
    return json.loads(out.stdout)


def seconds(function):
    # Idle threads of a peer spin for a while after its last call, and would take a core from whoever comes next.
    time.sleep(0.2)
    start = time.perf_counter()
    value = function()
    return time.perf_counter() - start, value


def row(name, ours, peers, target, agree, part=1):
    """Interleaves ours and the peers; `agree(ours, peer)` gives the largest relative difference. Peers do 1 / part of the work."""
    times = {key: [] for key in ["ours", *peers]}
    values = {}
    slow = set()
    for repeat in range(REPEATS):
        for key, function in [("ours", ours), *peers.items()]:
            if key in slow:
                continue
            t, values[key] = seconds(function)
            times[key].append(t)
            # A peer that takes over a minute is measured once.
            if t > 60:
                slow.add(key)
    mine = statistics.median(times["ours"])
    for key in peers:
        peer = part * statistics.median(times[key])
        print(
            f"{name:34} ours {mine:8.3f} s   {key:34} {peer:8.3f} s   ratio {peer / mine:7.1f}   target {target[key]:4.1f}"
            f"   difference {agree(values['ours'], values[key]):.1e}   n={len(times['ours'])}/{len(times[key])}",
            flush=True,
        )


def spectra(folder, rng):
    """Whole spectra, and the effective dimensionality alone, which needs no eigenvalues."""

    def decay(p):
        return np.arange(1, p + 1, dtype=np.float32) ** -0.5

    def mixed(n, p, rank):
        latent = rng.standard_normal((rank, p), dtype=np.float32) * decay(p)
        return rng.standard_normal((n, rank), dtype=np.float32) @ latent

    def dimensionality(values):
        return float(values.sum() ** 2 / (values**2).sum())

    def pca(x, solver):
        def run():
            return dimensionality(PCA(svd_solver=solver).fit(x).explained_variance_.astype(np.float64))

        return run

    def ours(path, *options):
        return lambda: cli("dims", path, *options)[0]["effective_dimensionality"]

    def agree(a, b):
        return abs(a - b) / abs(b)

    tall = mixed(10_000, 4_096, 4_096)
    path = folder / "tall.npy"
    np.save(path, tall)
    solvers = {f"sklearn PCA ({solver})": pca(tall, solver) for solver in ["auto", "covariance_eigh"]}
    row("ED, 10000 x 4096 f32", ours(path, "--no-spectrum"), solvers, dict(zip(solvers, [5, 1.5])), agree)
    row("spectrum, 10000 x 4096 f32", ours(path), solvers, dict(zip(solvers, [8, 2])), agree)
    # Ours computes in f64 whatever the file holds; on f64 data the peers do, too.
    tall = tall.astype(np.float64)
    np.save(path, tall)
    solvers = {f"sklearn PCA ({solver})": pca(tall, solver) for solver in ["auto", "covariance_eigh"]}
    row("spectrum, 10000 x 4096 f64", ours(path), solvers, dict(zip(solvers, [8, 2])), agree)
    del tall
    wide = mixed(4_000, 20_000, 4_000)
    path = folder / "wide.npy"
    np.save(path, wide)
    name = "sklearn PCA (auto)"
    row("spectrum, 4000 x 20000 f32", ours(path), {name: pca(wide, "auto")}, {name: 5}, agree)


def rdm(folder, rng):
    for n, target in [(1000, 8), (2000, 5)]:
        rdm_of(folder, rng, n, target)


def rdm_of(folder, rng, n, target):
    x = rng.standard_normal((n, 4096), dtype=np.float32)
    path = folder / "rdm.npy"
    np.save(path, x)
    spec = folder / "rdm.json"
    spec.write_text(json.dumps({"kind": "rdm", "input": "rdm", "measure": "correlation"}))
    out = folder / "rdm.eigr"

    def ours():
        subprocess.run(
            [EIGENSCOPE, "run", spec, "--input", f"rdm={path}", "-o", out, "--device", "cpu"], check=True, capture_output=True
        )
        return out

    def agree(_, peer):
        raw = out.read_bytes()
        length = int.from_bytes(raw[8:12], "little")
        values = np.frombuffer(raw[-(-(12 + length) // 8) * 8 :], "<f8").reshape(n, n)
        return np.abs(values[np.triu_indices(n, 1)] - peer).max()

    peer = {"scipy pdist": lambda: distance.pdist(x, "correlation")}
    row(f"correlation RDM, {n} x 4096 f32", ours, peer, {"scipy pdist": target}, agree)


def bootstrap(folder, rng):
    """Dual bootstraps of RDM comparisons: 92 conditions, 4 data RDMs, 8 models."""
    k, resamples = 92, 1000
    signal = rng.standard_normal((k, 20))

    def rdms(n, share):
        patterns = [np.hstack([share * signal, rng.standard_normal((k, 80))]) for _ in range(n)]
        return np.array([distance.pdist(p, "sqeuclidean") / 100 for p in patterns])

    data = rdms(4, 1.0)
    models = np.concatenate([rdms(1, share) for share in np.linspace(0, 2, 8)])
    a, b = folder / "data_rdms.npy", folder / "model_rdms.npy"
    np.save(a, data)
    np.save(b, models)
    fixed = [ModelFixed(f"model {i}", model) for i, model in enumerate(models)]

    def ours(method):
        def run():
            result = cli("rsa", "--data", a, "--models", b, "--compare", method, "--bootstrap", resamples, "--over", "dual")
            return np.array([model["sem"] for model in result["models"]])

        return run

    def peer(method, part):
        def run():
            with threadpool_limits(1), contextlib.redirect_stderr(io.StringIO()):
                return eval_dual_bootstrap(fixed, RDMs(data), method=method, N=resamples // part).get_sem()

        return run

    def agree(mine, other):
        # Other resamples: the standard errors of the scores differ by chance.
        return np.abs(mine / other - 1).max()

    name = "rsatoolbox, 1 thread"
    # The whitened one takes the peer so long that it draws a tenth of the resamples, and its time is taken ten times.
    for method, target, part in [("corr", 100, 1), ("rho-a", 50, 1), ("corr_cov", 1000, 10)]:
        row(f"1000 dual bootstraps, {method}", ours(method), {name: peer(method, part)}, {name: target}, agree, part)


def ranks(folder, rng):
    """Spearman's correlation of two RDMs of 5,000 conditions."""
    k = 5000
    pairs = rng.random((2, k * (k - 1) // 2))
    pairs[1] += 0.5 * pairs[0]
    a, b = folder / "rdm_a.npy", folder / "rdm_b.npy"
    np.save(a, pairs[:1])
    np.save(b, pairs[1:])
    ours = lambda: cli("rsa", "--data", a, "--models", b, "--compare", "spearman")["models"][0]["mean"]
    peer = lambda: float(spearmanr(pairs[0], pairs[1]).statistic)
    name = "scipy spearmanr"
    row("Spearman, 12.5 M pairs", ours, {name: peer}, {name: 4}, lambda a, b: abs(a - b) / abs(b))


def searchlight(folder, rng):
    """Searchlights of 93 voxels through a volume of 24 x 24 x 16 with 40 conditions, 4 models."""
    volume, n, radius = (24, 24, 16), 40, 3
    image = rng.standard_normal((*volume, n))
    mask = np.ones(volume)
    models = rng.random((4, n * (n - 1) // 2))
    paths = {name: folder / f"{name}.npy" for name in ["image", "mask", "models"]}
    for name, values in [("image", image), ("mask", mask), ("models", models)]:
        np.save(paths[name], values)
    rows = image.reshape(-1, n).T
    fixed = [ModelFixed(f"model {i}", model) for i, model in enumerate(models)]

    def ours(method):
        def run():
            options = ["--models", paths["models"], "--mask", paths["mask"], "--radius", radius, "--compare", method]
            return np.array([[v for v in flatten(m["scores"]) if v is not None] for m in cli("searchlight", paths["image"], *options)["maps"]])

        return run

    def flatten(values):
        return [v for part in values for v in flatten(part)] if isinstance(values, list) else [values]

    def peer(method):
        def run():
            with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
                centers, neighbors = get_volume_searchlight(mask, radius=radius, threshold=1.0)
                rdms = get_searchlight_RDMs(rows, centers, neighbors, np.arange(n), method="correlation", verbose=False)
                evaluated = evaluate_models_searchlight(rdms, fixed, eval_fixed, method=method, n_jobs=1)
            order = np.argsort(centers)
            return np.array([evaluated[i].evaluations.squeeze() for i in order]).T

        return run

    for method in ["corr", "spearman"]:
        row(f"searchlights, {method}", ours(method), {"rsatoolbox": peer(method)}, {"rsatoolbox": 10}, lambda a, b: np.abs(a - b).max())


def shapes(folder, rng):
    x, y = rng.standard_normal((1000, 512)), rng.standard_normal((1000, 512))
    a, b = folder / "x.npy", folder / "y.npy"
    np.save(a, x)
    np.save(b, y)

    def ours():
        return cli("shapes", a, b)["distances"][0][1]

    row("shape distance, 1000 x 512", ours, {"numpy": lambda: whitened_angle(x, y)}, {"numpy": 3}, lambda a, b: abs(a - b) / abs(b))


def whitened_angle(x, y):
    """The angular Procrustes distance as netrep has it: an eigendecomposition of both Gram matrices for every pair, whatever alpha is."""

    def whiten(z):
        w, v = np.linalg.eigh(z.T @ z)
        return z @ (v * np.ones_like(w)) @ v.T

    xw, yw = whiten(x - x.mean(0)), whiten(y - y.mean(0))
    u, _, vt = np.linalg.svd(xw.T @ yw)
    a, b = xw @ u, yw @ vt.T
    return np.arccos(np.clip((a * b).sum() / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))


def population(folder, rng):
    """All pairs of 30 networks by angular Procrustes; the peer whitens and decomposes for every pair, as netrep does."""
    for n, width, target, share in [(1000, 256, 5, 1), (500, 2000, 40, 145)]:
        common = rng.standard_normal((n, width))
        networks = [common + rng.standard_normal((n, width)) for _ in range(30)]
        files = [folder / f"network-{i}.npy" for i in range(30)]
        for file, x in zip(files, networks):
            np.save(file, x)
        pairs = [(i, j) for i in range(30) for j in range(i)][:: share]

        def ours():
            return np.array(cli("shapes", *files)["distances"])

        def straightforward():
            return [whitened_angle(networks[i], networks[j]) for i, j in pairs]

        def without_whitening():
            # Alpha = 1 whitens nothing: what a careful numpy code would do.
            found = []
            for i, j in pairs:
                x, y = networks[i] - networks[i].mean(0), networks[j] - networks[j].mean(0)
                nuclear = np.linalg.svd(x.T @ y, compute_uv=False).sum()
                found.append(np.arccos(nuclear / (np.linalg.norm(x) * np.linalg.norm(y))))
            return found

        def agree(mine, peer):
            return max(abs(mine[i][j] - d) / d for (i, j), d in zip(pairs, peer))

        peers = {"numpy, whitening": straightforward, "numpy, singular values": without_whitening}
        row(f"435 shape distances, {n} x {width}", ours, peers, {"numpy, whitening": target, "numpy, singular values": 0}, agree, part=435 / len(pairs))


def kernels(folder, rng):
    """All pairs of 30 networks by linear CKA; the peer takes the products of features of every pair, with each network's norm made once."""
    n, width = 1000, 256
    common = rng.standard_normal((n, width))
    networks = [common + rng.standard_normal((n, width)) for _ in range(30)]
    files = [folder / f"kernel-{i}.npy" for i in range(30)]
    for file, x in zip(files, networks):
        np.save(file, x)

    def ours():
        return np.array(cli("shapes", *files, "--metric", "cka")["distances"])

    def features():
        centered = [x - x.mean(0) for x in networks]
        norms = [np.linalg.norm(x.T @ x) for x in centered]
        out = np.zeros((30, 30))
        for i in range(30):
            for j in range(i):
                cosine = np.linalg.norm(centered[i].T @ centered[j]) ** 2 / (norms[i] * norms[j])
                out[i, j] = out[j, i] = np.arccos(min(cosine, 1))
        return out

    def grams():
        # As netrep's LinearCKA: both Gram matrices for every pair.
        out = np.zeros((30, 30))
        for i in range(30):
            for j in range(i):
                x, y = networks[i] - networks[i].mean(0), networks[j] - networks[j].mean(0)
                k, l = x @ x.T, y @ y.T
                cosine = (k * l).sum() / (np.linalg.norm(k) * np.linalg.norm(l))
                out[i, j] = out[j, i] = np.arccos(min(cosine, 1))
        return out

    peers = {"numpy, Gram matrices": grams, "numpy, features": features}
    row(f"435 angles of linear CKA, {n} x {width}", ours, peers, {"numpy, Gram matrices": 5, "numpy, features": 5}, lambda a, b: np.abs(a - b).max())


def averages(folder, rng):
    """The Frechet average of 30 networks over rotations: netrep's way (streaming, its tolerance), and whole sweeps to our tolerance."""
    n, width = 1000, 256
    template = rng.standard_normal((n, width))
    networks = []
    for _ in range(30):
        turn, _ = np.linalg.qr(rng.standard_normal((width, width)))
        x = (template + rng.standard_normal((n, width))) @ turn
        networks.append(x - x.mean(0))
    files = [folder / f"average-{i}.npy" for i in range(30)]
    for file, x in zip(files, networks):
        np.save(file, x)
    size = np.sqrt(np.mean([np.mean(x**2) for x in networks]))

    def ours(tol):
        # Ours is relative to the size of an entry.
        def run():
            # With the average itself, which is a matrix: as a file, not as text.
            out = folder / "average.eigr"
            subprocess.run([EIGENSCOPE, "average", *map(str, files), "--tol", str(tol / size), "--device", "cpu", "-o", out], check=True, capture_output=True)
            envelope = out.read_bytes()
            return json.loads(envelope[12 : 12 + int.from_bytes(envelope[8:12], "little")])["shared"]

        return run

    def align(x, y):
        u, _, vt = np.linalg.svd(x.T @ y)
        return x @ (u @ vt)

    def shared(mean):
        return len(networks) * np.linalg.norm(mean) ** 2 / sum(np.linalg.norm(x) ** 2 for x in networks)

    def streaming():
        order = np.random.default_rng(0)
        mean, change, seen = networks[0].copy(), np.inf, 1
        while change >= 1e-3:
            previous = mean.copy()
            for i in order.permutation(len(networks)):
                mean = seen / (seen + 1) * mean + align(networks[i], previous) / (seen + 1)
                seen += 1
            change = np.linalg.norm(mean - previous) / np.sqrt(mean.size)
        return shared(mean)

    def sweeps():
        mean, change = networks[0].copy(), np.inf
        while change >= 1e-6 * size:
            previous, mean = mean, np.zeros_like(mean)
            for x in networks:
                mean += align(x, previous) / len(networks)
            change = np.linalg.norm(mean - previous) / np.sqrt(mean.size)
        return shared(mean)

    agree = lambda a, b: abs(a - b) / b
    row(f"Frechet average of 30 to 1e-3, {n} x {width}", ours(1e-3), {"numpy, streaming": streaming}, {"numpy, streaming": 5}, agree)
    row(f"Frechet average of 30 to 1e-6, {n} x {width}", ours(1e-6 * size), {"numpy, whole sweeps": sweeps}, {"numpy, whole sweeps": 0}, agree)


def ridge(folder, rng):
    n, p, t = 1000, 1500, 500
    x = rng.standard_normal((n, p))
    y = x @ rng.standard_normal((p, t)) * 0.1 + rng.standard_normal((n, t))
    a, b = folder / "features.npy", folder / "targets.npy"
    np.save(a, x)
    np.save(b, y)
    alphas = np.logspace(-1, 5, 10)

    def ours(grid):
        def run():
            text = ",".join(repr(float(alpha)) for alpha in grid)
            return cli("encode", "--features", a, "--targets", b, "--model", "ridge", "--alpha", text, "--cv", "kfold:5")["median_r"]

        return run

    def peer(estimator):
        def run():
            medians = []
            for fold in np.array_split(np.arange(n), 5):
                train = np.setdiff1d(np.arange(n), fold)
                predicted = estimator().fit(x[train], y[train]).predict(x[fold])
                u, v = predicted - predicted.mean(0), y[fold] - y[fold].mean(0)
                medians.append(np.median((u * v).sum(0) / np.sqrt((u**2).sum(0) * (v**2).sum(0))))
            return float(np.mean(medians))

        return run

    def agree(mine, other):
        return abs(mine - other) / abs(other)

    name = "sklearn RidgeCV (alpha per target)"
    row("ridge 1000 x 1500 x 500, 10 alphas", ours(alphas), {name: peer(lambda: RidgeCV(alphas, alpha_per_target=True))}, {name: 2}, agree)
    name = "sklearn Ridge"
    row("ridge 1000 x 1500 x 500, 1 alpha", ours([1000.0]), {name: peer(lambda: Ridge(1000.0))}, {name: 2}, agree)


def ridge_cv(folder, rng):
    """The penalty of each target by five inner folds of 900 rows, then predictions of the other 100."""
    n, p, t = 1000, 1500, 2000
    x = rng.standard_normal((n, p))
    y = x @ rng.standard_normal((p, t)) * 0.1 + rng.standard_normal((n, t))
    a, b = folder / "many_features.npy", folder / "many_targets.npy"
    np.save(a, x)
    np.save(b, y)
    alphas = np.logspace(-1, 5, 10)
    train, test = np.arange(900), np.arange(900, n)

    def correlation(predicted):
        u, v = predicted - predicted.mean(0), y[test] - y[test].mean(0)
        return float(np.median((u * v).sum(0) / np.sqrt((u**2).sum(0) * (v**2).sum(0))))

    def ours(selection, targets=b):
        text = ",".join(repr(float(alpha)) for alpha in alphas)
        options = ["--model", "ridge", "--alpha", text, "--selection", selection, "--cv", "contiguous:0.9:0"]
        return lambda: cli("encode", "--features", a, "--targets", targets, *options)["median_r"]

    def sklearn_folds():
        # Scikit-learn chooses one penalty a target by leave-one-out only; with folds it is a search a target, here over all at once.
        search = GridSearchCV(Ridge(), {"alpha": alphas}, cv=5).fit(x[train], y[train])
        return correlation(search.predict(x[test]))

    def himalaya_folds():
        center = x[train].mean(0)
        # It chooses by squared errors unless told; ours chooses by R2, which weighs folds by their own variance.
        options = {"score_func": r2_score}
        model = HimalayaRidgeCV(alphas=alphas, cv=KFold(5), fit_intercept=True, solver_params=options).fit(x[train] - center, y[train])
        return correlation(model.predict(x[test] - center))

    def sklearn_loo():
        return correlation(RidgeCV(alphas, alpha_per_target=True).fit(x[train], y[train, :]).predict(x[test]))

    def agree(mine, other):
        return abs(mine - other) / abs(other)

    peers = {"himalaya RidgeCV": himalaya_folds, "sklearn GridSearchCV(Ridge)": sklearn_folds}
    row("ridge 1000 x 1500 x 2000, 5 folds", ours("kfold:5"), peers, dict(zip(peers, [3, 5])), agree)
    thousand = folder / "thousand_targets.npy"
    np.save(thousand, y[:, :1000])
    y = y[:, :1000]
    name = "sklearn RidgeCV (leave-one-out)"
    row("ridge 1000 x 1500 x 1000, LOO", ours("loo", thousand), {name: sklearn_loo}, {name: 1}, agree)


def pls(folder, rng):
    n, p, t = 1600, 1000, 168
    latent = rng.standard_normal((n, 60))
    x = latent @ rng.standard_normal((60, p)) + rng.standard_normal((n, p))
    y = latent @ rng.standard_normal((60, t)) + 4 * rng.standard_normal((n, t))
    a, b = folder / "pls_features.npy", folder / "pls_targets.npy"
    np.save(a, x)
    np.save(b, y)
    train, test = np.arange(1440), np.arange(1440, n)

    def ours():
        options = ["--model", "pls", "--components", 25, "--cv", "contiguous:0.9:0"]
        return cli("encode", "--features", a, "--targets", b, *options)["median_r"]

    def peer():
        predicted = PLSRegression(25, scale=False).fit(x[train], y[train]).predict(x[test])
        u, v = predicted - predicted.mean(0), y[test] - y[test].mean(0)
        return float(np.median((u * v).sum(0) / np.sqrt((u**2).sum(0) * (v**2).sum(0))))

    name = "sklearn PLSRegression"
    row("PLS-25, 1600 x 1000 x 168", ours, {name: peer}, {name: 8}, lambda a, b: abs(a - b) / abs(b))


def main():
    print(f"numpy {np.__version__}, scikit-learn {sklearn.__version__}, {os.cpu_count()} cores; medians of {REPEATS} interleaved repeats")
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    with tempfile.TemporaryDirectory() as folder:
        for benchmark in [rdm, bootstrap, ranks, searchlight, shapes, population, kernels, averages, ridge, ridge_cv, pls, spectra]:
            if wanted in benchmark.__name__:
                benchmark(Path(folder), np.random.default_rng(0))


if __name__ == "__main__":
    main()
