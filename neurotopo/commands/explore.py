"""``neurotopo explore``: cluster a file and write the page that shows the clusters grow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from neurotopo.commands.common import examples
from neurotopo.commands.options import CommandOptions, Condense, command

__all__ = ["ExploreOptions", "explore_file", "register"]

_EXPLORE = (
    "Cluster a file by persistence and write a page in which the clusters grow.\n\n"
    "FILE holds points: .csv or .tsv (numbers, with or without headings and a first column of "
    "names), .npy or .npz; or a graph, written by scipy.sparse.save_npz; or, with --precomputed, a "
    "square matrix of distances, inf where there is no edge.\n\n"
    "The page is one file that needs no network."
) + examples(
    "neurotopo explore points.csv",
    "neurotopo explore points.csv --metric cosine --tau 0.3",
    "neurotopo explore graph.npz --scale log --out graph.html",
    "neurotopo explore distances.csv --precomputed --nested",
)


@dataclass(frozen=True)
class ExploreOptions(CommandOptions):
    """Options of ``neurotopo explore``."""

    file: Annotated[Path, typer.Argument(help="A .csv, .tsv, .npy or .npz file.")]
    metric: Annotated[str, typer.Option(help="Distance between points.")] = "euclidean"
    precomputed: Annotated[
        bool, typer.Option("--precomputed", help="The file is a matrix of distances.")
    ] = False
    tau: Annotated[float, typer.Option(help="Parameter of the rule.")] = 0.5
    rule: Annotated[str, typer.Option(help="Rule of NTCClusterer. An unknown one lists all.")] = (
        "relative"
    )
    scale: Annotated[str, typer.Option(help="Persistence as a difference, or log of a ratio.")] = (
        "difference"
    )
    min_cluster_size: Annotated[int, typer.Option(min=1, help="Fewest samples.")] = 2
    nested: Annotated[bool, typer.Option("--nested", help="Keep clusters inside others, too.")] = (
        False
    )
    condense: Condense = False
    min_samples: Annotated[int, typer.Option(min=1, help="Smooth lengths; 1: do not.")] = 1
    seed: Annotated[int, typer.Option(min=0, help="Seed of --rule significance.")] = 0
    title: Annotated[str | None, typer.Option(help="Title of the page. [name of FILE]")] = None
    out: Annotated[Path | None, typer.Option(help="The page. [FILE.explore.html]")] = None


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app, ExploreOptions, _EXPLORE, "explore")(_explore)


def explore_file(options: ExploreOptions) -> tuple[str, Path]:
    r"""Cluster a file, write the page, and return a sentence and where the page is.

    Parameters
    ----------
    options : ExploreOptions
        What was asked for.

    Raises
    ------
    ValueError
        When the file or an option is wrong.
    OSError
        When a file cannot be read or written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.commands.explore import ExploreOptions, explore_file
    >>> file = Path(tempfile.mkdtemp()) / "points.csv"
    >>> _ = file.write_text("x,y\n0,0\n0,1\n9,9\n9,8\n5,0\n")
    >>> sentence, page = explore_file(ExploreOptions(file))
    >>> sentence, page.name
    ('2 clusters of 5 samples; 1 in none', 'points.explore.html')
    """
    from neurotopo.cluster.ntc import NTCClusterer
    from neurotopo.commands.common import check_writable
    from neurotopo.explore.files import read_samples

    out = options.out or options.file.with_suffix(".explore.html")
    if out.absolute() == options.file.absolute():
        raise ValueError(f"--out {out} is the file to be read.")
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder: give the name of a file.")
    precomputed = options.precomputed or options.metric == "precomputed"
    read = read_samples(options.file, distances=precomputed)
    check_writable(out.parent)
    clusterer = NTCClusterer(
        metric="precomputed" if precomputed or read.graph else options.metric,
        tau=options.tau,
        rule=options.rule,
        scale=options.scale,
        nested=options.nested,
        condense=options.condense,
        min_cluster_size=options.min_cluster_size,
        min_samples=options.min_samples,
        random_state=options.seed,
    )
    try:
        clusterer.fit(read.samples)
    except ValueError as error:
        raise ValueError(f"{options.file}: {error}") from error
    title = options.file.name if options.title is None else options.title
    page = clusterer.explore(out, names=read.names, title=title)
    n_clusters, n = clusterer.n_clusters_, len(clusterer.labels_)
    none = int((clusterer.labels_ < 0).sum())
    kind = "cluster" if n_clusters == 1 else "clusters"
    return f"{n_clusters:,} {kind} of {n:,} samples; {none:,} in none", page


def _explore(context: typer.Context, options: ExploreOptions) -> None:
    """Write the page of a file."""
    sentence, page = explore_file(options)
    typer.echo(sentence)
    typer.echo(f"wrote {page}")
