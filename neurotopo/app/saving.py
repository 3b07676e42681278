"""Files of what a tab shows: JSON, an offline page, and Python code that computes it again."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neurotopo._version import __version__
from neurotopo.app.finding import SELECTIONS

if TYPE_CHECKING:
    from neurotopo.app.sessions import Session

__all__ = ["KINDS", "saved"]

KINDS = ("fact.json", "fact.html", "fact.py", "table.json", "table.html", "table.py", "table.csv")
_MEDIA = {"json": "application/json", "html": "text/html", "py": "text/x-python", "csv": "text/csv"}


def saved(session: Session, kind: str) -> tuple[str, str, str]:
    """Return the name, the media type and the content of a file.

    Parameters
    ----------
    session : Session
    kind : str
        One of :data:`KINDS`.
    """
    what, _, form = kind.partition(".")
    if what == "fact" and not session.found:
        raise ValueError("there is nothing to save: find the neurons of a fact first.")
    if what == "table" and "cluster" not in session.results:
        raise ValueError("there is nothing to save: cluster a table first.")
    make = {
        "fact.json": _fact_json,
        "fact.html": _fact_page,
        "fact.py": _fact_code,
        "table.json": _table_json,
        "table.html": _table_page,
        "table.py": _table_code,
        "table.csv": _table_labels,
    }
    return f"neurotopo_{kind}", _MEDIA[form], make[kind](session)


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=True) + "\n"


def _fact_json(session: Session) -> str:
    found = {key: value for key, value in session.found.items() if key != "graph"}
    kept: dict[str, Any] = {"kind": "neurotopo.app.fact", "neurotopo": __version__, **found}
    for name in ("edit", "lattice", "reword"):
        if name in session.results:
            own = {k: v for k, v in session.asked[name].items() if k not in found}
            kept[name] = {"asked": own, "result": session.results[name]}
    return _json(kept)


def _fact_page(session: Session) -> str:
    from neurotopo.explore.page import make_page

    found = session.found
    fact, base = found["fact"], found["base"]
    about = [
        ["model", found["model"]],
        ["answer", f"{base['answer']} ({100 * base['probability']:.3g} %)"],
    ]
    edited = session.results.get("edit")
    if edited is not None and edited["edited"] is not None:
        groups = session.asked["edit"]["groups"]
        changes = "; ".join(f"{group['name']} times {group['scale']:g}" for group in groups)
        after = 100 * edited["edited"]["probability"]
        about.append(["answer with edits", f"{after:.3g} % ({changes})"])
    graph = found["graph"]
    return make_page({**graph, "about": [*graph["about"], *about]}, title=fact["prompt"])


def _fact_code(session: Session) -> str:
    found = session.found
    fact = ", ".join(f"{name}={value!r}" for name, value in found["fact"].items())
    selection = SELECTIONS[found["select"]]
    clusters = "".join(f", {name}={value!r}" for name, value in found["clusters"].items())
    positions = found["positions"]
    lines = [
        f"# What neurotopo app {__version__} showed, computed again.",
        "import numpy as np",
        "",
        "import neurotopo as nt",
        "from neurotopo.redundancy import fact_scores",
        "",
        f"model = nt.load_model({found['model']!r}, dtype={found['dtype']!r})",
        f"fact = nt.Fact({fact})",
        f"foils = {found['foils']!r}",
        f"amig = nt.AMIG.fast(threshold={found['threshold']!r}, rule={selection['rule']!r}, "
        f"scope={selection['scope']!r})",
        "neurons = amig.locate(model, fact)",
        "graph = nt.NeuronGraph.from_model(model, neurons)",
        f'ntc = nt.NTCClusterer.paper(metric="precomputed"{clusters})',
        "ntc.fit(graph.clustering_input(), strata=graph.layers)",
        "components = [neurons[members] for members in ntc.clusters_]",
        'print(f"{len(neurons)} neurons, {len(components)} components")',
        "",
    ]
    groups = session.asked.get("edit", {}).get("groups", [])
    edits = [
        f"    nt.Edit({_group(found, group['members'])}, scale={float(group['scale'])!r}, "
        f"positions={positions!r}),"
        for group in groups
    ]
    lines += [
        "edits = [",
        *edits,
        "]",
        "scores = fact_scores(model, fact, foils, [None, edits])",
        'before, after = scores.of("probability")',
        'print(f"probability of the answer: {before:.6g} -> {after:.6g}")',
    ]
    if "lattice" in session.results:
        asked = session.asked["lattice"]
        chosen = ", ".join(_group(found, members) for members in asked["groups"])
        lines += [
            "",
            "from neurotopo.knowledge.suppression import subsets",
            "from neurotopo.redundancy import Lattice",
            "",
            f"groups = [{chosen}]",
            "members = subsets(len(groups))",
            "unions = [",
            "    nt.NeuronSet(pair for k in np.flatnonzero(row) for pair in groups[k])",
            "    for row in members",
            "]",
            f"rows = [None, *(nt.Edit(union, positions={positions!r}) for union in unions)]",
            f"values = fact_scores(model, fact, foils, rows).of({asked['score']!r})",
            "lattice = Lattice(members, values[1:], values[0])",
            'print(f"rho: {lattice.rho:.6g}")',
        ]
    if "reword" in session.results:
        lines += [
            "",
            "from dataclasses import replace",
            "",
            f"for prompt in {list(session.asked['reword']['prompts'])!r}:",
            "    other = replace(fact, prompt=prompt)",
            "    before, after = model.answer_probability(other, edits=[None, edits])",
            '    print(f"{prompt}: {before:.6g} -> {after:.6g}")',
        ]
    return "\n".join(lines) + "\n"


def _group(found: Mapping[str, Any], members: Sequence[int]) -> str:
    """Return the expression for a group of neurons."""
    for number, component in enumerate(found["components"]):
        if sorted(component["members"]) == sorted(members):
            return f"components[{number}]"
    return f"neurons[np.array({sorted(members)!r})]"


def _table_json(session: Session) -> str:
    result = {key: value for key, value in session.results["cluster"].items() if key != "graph"}
    asked = session.asked["cluster"]
    return _json(
        {"kind": "neurotopo.app.table", "neurotopo": __version__, "asked": asked, **result}
    )


def _table_page(session: Session) -> str:
    from neurotopo.explore.page import make_page

    return make_page(session.results["cluster"]["graph"])


def _table_labels(session: Session) -> str:
    result = session.results["cluster"]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    names = result["names"]
    table.writerow(["index", *([] if names is None else ["name"]), "label", "probability"])
    rows = zip(result["labels"], result["probabilities"], strict=True)
    for i, (label, probability) in enumerate(rows):
        table.writerow([i, *([] if names is None else [names[i]]), label, f"{probability:.6g}"])
    return out.getvalue()


def _table_code(session: Session) -> str:
    asked, result = session.asked["cluster"], session.results["cluster"]
    reading = asked["reading"]
    from neurotopo.app.tables import listed

    parameters = {key: v for key, v in asked["parameters"].items() if v is not None}
    if reading.get("distances"):
        parameters["metric"] = "precomputed"
    make = "nt.NTCClusterer.paper" if asked["paper"] else "nt.NTCClusterer"
    given = ", ".join(f"{k}={v!r}" for k, v in {**parameters, "random_state": 0}.items())
    choice = f"drop={listed(reading.get('drop'))!r}, names={reading.get('names') or None!r}"
    lines = [
        f"# What neurotopo app {__version__} showed, computed again from the file of the table.",
        "from pathlib import Path",
        "",
        "import neurotopo as nt",
        "from neurotopo.explore.columns import ColumnChoice",
        "from neurotopo.explore.files import read_samples, standardized",
        "",
        f"path = Path({asked['name']!r})",
        "read = read_samples(",
        "    path,",
        f"    distances={bool(reading.get('distances'))!r},",
        f"    choice=ColumnChoice({choice}),",
        f"    separator={reading.get('separator') or None!r},",
        f"    decimal={reading.get('decimal') or None!r},",
        ")",
        *(["read = standardized(read, path)"] if reading.get("standardize") else []),
        f"ntc = {make}({given}).fit(read.samples)",
        f"print(ntc.n_clusters_)  # {result['n_clusters']}",
        "print(ntc.labels_.tolist())",
    ]
    return "\n".join(lines) + "\n"
