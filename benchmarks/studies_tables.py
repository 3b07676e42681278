"""The record of ``studies.py`` as tables, by study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from grids import grid
from grids import number as _n
from grids import p_value as _p
from grids import percent as _percent

Row = dict[str, Any]
Run = dict[str, Any]

_ARMS = ("none", "dkn", "kn", "kn_random", "random")
_N_ENDS = 4


def _robustness(runs: Sequence[Run]) -> list[str]:
    falls = []
    differences = []
    subsets = []
    for run in runs:
        tables = run["tables"]
        facts = {row["what"]: row["value"] for row in tables["facts"]}
        arms = {row["arm"]: row for row in tables["figure6a"]}
        falls.append(
            [
                run["model"],
                _n(facts["facts answered correctly by the model"], 0),
                _n(facts["facts with degenerate knowledge neurons D"], 0),
                *(_interval(arms.get(arm), "Avg.") for arm in _ARMS),
            ]
        )
        for row in tables["table9_paired"]:
            if row["key"] in ("dprob", "log_odds") and row["D against"] in ("kn", "random"):
                digits = 1 if row["key"] == "dprob" else 2
                cells = _tested(row, digits)
                differences.append([run["model"], row["measure"], row["D against"], *cells])
        subsets += [
            [
                run["model"],
                row["grouping"],
                row["prompt"],
                row["n"],
                _n(row["all"]),
                _n(row["largest proper"]),
                _n(row["all, random"]),
                _n(row["largest proper, random"]),
                _p(row["p"]),
            ]
            for row in tables.get("subset_tests", [])
        ]
    return [
        "Decrease of the answer's probability under faulty prompts (dProb, points) without "
        "suppression, and with suppression of D, as many other knowledge neurons N, as many of "
        "both, or random neurons.",
        grid("model | known | with D | no edit | D | N | D or N | random", falls, 1),
        "D minus N and D minus random neurons, paired by fact: dProb, and the decrease of the "
        "log-odds of the faulty prompts.",
        grid(["model", "measure", "D against", *_TESTED], differences, 3),
        "Suppression of all components and of the worst proper subset (decrease, points), for "
        "NTC's groups (`ntc`), the planted ones (`oracle`) and random groups of the same sizes.",
        grid(
            "model | grouping | prompt | facts | all | worst proper | random: all | "
            "random: worst proper | p",
            subsets,
            3,
        ),
    ]


def _detection(runs: Sequence[Run]) -> list[str]:
    shown = ("dkn", "random", "kn", "random_kn", "probability", "answer", "verdict", "always")
    scores = []
    differences = []
    for run in runs:
        tables = run["tables"]
        methods = {row["method"]: row for row in tables["detection"]}
        test = sum(row["test"] for row in tables["relations"])
        known = sum(row["answered"] for row in tables["relations"])
        for name in shown:
            if name in methods:
                row = methods[name]
                scores.append(
                    [
                        run["model"],
                        f"{test:,} ({known:,})",
                        name,
                        _interval(row, "AUC", digits=3),
                        _interval(row, "macro F1", "F1 low", "F1 high", digits=3),
                        f"{row['undecided']:.0%}",
                    ]
                )
        differences += [
            [run["model"], f"{row['method']} - {row['against']}", *_tested(row, 3)]
            for row in tables["comparisons"]
            if row["difference"] is not None
        ]
    return [
        "Detection of false labels on test facts (in brackets: those the model answers).",
        grid("model | test facts | method | AUC | macro F1 | undecided", scores, 3),
        "Differences of the AUC, paired by fact, p of a bootstrap over subjects.",
        grid(["model", "difference of", *_TESTED], differences, 2),
    ]


def _complexity(runs: Sequence[Run]) -> list[str]:
    sizes = []
    trends = []
    for run in runs:
        sizes += [
            [
                row["model"],
                f"{row['parameters']:,}",
                row["known"],
                row["facts"],
                _n(row["components"], 2),
                _n(row["components_shuffled"], 2),
                _n(row["jump"]),
                _n(row["jump_shuffled"]),
                _n(row["fall"]),
                _n(row["right"]),
            ]
            for row in run["tables"]["sizes"]
        ]
        trends += [
            [
                row["what"],
                row["n"],
                _interval(row, "slope", digits=2),
                _p(row["p"]),
                _p(row["p_page"]),
            ]
            for row in run["tables"]["trend"]
        ]
    return [
        "Means over the facts that all models know.",
        grid(
            "model | weights | known | facts | components | shuffled | jump | "
            "jump, shuffled | fall under faulty prompts | answered right (%)",
            sizes,
            1,
        ),
        "Change for ten times the weights. Only the differences from shuffled groups or from as "
        "many neurons are about degeneracy.",
        grid("measure | facts | slope | p | p, Page", trends, 1),
    ]


def _development(runs: Sequence[Run]) -> list[str]:
    rows = []
    for run in runs:
        before = {row["to step"]: row for row in run["tables"]["matching"]}
        for row in run["tables"]["development"]:
            match = before.get(row["step"], {})
            rows.append(
                [
                    f"{row['step']:,}",
                    f"{row['known']:.0%}",
                    _n(row["components"], 2),
                    _n(row["shuffled components"], 2),
                    _interval(row, "difference"),
                    _p(row["p"]),
                    _n(match.get("n"), 0),
                    _n(match.get("matched"), 2),
                    f"{_n(match.get('shuffled'), 2)} ({_p(match.get('p shuffled'))})",
                    f"{_n(match.get('other'), 2)} ({_p(match.get('p other'))})",
                ]
            )
    return [
        "Jump beyond shuffled groups in points; similarity (Jaccard index) of the components to "
        "those of the previous snapshot, over facts known in both, and its two controls (p).",
        grid(
            "step | known | components | shuffled | jump beyond shuffled | p | facts | "
            "similarity | shuffled | of another fact",
            rows,
            0,
        ),
    ]


def _crosslingual(runs: Sequence[Run]) -> list[str]:
    overlaps = []
    succ = []
    crossing = []
    for run in runs:
        tables = run["tables"]
        (known,) = [row["known"] for row in tables["facts"] if row["language"] == "all of them"]
        overlaps += [
            [run["model"], known, row["answers"], row["against"], *_tested(row, 3)]
            for row in tables["overlap"]
            if row["n"]
            and row["against"] in ("other facts of the same relation", "random neurons by layer")
        ]
        succ += [
            [
                run["model"],
                f"{row['scale']:g}",
                row["arm"],
                row["n"],
                f"{_percent(row['own'])} ({_percent(row['own low'])} to "
                f"{_percent(row['own high'])})",
                _percent(row["control"]),
                _p(row["p"]),
            ]
            for row in tables["succ"]
        ]
        crossing += [
            [
                run["model"],
                f"{row['edited']}, asked in {row['asked']}",
                row["answers"],
                *_tested(row, 2),
            ]
            for row in tables["crossing"]
        ]
    return [
        "Overlap (Jaccard index) of a fact's knowledge neurons in English and French, compared "
        "with other facts of its relation and with random neurons. *alike*: the two answers share "
        "a word; neurons that promote this word would explain the overlap.",
        grid(["model", "known", "answers", "against", *_TESTED], overlaps, 4),
        "Succ: facts for which the edit has the intended effect in both languages; control: random "
        "neurons, as many per layer, with the same overlap.",
        grid("model | factor | arm | facts | Succ | control | p", succ, 3),
        "Neurons of one language suppressed, prompt in the other (decrease, points); same control.",
        grid(["model", "edited", "answers", *_TESTED], crossing, 3),
    ]


def _critique(runs: Sequence[Run]) -> list[str]:
    shifts = []
    tests = []
    groups = []
    edits = []
    for run in runs:
        tables = run["tables"]
        sets = {(row["kind"], row["set"]): row for row in tables["shift"]}
        turned = {(row["kind"], row["set"]): row for row in tables["categorical"]}
        for row in tables["knowledge"]:
            kind = row["kind"]
            own, random = sets.get((kind, "own")), sets.get((kind, "own_random_layers"))
            if own is None:
                continue
            flips = turned[kind, "own"]
            shifts.append(
                [
                    run["model"],
                    kind,
                    row["pairs"],
                    _percent(row["preferred"]),
                    *(f"{_percent(one and one['dProb'])}" for one in (own, random)),
                    _percent(flips["flips"]),
                    _percent(flips["answers lost"]),
                ]
            )
        tests += [
            [
                run["model"],
                row["kind"],
                f"D - {row['against']}",
                *_tested({**row, "own": row["shift"], "control": row["other"]}, 2),
            ]
            for row in tables["tests"]
            if row["against"] in ("kn", "random_layers")
        ]
        common = {row["kind"]: row for row in tables["generalisation"]}
        for row in tables["r1"]:
            held_out = common.get(row["kind"], {}) if row["rows"] == "attributions" else {}
            groups.append(
                [
                    run["model"],
                    row["kind"],
                    row["rows"],
                    row["groups"],
                    _n(row["R1"], 2),
                    _n(row["shuffled"], 2),
                    _p(row["p"]),
                    _n(held_out.get("shift"), 2),
                    _n(held_out.get("other"), 2),
                    _p(held_out.get("p")),
                ]
            )
        edits += [
            [
                run["model"],
                row["set"],
                row["edits"],
                _n(row["neurons"]),
                _percent(row["efficacy"]),
                _percent(row["in other words"]),
                f"{_percent(row['symmetry'])} ({row['not vacuous']})",
                _percent(row["locality"]),
            ]
            for row in tables["edits"]
        ]
    return [
        "Knowledge neurons of a pair of words suppressed: decrease of the probability of the "
        "fitting word, also for as many random neurons by layer; preferences reversed, answers "
        "lost. *prefers*: pairs whose fitting word is preferred before.",
        grid("model | kind | pairs | prefers | dProb | random | turned | lost", shifts, 2),
        "Change of the log-odds by D, against as many others (N) and random ones by layer.",
        grid(["model", "kind", "D against", *_TESTED], tests, 3),
        "R1, the similarity of the pairs of a paradigm, and with shuffled entries; change of "
        "held-out pairs by the neurons common to the other half, and by random ones by layer.",
        grid(
            "model | kind | R1 of | groups | R1 | shuffled | p | held out | random | p (held out)",
            groups,
            3,
        ),
        "Edits by training D, N, random neurons or all MLP neurons: new answer given, given for "
        "other wordings, in reverse (cases that are not vacuous), other facts kept.",
        grid(
            "model | trained | edits | neurons | efficacy | in other words | in reverse | "
            "others kept",
            edits,
            2,
        ),
    ]


def _choices(runs: Sequence[Run]) -> list[str]:
    rows = []
    planted = []
    for run in runs:
        rows += [
            [
                run["model"],
                f"`{row['variation']}`",
                row["choice"],
                _n(row["facts"], 0),
                _interval(row, "ARI", digits=2),
                _percent(row["same"]),
                _n(row["n"], 0),
                _interval(row, "change"),
                _p(row["p"]),
            ]
            for row in _ends(run["tables"]["choices"])
        ]
        truth = run["tables"].get("planted", [])
        default = [row for row in truth if row["variation"] == "default"]
        planted += [
            [
                run["model"],
                f"`{row['variation']}`",
                row["facts"],
                _interval(row, "ARI", "low", "high", digits=2),
                _n(row["random"], 2),
                _p(row["p"]),
            ]
            for row in [*default, *_ends(truth)]
        ]
    parts = [
        f"The {_N_ENDS} variations that change the default's clusters most and the {_N_ENDS} that "
        "change them least: ARI with the default, facts with the same clusters, and change of the "
        "*jump* beyond random groups, paired by fact (points).",
        grid(
            "model | variation | choice | facts | ARI | the same | facts (jump) | "
            "change of the jump | p",
            rows,
            3,
        ),
    ]
    if planted:
        parts += [
            f"ARI with planted groups: the default, the {_N_ENDS} variations with the lowest and "
            f"the {_N_ENDS} with the highest; random groups; p of the difference from the default.",
            grid("model | variation | facts | ARI | random | p", planted, 2),
        ]
    return parts


def _ends(rows: Sequence[Row]) -> list[Row]:
    """Return the variations with the lowest and highest ARI."""
    varied = [row for row in rows if row["variation"] != "default" and row["ARI"] is not None]
    varied.sort(key=lambda row: row["ARI"])
    return varied if len(varied) <= 2 * _N_ENDS else [*varied[:_N_ENDS], *varied[-_N_ENDS:]]


SECTIONS: dict[str, tuple[str, Callable[[Sequence[Run]], list[str]]]] = {
    "robustness": ("Robustness: faulty prompts", _robustness),
    "detection": ("Detection: true and false labels", _detection),
    "complexity": ("Complexity: models of several sizes", _complexity),
    "development": ("Development: snapshots of a training", _development),
    "crosslingual": ("Crosslingual: facts in two languages", _crosslingual),
    "critique": ("Critique: grammar, facts and edits", _critique),
    "choices": ("Choices: which ones change the result", _choices),
}
_TESTED = ("n", "own", "other", "difference", "p")
_OWN = ("own", "D", "AUC")
_OTHER = ("control", "other")


def _tested(row: Row, digits: int = 1) -> list[str]:
    """Return the cells of a comparison; the names of its two sides depend on the table."""
    own = next(row[name] for name in _OWN if name in row)
    other = next(row[name] for name in _OTHER if name in row)
    return [
        f"{row['n']}",
        _n(own, digits),
        _n(other, digits),
        _interval(row, "difference", digits=digits),
        _p(row["p"]),
    ]


def _interval(
    row: Row | None, name: str, low: str | None = None, high: str | None = None, digits: int = 1
) -> str:
    if row is None or row[name] is None:
        return "-"
    own = f"{name} low" in row
    a = row[low or (f"{name} low" if own else "low")]
    b = row[high or (f"{name} high" if own else "high")]
    between = "" if a is None or b is None else f" ({_n(a, digits)} to {_n(b, digits)})"
    return f"{_n(row[name], digits)}{between}"
