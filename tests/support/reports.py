"""Summaries that the tests of reports share, and one to look at.

``write_report(example_summary(), folder, about=ABOUT, failures=FAILURES)`` makes its page.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from neurotopo.plots._palette import OKABE_ITO
from neurotopo.report.summary import Claim, Picture, Summary, Table
from neurotopo.studies.acquisition.explorer import explorer_of
from neurotopo.studies.rows import Row

# Would run, break out of an attribute, a cell, a comment or a macro where it is not escaped.
HOSTILE = (
    "</td></title></style></script><script>alert('x')</script>\"' onload=\"x\" --><!-- "
    "| a | \n# b\r\n\\input{x} $x_1^2$ 5 % & ~ {{ 7 * 7 }} {% x %} `c` *d* [e](http://f.test) \x00"
)

ABOUT = {
    "kind": "neurotopo.run",
    "version": 1,
    "study": "degeneracy",
    "study_version": 2,
    "model": {
        "architecture": "GPT2LMHeadModel",
        "n_parameters": 124439808,
        "dtype": "float32",
        "weights": "9f2c4d1b7e0a55c3d8e6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6",
        "tokenizer": None,
    },
    "options": {
        "tau": 0.5,
        "filter": {"tau2": 0.3, "rule": "relative"},
        "methods": ["ntc", "kmeans"],
    },
    "settings": {"batch_size": 32},
    "seeds": {"groups": 0, "random": 7},
    "n_facts": 420,
    "started": "2025-03-01T09:00:00+00:00",
    "run": "c0ffee5e1ec7ab1e",
    "n_there": 100,
    "n_done": 352,
    "n_failed": 60,
    "status": "interrupted",
    "written": "2025-03-01T10:42:31+00:00",
    "versions": {"neurotopo": "0.1.0", "python": "3.11.9", "torch": "2.6.0"},
    "command": ["neurotopo", "study", "gpt2", "--facts", "facts of today.jsonl", "--out", "run"],
}

FAILURES = {
    f"P{36 + i}-relation of a fact with a rather long key/{i}": (
        "ValueError: the answer 'Ouagadougou' has no token that the prompt leaves room for."
    )
    for i in range(60)
}


def bars() -> Figure:
    """Means of four methods with intervals."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    means, errors = [0.71, 0.55, 0.48, 0.12], [0.03, 0.04, 0.05, 0.02]
    axes.bar(["NTC", "k-means", "Louvain", "random"], means, yerr=errors, color=OKABE_ITO[:4])
    axes.set(ylabel="share of degenerate facts", ylim=(0, 1))
    return figure


def curves() -> Figure:
    """Two curves, marks of them cut by the axes, and a heat map of pixels."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    x = np.linspace(0, 4, 30)
    left.plot(x, np.exp(-x), "o-", color=OKABE_ITO[0], label="suppressed")
    left.plot(x, np.exp(-2 * x), "s--", color=OKABE_ITO[1], label="random")
    left.set(xlabel="neurons taken out, $n$", ylabel="$p$ of the answer", xlim=(0.5, 3.5))
    left.legend()
    image = right.imshow(np.outer(np.sin(x), np.cos(x)), cmap="cividis")
    right.set(xlabel="layer", ylabel="fact")
    figure.colorbar(image, ax=right)
    return figure


def example_summary() -> Summary:
    """Two tables and two pictures."""
    methods = pd.DataFrame(
        {
            "method": ["NTC", "k-means", "Louvain", "random"],
            "facts": [352, 352, 351, 12345],
            "groups": [1204.0, 988.0, np.nan, 3.0],
            "mean GCR": [3.14159265, 1.0 / 3.0, np.inf, -0.02],
            "p": [0.0, 3.2e-5, 0.0412, None],
            "beats random": [True, True, False, None],
        }
    )
    relations = pd.DataFrame(
        {
            "relation": [f"P{36 + i} \N{EN DASH} столица, 首都, capital" for i in range(8)],
            **{f"share in layer {i}": np.linspace(0.01, 0.9, 8) * i for i in range(1, 13)},
        }
    )
    rows = pd.DataFrame({"fact": ["P36-1", "P36-2"], "gcr": [1 / 3, np.nan], "n": [3, 5]})
    return Summary(
        "Do several groups of neurons carry the same fact?",
        (
            "71 % of the facts have two or more groups each of which suffices (NTC, 352 facts).",
            "NTC finds more of them than k-means (difference 0.16, 95 % interval 0.11 to 0.21).",
            "No difference between Louvain and random groups was found (p = 0.41).",
        ),
        {
            "methods": Table(
                methods,
                "Methods of grouping",
                "mean GCR: mean of gcr over the facts of a method. p: signed-rank test against "
                "random groups, two-sided, Holm-corrected. A dash: no value.",
                {"p": "p"},
            ),
            "relations": Table(relations, "Relations and layers", "Shares of gcr by layer."),
        },
        {
            "bars": Picture(
                bars(), "Share of degenerate facts", "Bars: NTC is highest with 0.71, random 0.12."
            ),
            "curves": Picture(
                curves(), "Suppression", "Two falling curves, and a heat map of layers and facts."
            ),
        },
        rows,
        ("Random groups have the sizes of those of NTC; seed 7.", "60 facts failed, see below."),
    )


def hostile_summary() -> Summary:
    """Text that must stay text, in every place that has text."""
    frame = pd.DataFrame({HOSTILE: [HOSTILE, "b"], "n": [1.5, None]})
    return Summary(
        HOSTILE,
        (HOSTILE,),
        {"t": Table(frame, HOSTILE, HOSTILE)},
        {"p": Picture(titled(_drawable()), HOSTILE, HOSTILE)},
        frame,
        (HOSTILE,),
    )


def _drawable() -> str:
    """What is hostile to SVG; dollars are mathematics to matplotlib, and signs need a glyph."""
    return " ".join(HOSTILE.replace("$", "").replace("\x00", "").split())


def titled(title: str) -> Figure:
    """A small figure with a title."""
    figure = Figure(figsize=(3, 2))
    axes = figure.add_subplot()
    axes.plot([1, 2, 4], "o-", gid=title)
    axes.set_title(title, fontsize=4)
    return figure


def fact_row(i: int, n_components: int = 2, content: dict | None = None) -> Row:
    """A fact of the acquisition study as it is stored: two groups of four neurons in three layers.

    The lengths differ from fact to fact.
    """
    neurons = [[layer, index] for layer in range(3) for index in (3 * i, 3 * i + 1, 3 * i + 2)]
    ends = np.array([(0, 3), (3, 6), (1, 4), (4, 7), (2, 5), (5, 7), (0, 4), (6, 8)])
    length = np.array([1.0, 2.0, 1.5, 2.5, 5.0, 9.0, 12.0, 3.0]) * (1 + i / 10)
    graph = {
        "source": ends[:, 0],
        "target": ends[:, 1],
        "length": length,
        "n_edges": 11,
        "tau": 0.5,
        "min_cluster_size": 2,
    }
    passed = [True] * n_components + [False] * (2 - n_components)
    judged = {
        "sizes": [4, 3],
        "passed": passed,
        "curve": [0.1, 0.9][:n_components],
        "gcr": 0.8,
        "jump": 0.8 if n_components > 1 else np.nan,
        "potential_jump": 0.7,
        "necessity": 0.3,
        "rho": 0.25,
        "reason": None,
    }
    random = {**judged, "curve": [0.4, 0.5], "passed": [True, True], "potential_jump": 0.2}
    stages = {
        "fact": {
            "known": i % 3 > 0,
            "probability": 0.8,
            "neurons": neurons,
            "gap": 0.0,
            "shape": [3, 999],
        },
        "graph": graph,
        "methods": {"ntc": judged, "random:ntc": random, "kmeans": judged},
        "sweep": {},
    }
    fact = {"prompt": f"The capital of land {i} is _X_", "answers": [f"Town{i}"]}
    return Row(f"en:capital:{i:03}", fact | (content or {}), stages, None, 0.1)


def fact_rows(n: int = 12) -> list[Row]:
    """Facts, every fourth of which has one component only, and the last of which is hostile."""
    rows = [fact_row(i, 1 if i % 4 == 0 else 2) for i in range(n - 1)]
    hostile = {"prompt": f"{HOSTILE} _X_", "answers": [HOSTILE]}
    return [*rows, fact_row(n - 1, 2, hostile)]


def explored_summary(rows: list[Row]) -> Summary:
    """The example with facts to look at, and a claim."""
    example = example_summary()
    findings = (*example.findings, Claim("NTC exceeds its random groups."))
    lands = pd.DataFrame({"land": [f"Land {i}" for i in range(14)], "n": range(14)})
    tables = {**example.tables, "lands": Table(lands, "Lands")}
    return Summary(
        example.title, findings, tables, {}, example.rows, example.notes, explorer_of(rows)
    )
