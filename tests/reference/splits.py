"""Reference splits of rows with classes and groups: scikit-learn.

Run from the repository root: python tests/reference/splits.py
"""

import json
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupKFold, StratifiedKFold, StratifiedShuffleSplit


def folds(splitter, codes, **kwargs):
    out = np.zeros(len(codes), int)
    for fold, (_, test) in enumerate(splitter.split(np.zeros((len(codes), 1)), codes, **kwargs)):
        out[test] = fold
    return out.tolist()


def main():
    rng = np.random.default_rng(0)
    cases = []
    for n, classes, k in [(40, 3, 4), (57, 5, 5), (80, 8, 10), (200, 7, 3)]:
        codes = rng.permutation(np.arange(n) % classes) if n != 57 else np.sort(rng.integers(0, classes, n))
        shuffled = StratifiedShuffleSplit(n_splits=3, train_size=int(n * 0.9), test_size=n - int(n * 0.9), random_state=1)
        cases.append(
            {
                "codes": codes.tolist(),
                "k": k,
                "stratified": folds(StratifiedKFold(k), codes) if np.bincount(codes).max() >= k else None,
                "group": folds(GroupKFold(min(k, classes)), codes, groups=codes),
                "n_group_folds": min(k, classes),
                "shuffle": [
                    {"train": train.tolist(), "test": test.tolist()} for train, test in shuffled.split(np.zeros((n, 1)), codes)
                ],
            }
        )
    path = Path("tests/fixtures/splits.json")
    path.write_text(json.dumps(cases) + "\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
