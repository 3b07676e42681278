"""Clustering of a table or a matrix of distances that the page holds as text."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotopo.app.cache import Cache, Tell, plain

if TYPE_CHECKING:
    from neurotopo.cluster.ntc import NTCClusterer
    from neurotopo.explore.files import Read

__all__ = ["MOST_CHARACTERS", "MOST_ROWS", "PARAMETERS", "cluster", "example", "listed"]

MOST_CHARACTERS = 5_000_000
MOST_ROWS = 20_000
PARAMETERS = (
    *("metric", "rule", "tau", "scale", "min_cluster_size", "min_samples"),
    *("n_clusters", "nested", "condense", "symmetrize"),
)
"""Parameters of NTCClusterer that the page sets; None stands for the default."""

_REFIT = ("metric", "min_samples", "symmetrize")
_CONTROLS = {
    "--names": "Column of names:",
    "--drop": "Columns to leave out:",
    "--columns": "Columns to use:",
    "--decimal": "Decimal sign:",
    "--separator": "Separator:",
    "--standardize": "Standardize",
}


@dataclass(frozen=True, eq=False)
class _Fitted:
    """A clusterer and the parameters that it was made with."""

    clusterer: NTCClusterer
    warnings: tuple[str, ...]


def cluster(
    cache: Cache,
    tell: Tell,
    *,
    text: str,
    name: str,
    reading: Mapping[str, Any],
    paper: bool,
    parameters: Mapping[str, Any],
) -> dict[str, Any]:
    """Cluster a table of the page."""
    from neurotopo.explore import explorer_data

    if unknown := sorted(set(parameters) - set(PARAMETERS)):
        raise ValueError(f"the page has no parameter {unknown[0]!r}.")
    given = {key: value for key, value in parameters.items() if value is not None}
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    source = (digest, name, tuple(sorted(reading.items())))
    tell("reading the table")
    read = cache.get("table", source, lambda: _read(text, name, reading))
    if reading.get("distances"):
        given["metric"] = "precomputed"
    fitted = _fitted(cache, tell, read, source, paper, given)
    clusterer = fitted.clusterer
    tell("drawing")
    data = explorer_data(
        clusterer,
        names=read.names,
        title=name,
        about={} if read.columns is None else {"columns": read.columns},
    )
    return {
        "graph": data,
        "read": read.summary,
        "warnings": list(fitted.warnings),
        "n_clusters": clusterer.n_clusters_,
        "labels": clusterer.labels_.tolist(),
        "probabilities": plain(clusterer.probabilities_),
        "names": read.names,
        "parameters": plain({key: getattr(clusterer, key) for key in PARAMETERS}),
    }


def example(cache: Cache, tell: Tell) -> dict[str, str]:
    """Return a table of points to try the page with: two moons and a blob."""
    import numpy as np
    from sklearn.datasets import make_moons

    moons, _ = make_moons(160, noise=0.06, random_state=0)
    blob = np.random.default_rng(0).normal((2.6, 1.2), 0.14, size=(60, 2))
    rows = [f"{x:.4f},{y:.4f}" for x, y in np.vstack([moons, blob]).tolist()]
    return {"name": "example.csv", "text": "\n".join(["x,y", *rows]) + "\n"}


def _fitted(
    cache: Cache, tell: Tell, read: Read, source: Any, paper: bool, given: dict[str, Any]
) -> _Fitted:
    """Return a fitted clusterer; with the same tree, only the clusters are chosen again."""
    from sklearn.base import clone

    from neurotopo.cluster.ntc import NTCClusterer

    make = NTCClusterer.paper if paper else NTCClusterer
    fresh = make(random_state=0, **given)
    # the smoothing of the tree depends on the rule where it is not given
    tree = (
        source,
        fresh.metric,
        fresh.symmetrize,
        fresh.min_samples,
        fresh._smoothing(len(read.samples)),
    )

    def fit() -> NTCClusterer:
        tell("building the tree of clusters")
        return clone(fresh).fit(read.samples)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        clusterer = cache.get("fitted", tree, fit)
        tell("choosing the clusters")
        wanted = {key: v for key, v in fresh.get_params().items() if key in PARAMETERS}
        clusterer.recut(**{key: v for key, v in wanted.items() if key not in _REFIT})
    texts = (" ".join(str(warning.message).split()) for warning in caught)
    return _Fitted(clusterer, tuple(dict.fromkeys(texts)))


def _read(text: str, name: str, reading: Mapping[str, Any]) -> Read:
    """Read the text as a file of the name is read; errors name it and the controls of the page."""
    from neurotopo.explore.columns import ColumnChoice
    from neurotopo.explore.files import read_samples, standardized

    if not text.strip():
        raise ValueError("the table is empty: paste one, choose a file, or take the example.")
    if len(text) > MOST_CHARACTERS:
        raise ValueError(
            f"the table has {len(text):,} characters, more than {MOST_CHARACTERS:,}: use "
            "neurotopo explore FILE for larger ones."
        )
    distances = bool(reading.get("distances"))
    choice = ColumnChoice(drop=listed(reading.get("drop")), names=reading.get("names") or None)
    with tempfile.TemporaryDirectory() as folder:
        suffix = ".tsv" if name.lower().endswith(".tsv") else ".csv"
        path = Path(folder) / f"table{suffix}"
        path.write_text(text, encoding="utf-8")
        try:
            read = read_samples(
                path,
                distances=distances,
                choice=choice,
                separator=reading.get("separator") or None,
                decimal=reading.get("decimal") or None,
            )
            if reading.get("standardize"):
                read = standardized(read, path)
        except ValueError as error:
            message = str(error).replace(str(path), name)
            for option, control in _CONTROLS.items():
                message = message.replace(option, control)
            raise ValueError(message) from None
    if len(read.samples) > MOST_ROWS:
        raise ValueError(
            f"{name} has {len(read.samples):,} rows, more than {MOST_ROWS:,}: use neurotopo "
            "explore FILE for larger tables."
        )
    return type(read)(**{**vars(read), "summary": read.summary.replace(str(path), name)})


def listed(text: Any) -> tuple[str, ...]:
    """Return the parts of a list with commas."""
    return tuple(part.strip() for part in str(text or "").split(",") if part.strip())
