"""``neurotopo explore``: cluster a file and write a page that shows how the clusters grow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import typer

from neurotopo.commands.common import examples
from neurotopo.commands.options import (
    CommandOptions,
    argument,
    command,
    condense_option,
    option,
    seed_option,
)

__all__ = ["ExploreOptions", "explore_file", "register"]

_EXPLORE = (
    "Cluster a file by persistence and write a page that shows how the clusters grow.\n\n"
    "FILE holds points (.csv or .tsv with or without headings and a first column of names, .npy "
    "or .npz), a graph written by scipy.sparse.save_npz, or, with --precomputed, a square matrix "
    "of distances, inf where there is no edge.\n\n"
    "The page is one file and works offline."
) + examples(
    "neurotopo explore points.csv",
    "neurotopo explore points.csv --metric cosine --tau 0.3",
    "neurotopo explore graph.npz --scale log --out graph.html",
    "neurotopo explore distances.csv --precomputed --nested",
)


@dataclass(frozen=True)
class ExploreOptions(CommandOptions):
    """Options of ``neurotopo explore``."""

    file: Path = argument("A .csv, .tsv, .npy or .npz file.")
    metric: str = option("euclidean", "Distance between points.")
    precomputed: bool = option(False, "The file is a matrix of distances.")
    tau: float = option(0.5, "Parameter of the rule.")
    rule: str = option("relative", "Rule of NTCClusterer. An unknown one lists all.")
    scale: str = option("difference", "Persistence as a difference, or log of a ratio.")
    min_cluster_size: int = option(2, "Fewest samples.", min=1)
    nested: bool = option(False, "Also keep clusters inside others.")
    condense: bool = condense_option()
    min_samples: int = option(1, "Smooth lengths; 1: do not.", min=1)
    seed: int = seed_option("Seed of --rule significance.")
    title: str | None = option(None, "Title of the page. [name of FILE]")
    out: Path | None = option(None, "The page. [FILE.explore.html]")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app, ExploreOptions, _EXPLORE, "explore")(_explore)


def explore_file(options: ExploreOptions) -> tuple[str, Path]:
    r"""Cluster a file, write the page, and return a sentence and the path of the page.

    ValueError and OSError have a message for the user.

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
    clusterer = NTCClusterer.paper(
        metric="precomputed" if precomputed or read.graph else options.metric,
        random_state=options.seed,
        **options.pick(
            "tau", "rule", "scale", "nested", "condense", "min_cluster_size", "min_samples"
        ),
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
