"""``neurotopo explore``: cluster a file and write a page that shows how the clusters grow."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from neurotopo.commands.common import check_writable, examples, print_json
from neurotopo.commands.options import CommandOptions, argument, command, json_option, option

if TYPE_CHECKING:
    from neurotopo.cluster.ntc import NTCClusterer
    from neurotopo.explore.files import Read

__all__ = ["ExploreOptions", "Explored", "explore_file", "register"]

_EXPLORE = (
    "Cluster a file by persistence and write a page that shows how the clusters grow.\n\n"
    "FILE holds points (.csv or .tsv with or without headings and a first column of names, .npy "
    "or .npz), a graph written by scipy.sparse.save_npz, or, with --precomputed, a square matrix "
    "of distances, inf where there is no edge.\n\n"
    "COLUMN is a heading or a number from 1 on; --columns, --drop and --coordinates also take "
    "lists (x,y) and ranges (2-5), and may be repeated. Options of the clusterer that are not "
    "given keep the defaults of NTCClusterer.\n\n"
    "The page is one file and works offline."
) + examples(
    "neurotopo explore points.csv --labels labels.csv",
    "neurotopo explore plants.csv --names species --drop year --standardize",
    "neurotopo explore points.csv --metric cosine --rule relative --tau 0.3",
    "neurotopo explore graph.npz --scale log --out graph.html",
    "neurotopo explore distances.csv --precomputed --nested",
)
_CLUSTERER = (
    "tau",
    "rule",
    "scale",
    "nested",
    "condense",
    "min_cluster_size",
    "min_samples",
    "n_clusters",
    "max_cluster_size",
    "epsilon",
)
_table = partial(option, rich_help_panel="Table")
_clustering = partial(option, rich_help_panel="Clusterer")


@dataclass(frozen=True)
class ExploreOptions(CommandOptions):
    """Options of ``neurotopo explore``; None stands for the default of ``NTCClusterer``."""

    file: Path = argument("A .csv, .tsv, .npy or .npz file.")
    columns: tuple[str, ...] = _table((), "Columns to use. Default: all.", metavar="COLUMN")
    drop: tuple[str, ...] = _table((), "Columns to leave out.", metavar="COLUMN")
    names: str | None = _table(None, "Column of the names.", metavar="COLUMN")
    standardize: bool = _table(False, "Give all columns mean 0 and variance 1.")
    coordinates: tuple[str, ...] = _table(
        (), "Two columns of positions on the page, or a file of two columns.", metavar="COLUMN"
    )
    separator: Literal["auto", "comma", "semicolon", "tab", "bar", "space"] = _table(
        "auto", "comma, semicolon, tab, bar or space.", metavar="WORD"
    )
    decimal: Literal["auto", "point", "comma"] = _table(
        "auto", "Decimal sign: point or comma.", metavar="WORD"
    )
    metric: str = _clustering("euclidean", "Distance between points.")
    precomputed: bool = _clustering(False, "The file is a matrix of distances.")
    paper: bool = _clustering(False, "Use the defaults of NTCClusterer.paper().")
    tau: str | None = _clustering(None, "Parameter of the rule.", metavar="X|auto")
    rule: str | None = _clustering(None, "Rule of NTCClusterer. An unknown one lists all.")
    scale: str | None = _clustering(None, "Persistence as a difference, or log of a ratio.")
    min_cluster_size: str | None = _clustering(None, "Fewest samples.", metavar="N|auto")
    min_samples: str | None = _clustering(None, "Smooth lengths; 1: do not.", metavar="N|auto")
    n_clusters: int | None = _clustering(None, "Number of clusters.", min=1)
    max_cluster_size: int | None = _clustering(None, "Most samples.", min=1)
    epsilon: float | None = _clustering(None, "Smallest distance of clusters.", min=0)
    nested: bool = _clustering(False, "Also keep clusters inside others.")
    condense: bool | None = _clustering(
        None, "Clusters survive merges with too small ones.", "--condense/--no-condense"
    )
    seed: int = _clustering(0, "Seed of what is random.", min=0)
    title: str | None = option(None, "Title of the page. Default: the name of FILE.")
    out: Path | None = option(None, "The page. Default: FILE.explore.html.")
    labels: Path | None = option(None, "A .csv file for the cluster of each sample.")
    as_json: bool = json_option()


@dataclass(frozen=True)
class Explored:
    """What was done with a file.

    Attributes
    ----------
    read : str
        What was read.
    warnings : list of str
        Warnings of the clusterer.
    summary : str
        Numbers of clusters and samples.
    files : list of Path
        The page, and the file of labels.
    clusterer : NTCClusterer
        The fitted clusterer.
    """

    read: str
    warnings: list[str]
    summary: str
    files: list[Path]
    clusterer: NTCClusterer

    def to_dict(self) -> dict[str, Any]:
        """Return what is printed as JSON; the clusters are in the order of their labels."""
        names = ("birth", "death", "persistence")
        lives = zip(*(getattr(self.clusterer, f"{name}_") for name in names), strict=True)
        sizes = self.clusterer.clusters_.sizes
        return {
            "read": self.read,
            "warnings": self.warnings,
            "clusters": [
                {"size": size, **dict(zip(names, life, strict=True))}
                for size, life in zip(sizes, lives, strict=True)
            ],
            "labels": self.clusterer.labels_,
            "probabilities": self.clusterer.probabilities_,
            "files": [str(file) for file in self.files],
        }


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app, ExploreOptions, _EXPLORE, "explore")(_explore)


def explore_file(options: ExploreOptions) -> Explored:
    r"""Cluster a file, and write the page and the labels.

    ValueError and OSError have a message for the user.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.commands.explore import ExploreOptions, explore_file
    >>> file = Path(tempfile.mkdtemp()) / "points.csv"
    >>> _ = file.write_text("x,y\n0,0\n0,1\n9,9\n9,8\n5,0\n")
    >>> done = explore_file(ExploreOptions(file, paper=True))
    >>> done.summary, done.files[0].name
    ('2 clusters of 5 samples; 1 in none', 'points.explore.html')
    """
    from neurotopo.explore import explore

    out = options.out or options.file.with_suffix(".explore.html")
    _check_outputs(options, out)
    clusterer, read = _clusterer(options), _read(options)
    if read.graph:
        clusterer.set_params(metric="precomputed")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            clusterer.fit(read.samples)
        except ValueError as error:
            raise ValueError(f"{options.file}: {error}") from error
    told = [" ".join(str(warning.message).split()) for warning in caught]
    if not (options.precomputed or read.graph) and _may_be_distances(read.samples):
        told.append(
            f"{options.file} is symmetric with zeros on the diagonal, and its rows were taken as "
            "points: if it holds distances, add --precomputed"
        )
    about = {"columns": read.columns, "drawn by": read.drawn_by}
    page = explore(
        clusterer,
        out,
        names=read.names,
        positions=read.coordinates,
        title=options.file.name if options.title is None else options.title,
        about={name: text for name, text in about.items() if text is not None},
    )
    files = [page]
    if options.labels is not None:
        files.append(_write_labels(options.labels, clusterer, read.names))
    n_clusters, n = clusterer.n_clusters_, len(clusterer.labels_)
    none = int((clusterer.labels_ < 0).sum())
    kind = "cluster" if n_clusters == 1 else "clusters"
    return Explored(
        read.summary,
        list(dict.fromkeys(told)),
        f"{n_clusters:,} {kind} of {n:,} samples; {none:,} in none",
        files,
        clusterer,
    )


def _may_be_distances(samples: Any) -> bool:
    """Tell whether points look like a matrix of distances."""
    if samples.ndim != 2 or samples.shape[0] != samples.shape[1] or len(samples) < 3:
        return False
    return bool((samples == samples.T).all() and not samples.diagonal().any() and samples.any())


def _check_outputs(options: ExploreOptions, out: Path) -> None:
    """Raise ValueError if a file to write is one to read, or is written twice."""
    taken = {options.file.absolute(): "the file to be read"}
    for name, path in (("--out", out), ("--labels", options.labels)):
        if path is None:
            continue
        if path.is_dir():
            raise ValueError(f"{name} {path} is a folder: give the name of a file.")
        if not path.parent.is_dir():
            raise ValueError(f"{name} {path}: folder {path.parent} does not exist.")
        if path.absolute() in taken:
            raise ValueError(f"{name} {path} is {taken[path.absolute()]}.")
        taken[path.absolute()] = "the page"
        check_writable(path.parent)


def _clusterer(options: ExploreOptions) -> NTCClusterer:
    """Return a clusterer with the options that are given, and its own defaults for the others."""
    from neurotopo.cluster.ntc import NTCClusterer

    given: dict[str, Any] = {
        name: value for name, value in options.pick(*_CLUSTERER).items() if value is not None
    }
    for name, kind in (("tau", float), ("min_cluster_size", int), ("min_samples", int)):
        if name in given and given[name] != "auto":
            given[name] = _number(name, given[name], kind)
    metric = "precomputed" if options.precomputed else options.metric
    make = NTCClusterer.paper if options.paper else NTCClusterer
    return make(metric=metric, random_state=options.seed, **given)


def _number(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError:
        what = "a whole number" if kind is int else "a number"
        option = f"--{name.replace('_', '-')}"
        raise ValueError(f'{option} must be {what} or "auto", got {text!r}.') from None


def _read(options: ExploreOptions) -> Read:
    """Read the samples, their names and their positions on the page."""
    from neurotopo.explore.columns import ColumnChoice
    from neurotopo.explore.files import read_samples, standardized, with_coordinates

    at = options.coordinates
    file = Path(at[0]) if len(at) == 1 and Path(at[0]).is_file() else None
    choice = ColumnChoice(options.columns, options.drop, options.names, () if file else at)
    read = read_samples(
        options.file,
        distances=options.precomputed or options.metric == "precomputed",
        choice=choice,
        separator=None if options.separator == "auto" else options.separator,
        decimal=None if options.decimal == "auto" else options.decimal,
    )
    if file is not None:
        read = with_coordinates(read, file)
    return standardized(read, options.file) if options.standardize else read


def _write_labels(path: Path, clusterer: NTCClusterer, names: list[str] | None) -> Path:
    """Write the cluster of each sample, in the order of the file that was read."""
    import pandas as pd

    from neurotopo._files import atomic_write, os_errors

    table = pd.DataFrame({"label": clusterer.labels_, "probability": clusterer.probabilities_})
    if names is not None:
        table.insert(0, "name", names)
    with os_errors("write to", path), atomic_write(path) as file:
        file.write(
            table.to_csv(index_label="index", float_format="%.6g", lineterminator="\n").encode()
        )
    return path


def _explore(context: typer.Context, options: ExploreOptions) -> None:
    """Write the page of a file."""
    done = explore_file(options)
    if options.as_json:
        print_json(done.to_dict())
        return
    typer.echo(done.read)
    for warning in done.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(done.summary)
    for file in done.files:
        typer.echo(f"wrote {file}")
