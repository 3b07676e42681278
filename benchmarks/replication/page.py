"""docs/replication.md from the records of all models: numbers from records only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from grids import grid
from matplotlib.figure import Figure

from neurotopo._files import atomic_write
from neurotopo.studies.inference import YES, Effect, judged
from replication.cells import cell, digits_of, interval, number, verdict_cell
from replication.figures import drawn, write_figures
from replication.plan import MODELS, PARTS, QUESTIONS
from replication.prose import HEAD, HOW, MIND, NO_EFFECT, NO_FACT, SCHEDULES, SHORT, TEXTS

Record = Mapping[str, Any]

NAMES = {"smollm2": "SmolLM2-135M", "gemma": "Gemma-3-270M"}
_AUDIT = ("necessary", "redundancy", "adding", "within", "alone", "specific", "uses", "repair")
_CONTROLS = {
    "audit": "NTC's groups of known facts",
    "audit_second": "the same, second draw and seed",
    "audit_planted": "planted copy, its true groups",
    "audit_permuted": "weights permuted in each MLP",
    "audit_unknown": "facts that the model does not know",
    "audit_given": "facts whose answer is in the subject",
    "audit_commonsense": "commonsense",
    "audit_linguistic": "grammar",
    "audit_bfloat16": "bfloat16",
    "audit_requantized": "quantised to 4 bits once more",
}
_NEGATIVE = ("audit_permuted", "audit_unknown")
_REPEATED = {
    "audit": "audit_second",
    "acquisition": "acquisition_second",
    "learning_neurons": "learning_second",
}


def write_page(out: Path, page: Path) -> None:
    """Write the page from the records in a folder."""
    records = {}
    for name in MODELS:
        place = out / f"replication_{name}.json"
        if place.exists():
            records[name] = json.loads(place.read_text())["parts"]
    if records:
        draws = {name: partial(_picture, each, records) for name, each in _PICTURES.items()}
        places = write_figures(draws, page.parent / "figures")
        with atomic_write(page) as file:
            file.write(
                page_of(
                    records, {n: p.relative_to(page.parent) for n, p in places.items()}
                ).encode()
            )


def page_of(
    records: Mapping[str, Mapping[str, Record]], pictures: Mapping[str, Path] | None = None
) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    records : mapping of str to mapping
        The records of the parts, by model.
    pictures : mapping of str to Path, optional
        The places of the pictures, from the folder of the page.
    """
    shown = {n: f"![{_PICTURES[n].text}]({p.as_posix()})" for n, p in (pictures or {}).items()}
    parts = [
        HEAD,
        _counts(records),
        _verdicts(records),
        _unrepeated(records),
        *([shown["verdicts"]] if "verdicts" in shown else []),
        HOW,
    ]
    for title, section in _SECTIONS.items():
        texts = [text for name, found in records.items() if (text := section(name, found))]
        if texts:
            drawn_here = [n for n, each in _PICTURES.items() if each.section == title]
            above = [shown[name] for name in drawn_here if name in shown]
            parts += [f"## {title}", TEXTS.get(title, ""), *above, *texts]
    parts += [MIND]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def primary(found: Mapping[str, Record]) -> dict[str, Effect]:
    """Return the effects of the primary questions of a model, corrected together."""
    return judged(_some(found, {name: (q.part, q.effect) for name, q in QUESTIONS.items()}))


def _counts(records: Mapping[str, Mapping[str, Record]]) -> str:
    """Return a sentence per model: how many claims hold."""
    sentences = []
    for name, found in records.items():
        said = [effect.verdict for effect in primary(found).values()]
        counts = {word: said.count(word) for word in ("yes", "no", "undecided")}
        counts["not tested"] = len(QUESTIONS) - len(said)
        listed = ", ".join(f"{n} {word}" for word, n in counts.items() if n)
        sentences.append(f"**{NAMES.get(name, name)}**: {listed}.")
    return f"Of {len(QUESTIONS)} claims: " + " ".join(sentences)


def _verdicts(records: Mapping[str, Mapping[str, Record]]) -> str:
    answers = {name: primary(found) for name, found in records.items()}
    rows = []
    for key, question in QUESTIONS.items():
        for name, found in records.items():
            effect = answers[name].get(key)
            about = question.text if name == next(iter(records)) else ""
            if effect is None:
                part = found.get(question.part, {})
                none = "not run yet" if not part else NO_EFFECT.get(question.part, NO_FACT)
                why = part.get("problem") or none
                rows.append([about, NAMES.get(name, name), f"not tested: {why}", *[""] * 6])
                continue
            rows.append(
                [
                    about,
                    NAMES.get(name, name),
                    f"**{effect.verdict}**",
                    interval(effect.mean, effect.low, effect.high, effect.margin),
                    question.unit,
                    f"{effect.margin:g}",
                    number(effect.least, digits_of(effect.margin)),
                    f"{effect.n}" + (f" ({effect.n_relations})" if effect.n_relations else ""),
                    question.null,
                ]
            )
    head = (
        "question: does the paper's claim hold? | model | verdict | effect (95 % interval) | unit "
        "| margin | least effect | facts (relations) | null"
    )
    return grid(head, rows, 9)


def _unrepeated(records: Mapping[str, Mapping[str, Record]]) -> str:
    """Return the verdicts that a second draw or second seeds do not repeat."""
    listed = []
    for name, found in records.items():
        for key, effect in primary(found).items():
            second = found.get(_REPEATED.get(QUESTIONS[key].part, ""), {}).get("effects", {})
            again = second.get(QUESTIONS[key].effect)
            if again and again["n"] and again["verdict"] != effect.verdict:
                listed.append(
                    f'"{SHORT[key]}", {NAMES.get(name, name)}: {effect.verdict}, then '
                    f"{verdict_cell(again)}"
                )
    shown = "; ".join(listed) or "none"
    return f"Verdicts that a second draw or second seeds do not repeat: {shown}."


@dataclass(frozen=True)
class _Drawn:
    """A picture: its section, its text, and the effects of a model that it shows."""

    section: str
    text: str
    of: Callable[[Mapping[str, Record]], dict[str, Effect]]


def _picture(picture: _Drawn, records: Mapping[str, Mapping[str, Record]]) -> Figure | None:
    return drawn({NAMES.get(name, name): picture.of(found) for name, found in records.items()})


def _some(found: Mapping[str, Record], names: Mapping[str, tuple[str, str]]) -> dict[str, Effect]:
    """Return effects by other names: those of (part, effect) that there are."""
    effects = {}
    for name, (part, effect) in names.items():
        record = found.get(part, {}).get("effects", {}).get(effect)
        if record is not None:
            effects[name] = Effect(**record)
    return effects


def _of_controls(effect: str) -> Callable[[Mapping[str, Record]], dict[str, Effect]]:
    names = {what: (part, effect) for part, what in _CONTROLS.items()}
    return partial(_some, names=names)


def _of_parts(*parts: str) -> Callable[[Mapping[str, Record]], dict[str, Effect]]:
    """Return all effects of parts; of several parts, with their selection of neurons."""

    def of(found: Mapping[str, Record]) -> dict[str, Effect]:
        return {
            f"{effect}{' (paper)' if PARTS[part].preset else ''}": Effect(**record)
            for part in parts
            for effect, record in found.get(part, {}).get("effects", {}).items()
        }

    return of


_PICTURES = {
    "verdicts": _Drawn(
        "",
        "The primary effects of both models in units of their margins, with intervals.",
        lambda found: {SHORT[name]: effect for name, effect in primary(found).items()},
    ),
    "redundancy": _Drawn(
        "Controls",
        "The redundancy rho of the groups, less that of shuffled groups, in units of its margin.",
        _of_controls("redundancy"),
    ),
    "necessity": _Drawn(
        "Controls",
        "The necessity of the groups, less that of matched neurons, in units of its margin.",
        _of_controls("necessary"),
    ),
    "acquisition": _Drawn(
        "Acquisition",
        "The effects of acquisition in units of their margins, with intervals.",
        _of_parts("acquisition_paper", "acquisition"),
    ),
    "robustness": _Drawn(
        "Robustness",
        "The effects of robustness in units of their margins, with intervals.",
        _of_parts("robustness_paper", "robustness"),
    ),
    "detection": _Drawn(
        "Detection",
        "The differences of the AUC in units of the margin, with intervals.",
        _of_parts("detection"),
    ),
}


def _funnel(name: str, found: Mapping[str, Record]) -> str:
    record = found.get("funnel")
    if record is None:
        return ""
    steps = [[row["step"], f"{row['n']:,}", row["reason"]] for row in record["funnel"]]
    known = [
        f"{row['relation']} {row['margin']:,}"
        for row in sorted(record["by_relation"], key=lambda row: -row["margin"])
        if row["margin"]
    ]
    by_wordings = ", ".join(f"{n:,} in {count}" for count, n in record["known_wordings"].items())
    first, second, given = record["n_draws"]
    return (
        f"**{NAMES.get(name, name)}**\n\n{grid('step | facts | reason', steps, 1)}\n\n"
        f"Known facts by number of wordings in which they are known: {by_wordings}. By relation: "
        f"{', '.join(known)}. Facts in the two draws: {first} and {second}; with the answer in the "
        f"subject: {given}, in no draw.\n\nHash of the weights: `{record['model']['weights']}`. "
        f"Environment: {record['environment']}."
    )


def _controls(name: str, found: Mapping[str, Record]) -> str:
    rows = []
    for part, what in _CONTROLS.items():
        record = found.get(part)
        if record is None:
            continue
        effects = record.get("effects", {})
        cells = [verdict_cell(effects.get(question)) for question in _AUDIT]
        n = max(effects.get(question, {}).get("n", 0) for question in _AUDIT)
        rows.append([what, f"{n} of {record.get('n_facts', 0)}", *cells])
    if not rows:
        return ""
    head = ["facts and model", "judged", *_AUDIT]
    said = {
        _CONTROLS[part]: [q for q in _AUDIT if effects.get(q, {}).get("verdict") == YES]
        for part in _NEGATIVE
        if (effects := found.get(part, {}).get("effects", {}))
    }
    wrong = "; ".join(f"{', '.join(names)} ({what})" for what, names in said.items() if names)
    note = f"\n\nNegative controls with a yes: {wrong or 'none'}." if said else ""
    planted = found.get("audit_planted", {}).get("effects")
    if planted:
        silent = [q for q in _AUDIT if planted.get(q, {}).get("verdict") != YES]
        note += f"\n\nQuestions without a yes in the planted copy: {', '.join(silent) or 'none'}."
    return f"**{NAMES.get(name, name)}**\n\n{grid(head, rows, 2)}{note}"


def _planted(name: str, found: Mapping[str, Record]) -> str:
    """Return what the planted copy answers, and what it has kept of the model."""
    record = found.get("audit_planted", {}).get("planting")
    if record is None:
        return ""
    before, after, n = record["before"], record["after"], record["n_facts"]
    rows = [
        ["planted facts answered", "-", f"{after['share_answered']['intact'] * n:.0f} of {n}"],
        *(
            [f"by each group alone, by none without them ({kind})", "-", f"{count} of {n}"]
            for kind, count in after["n_redundant_by"].items()
        ),
        ["perplexity of other texts", *(f"{row['perplexity']:.1f}" for row in (before, after))],
    ]
    if "old_known" in after:
        n_old = record["n_old"][1]
        known = (f"{row['old_known'] * n_old:.0f} of {n_old}" for row in (before, after))
        rows.append(["old facts answered", *known])
    settings = record["settings"]
    groups = (
        f"{settings['n_groups']} groups of {settings['n_neurons']} neurons in layer "
        f"{', '.join(map(str, settings['layers']))}, seed {settings['seed']}"
    )
    table = grid("quantity | before | after", rows, 1)
    minutes = f"made in {record['seconds'] / 60:.0f} minutes"
    return f"**{NAMES.get(name, name)}**: {groups}, {minutes}.\n\n{table}"


def _ablations(name: str, found: Mapping[str, Record]) -> str:
    rows = []
    for part, what in _CONTROLS.items():
        effects = found.get(part, {}).get("effects", {})
        for quantity in ("rho", "sufficiency"):
            cells = [
                verdict_cell(effects.get(f"{quantity}: {kind}"))
                for kind in ("zero", "mean", "counterfactual")
            ]
            if set(cells) != {"-"}:
                rows.append([what, quantity, *cells])
    if not rows:
        return ""
    head = "facts and model | quantity | zero | mean | counterfactual"
    return f"**{NAMES.get(name, name)}**\n\n{grid(head, rows, 2)}"


def _precisions(name: str, found: Mapping[str, Record]) -> str:
    """Show how the audits of other precisions differ from that of the same facts in float32."""
    beside = {
        _CONTROLS[part]: record["beside_float32"]
        for part, record in found.items()
        if "beside_float32" in record
    }
    rows = [
        [what, question, *_difference_cells(effects[question])]
        for what, effects in beside.items()
        for question in _AUDIT
        if effects.get(question, {}).get("n")
    ]
    if not rows:
        return ""
    head = "precision | question | difference (95 % interval) | margin | facts | equal"
    return f"**{NAMES.get(name, name)}**\n\n{grid(head, rows, 2)}"


def _difference_cells(effect: Mapping[str, Any]) -> list[Any]:
    """Return the cells of a difference that is expected to be 0."""
    if min(effect["low"], -effect["high"]) > -effect["margin"]:
        said = "yes, within the margin"
    else:
        said = "undecided" if effect["low"] <= 0 <= effect["high"] else "**no**"
    shown = interval(*(effect[name] for name in ("mean", "low", "high", "margin")))
    return [shown, effect["margin"], effect["n"], said]


def _study(*studies: str) -> Any:
    def section(name: str, found: Mapping[str, Record]) -> str:
        texts = []
        for part, plan in PARTS.items():
            record = found.get(part)
            if plan.study not in studies or record is None:
                continue
            title = f"**{NAMES.get(name, name)}, {_how(part)}.**"
            if "problem" in record:
                texts.append(f"{title} Not possible: {record['problem']}")
                continue
            rows = [
                [effect_name, verdict_cell(effect), f"{effect['margin']:g}", effect["n"]]
                for effect_name, effect in record["effects"].items()
                if ": random" not in effect_name
            ]
            table = grid("effect | value (95 % interval) | margin | n", rows, 1) if rows else ""
            said = "\n".join(f"- {sentence}" for sentence in record["findings"])
            texts.append("\n\n".join(text for text in (title, table, said) if text))
        return "\n\n".join(texts)

    return section


def _how(part: str) -> str:
    plan = PARTS[part]
    setting = "the paper's selection of neurons" if plan.preset == "paper" else "the defaults"
    if plan.study == "learning":
        setting = SCHEDULES[part]
    return f"{plan.facts}, {setting}, seed {plan.seed}"


def _table1(name: str, found: Mapping[str, Record]) -> str:
    texts = []
    for part in ("acquisition_paper", "acquisition"):
        tables = found.get(part, {}).get("tables", {})
        if "table1" in tables:
            columns = list(tables["table1"][0])
            rows = [[cell(row[column]) for column in columns] for row in tables["table1"]]
            title = f"**{NAMES.get(name, name)}, {_how(part)}.** Average GCR by number of groups."
            texts.append(f"{title}\n\n{grid(columns, rows, 1)}")
    return "\n\n".join(texts)


def _layers(name: str, found: Mapping[str, Record]) -> str:
    layers = found.get("acquisition_paper", {}).get("tables", {}).get("layers")
    if not layers:
        return ""
    total = sum(row["ntc"] or 0 for row in layers)
    if not total:
        return ""
    n = len(layers)
    thirds = [
        sum(row["ntc"] or 0 for row in layers if row["layer"] * 3 // n == third) / total
        for third in range(3)
    ]
    shares = ", ".join(f"{share:.0%}" for share in thirds)
    return f"**{NAMES.get(name, name)}**: DKNs in the first, middle and last third: {shares}."


def _beyond(name: str, found: Mapping[str, Record]) -> str:
    rows = [
        [part, effect_name, verdict_cell(effect), effect["n"]]
        for part in ("positions", "layers", "relp")
        for effect_name, effect in found.get(part, {}).get("effects", {}).items()
    ]
    if not rows:
        return ""
    return (
        f"**{NAMES.get(name, name)}**\n\n"
        f"{grid('measurement | effect | value (95 % interval) | facts', rows, 2)}"
    )


def _again(name: str, found: Mapping[str, Record]) -> str:
    rows = []
    for first, second in _REPEATED.items():
        one, two = (found.get(part, {}).get("effects", {}) for part in (first, second))
        for effect in one:
            shown = first != "audit" or effect in _AUDIT
            if shown and effect in two and one[effect]["n"] and two[effect]["n"]:
                same = one[effect]["verdict"] == two[effect]["verdict"]
                cells = [verdict_cell(one[effect]), verdict_cell(two[effect])]
                rows.append([f"{first}: {effect}", *cells, "yes" if same else "**no**"])
    if not rows:
        return ""
    head = "effect | first draw and seed | second draw and seed | the same verdict"
    return f"**{NAMES.get(name, name)}**\n\n{grid(head, rows, 1)}"


def _time(name: str, found: Mapping[str, Record]) -> str:
    rows = [
        [
            part,
            record.get("n_facts", ""),
            f"{record.get('seconds', record['wall_seconds']) / 60:.1f}",
        ]
        for part, record in found.items()
    ]
    total = sum(record.get("seconds", record["wall_seconds"]) for record in found.values()) / 60
    return (
        f"**{NAMES.get(name, name)}**: {total:.0f} minutes of work on one thread.\n\n"
        f"{grid('part | facts | minutes', rows, 1)}"
    )


_SECTIONS = {
    "Which facts the models know": _funnel,
    "The planted copy": _planted,
    "Controls": _controls,
    "Three ablations": _ablations,
    "Other precisions": _precisions,
    "A second draw and another seed": _again,
    "Table 1: the average GCR": _table1,
    "Figure 3: layers": _layers,
    "Acquisition": _study("acquisition"),
    "Robustness": _study("robustness"),
    "Learning": _study("learning"),
    "Detection": _study("detection"),
    "Critique": _study("critique"),
    "Choices": _study("choices"),
    "Two languages": _study("crosslingual"),
    "Beyond the paper": _beyond,
    "Time": _time,
}
