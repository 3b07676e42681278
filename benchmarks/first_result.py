"""What a newcomer sees: clusterers with their defaults on small data sets and on noise.

The drawn sets come from scikit-learn's generators with a size, density, dimension and share of
noise that the seed decides. The defaults were chosen on the 14 named sets and on seeds from 1000
on; the seeds 0 to 19 were looked at only here.

Examples
--------
python benchmarks/first_result.py --out benchmarks/results/first_result.json
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.cluster import HDBSCAN
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

from neurotopo import NTCClusterer

SEED = 0
DRAWN = range(20)
NOISE_SIZES = (50, 100, 300, 1000, 3000)
NOISE_DIMENSIONS = (1, 2, 3, 5, 10)

Set = tuple[str, np.ndarray, np.ndarray]


def methods() -> dict[str, Callable[[], Any]]:
    """Return the clusterers with their defaults; libraries that are not installed are left out."""
    found: dict[str, Callable[[], Any]] = {
        "NTCClusterer()": NTCClusterer,
        "NTCClusterer.paper()": NTCClusterer.paper,
        "HDBSCAN()": lambda: HDBSCAN(copy=True),
    }
    try:
        from fast_plscan import PLSCAN
    except ImportError:
        return found
    return found | {"PLSCAN()": PLSCAN}


def named_sets(*, standardize: bool) -> Iterator[Set]:
    """Yield real tables, their first two principal components, and scikit-learn's shapes."""
    for name in ("iris", "wine", "breast_cancer", "digits"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        if standardize and name != "digits":  # pixels have one scale
            X = StandardScaler().fit_transform(X)
        yield name, X, y
        yield f"{name}, 2 components", PCA(2, random_state=SEED).fit_transform(X), y
    n = 500
    yield "moons", *datasets.make_moons(n, noise=0.05, random_state=SEED)
    yield "circles", *datasets.make_circles(n, factor=0.5, noise=0.05, random_state=SEED)
    X, y = datasets.make_blobs(n, random_state=170)
    yield "anisotropic", X @ [[0.6, -0.6], [-0.4, 0.8]], y
    yield "varied", *datasets.make_blobs(n, cluster_std=[1.0, 2.5, 0.5], random_state=170)
    yield "blobs", *datasets.make_blobs(n, random_state=8)
    X, y = datasets.make_blobs(n, centers=5, cluster_std=0.6, random_state=SEED)
    yield "blobs with noise", *with_noise(X, y, 0.2, np.random.default_rng(SEED))


def with_noise(
    X: np.ndarray, y: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Add uniform noise in the box of the points, as a group of its own."""
    extra = int(share * len(X))
    noise = rng.uniform(X.min(axis=0), X.max(axis=0), (extra, X.shape[1]))
    return np.r_[X, noise], np.r_[y, np.full(extra, -1)]


def drawn_set(seed: int) -> Set:
    """Draw a set of one of scikit-learn's generators."""
    rng = np.random.default_rng(seed)
    kinds = ["blobs", "unequal", "moons", "circles", "classification", "blobs", "unequal"]
    kind = rng.choice(kinds)
    n = int(np.exp(rng.uniform(np.log(150), np.log(2500))))
    state = int(rng.integers(2**31))
    if kind in ("blobs", "unequal"):
        d, k = int(rng.choice([2, 3, 5, 10, 20])), int(rng.integers(2, 11))
        evenness = 3.0 if kind == "unequal" else 1e3
        sizes = np.maximum((n * rng.dirichlet(np.full(k, evenness))).astype(int), 15)
        wide = kind == "unequal"
        spread = rng.uniform(0.5, 2.5, k) if wide else np.full(k, rng.uniform(0.6, 1.6))
        X, y = datasets.make_blobs(sizes.tolist(), d, cluster_std=spread, random_state=state)
        if rng.random() < 0.4:
            X = X @ rng.normal(size=(d, d))
    elif kind == "classification":
        d, k = int(rng.choice([2, 4, 8])), int(rng.integers(2, 5))
        apart = rng.uniform(1.5, 3)
        X, y = datasets.make_classification(
            n,
            d,
            n_informative=d,
            n_redundant=0,
            n_classes=k,
            n_clusters_per_class=1,
            class_sep=apart,
            flip_y=0,
            random_state=state,
        )
    elif kind == "moons":
        X, y = datasets.make_moons(n, noise=rng.uniform(0.03, 0.1), random_state=state)
    else:
        factor, noise = rng.uniform(0.3, 0.6), rng.uniform(0.02, 0.08)
        X, y = datasets.make_circles(n, factor=factor, noise=noise, random_state=state)
    share = float(rng.choice([0.0, 0.0, 0.1, 0.2]))
    k = len(np.unique(y))
    X, y = with_noise(X, y, share, rng)
    return f"{seed}: {kind}, {len(X)} x {X.shape[1]}, {k} groups, {share:.0%} noise", X, y


def scores(sets: Iterator[Set]) -> list[dict[str, Any]]:
    """Fit all methods on all sets."""
    rows = []
    for name, X, y in sets:
        row: dict[str, Any] = {"set": name, "n": len(X), "groups": len(np.unique(y[y >= 0]))}
        for method, make in methods().items():
            labels = make().fit(X).labels_
            row[method] = {
                "ari": float(adjusted_rand_score(y, labels)),
                "noise": float(np.mean(labels < 0)),
                "clusters": int(labels.max() + 1),
            }
        rows.append(row)
    return rows


def false_structure(clouds: int) -> list[dict[str, Any]]:
    """Count clouds without groups in which a clusterer finds clusters."""
    rows = []
    draws = {"uniform": "random", "normal": "standard_normal"}
    for kind, draw in draws.items():
        for d in NOISE_DIMENSIONS:
            for n in NOISE_SIZES:
                rng = np.random.default_rng([SEED, d, n])
                found = dict.fromkeys(methods(), 0)
                drawn = max(clouds // (1 if n <= 1000 else 2), 1)
                for cloud in range(drawn):
                    X = getattr(rng, draw)((n, d))
                    for method, make in methods().items():
                        ours = method == "NTCClusterer()"
                        if ours or (n <= 300 and cloud < 10):  # for others ten clouds show enough
                            found[method] += int(make().fit(X).labels_.max() >= 0)
                rows.append({"kind": kind, "d": d, "n": n, "clouds": drawn, "found": found})
                print(kind, d, n, found, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/first_result.json"))
    parser.add_argument("--clouds", type=int, default=100)
    options = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # no structure in noise
    record = {
        "seed": SEED,
        "named": scores(named_sets(standardize=True)),
        "raw": scores(named_sets(standardize=False)),
        "drawn": scores(map(drawn_set, DRAWN)),
        "noise": false_structure(options.clouds),
    }
    options.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
