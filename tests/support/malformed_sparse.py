"""Run the readers of sparse matrices on damaged ones: ``python -m tests.support.malformed_sparse``.

The arguments are the first seed and the number of damaged matrices. Every reader must return or
raise a ValueError; anything else ends the process with an error.
"""

from __future__ import annotations

import contextlib
import sys
import warnings

import numpy as np
import scipy.sparse as sp

from neurotopo import NTCClusterer, merge_tree, persistence_diagrams
from neurotopo.persistence import GraphPersistence


def damaged(seed: int) -> tuple[str, sp.sparray]:
    """Return a symmetric graph in a random format, with one to three wrong numbers."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 12))
    dense = np.triu(rng.integers(0, 4, size=(n, n)), k=1).astype(float)
    X = sp.coo_array(dense + dense.T).asformat(str(rng.choice(["csr", "csc", "coo", "bsr"])))
    names = ["data", "row", "col"] if X.format == "coo" else ["data", "indices", "indptr"]
    for _ in range(int(rng.integers(1, 4))):
        name = str(rng.choice(names))
        array = getattr(X, name)
        if rng.random() < 0.2:  # another length
            changed = array[: int(rng.integers(0, len(array) + 1))]
            setattr(X, name, changed) if name not in ("row", "col") else None
        elif array.size:
            wrong = [-1, -(2**31), 2**31 - 1, n, n * n, 10**6, np.nan, np.inf, -1e-9, 0]
            with np.errstate(invalid="ignore"):
                array.flat[int(rng.integers(array.size))] = np.asarray(rng.choice(wrong)).astype(
                    array.dtype
                )
    return X.format, X


def read(X: sp.sparray) -> None:
    """Give a matrix to every reader."""
    n = X.shape[0]
    good = np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(float)
    fitted = NTCClusterer.paper(metric="precomputed").fit(good)
    smoothed = NTCClusterer(metric="precomputed", rule="mass", min_samples=2).fit(good)
    readers = [
        lambda: NTCClusterer.paper(metric="precomputed").fit(X),
        lambda: NTCClusterer.paper(metric="precomputed", min_samples=2).fit(X),
        lambda: NTCClusterer(metric="precomputed").fit(X),
        lambda: NTCClusterer("precomputed", symmetrize="max", lengths="inverse").fit(X),
        lambda: NTCClusterer("precomputed", min_samples=2).fit(X, sample_weight=np.ones(n)),
        lambda: fitted.predict(X),
        lambda: smoothed.predict(X, return_probabilities=True),
        lambda: NTCClusterer.paper().fit(X),
        lambda: NTCClusterer.paper().fit(good).predict(X),
        lambda: merge_tree(X),
        lambda: merge_tree(X, engine="ripser"),
        lambda: merge_tree(X, metric="lower-star", births=np.arange(n)),
        lambda: merge_tree(X, min_samples=2, births="core"),
        lambda: persistence_diagrams(X),
        lambda: GraphPersistence().fit_transform([X]),
        lambda: GraphPersistence(weight_map="inverse").fit_transform([X]),
    ]
    for reader in readers:
        with contextlib.suppress(ValueError):
            reader()


def main() -> None:
    """Read damaged matrices."""
    first, count = map(int, sys.argv[1:])
    warnings.simplefilter("ignore")
    for seed in range(first, first + count):
        sys.stdout.write(f"{seed}\n")  # the last line names a seed that kills the interpreter
        sys.stdout.flush()
        read(damaged(seed)[1])


if __name__ == "__main__":
    main()
