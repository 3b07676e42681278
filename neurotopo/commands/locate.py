"""``neurotopo locate``: the knowledge neurons of a prompt or of a file of facts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.commands.common import (
    CommandResult,
    Times,
    check_writable,
    put,
    results_in,
    shortened,
)
from neurotopo.commands.options import LocateOptions
from neurotopo.knowledge.amig import AMIG
from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.baselines import described_options
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.foils import foils_of
from neurotopo.knowledge.locate import Attributor, Located, attributions, locate
from neurotopo.knowledge.other_attributions import ATTRIBUTORS
from neurotopo.knowledge.thresholds import PAPER_SELECTION
from neurotopo.knowledge.truth import Truth
from neurotopo.neurons import NeuronSet
from neurotopo.studies.facts import facts_for, wordings_for

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.models.prompts import FactLike

__all__ = ["LocateOptions", "LocateRun", "locate_neurons"]

_SELECTION = ("threshold", "rule", "scope")
_TARGET = ("target", "foils", "positions")
_OF_METHOD: dict[str, tuple[str, ...]] = {
    "amig": ("steps", "quadrature", "baseline", "reference", *_TARGET, "fast"),
    "relp": ("baseline", "reference", *_TARGET),
    "zero-baseline": ("steps", "quadrature", *_TARGET, "fast"),
    "gradient-times-activation": _TARGET,
    "activation": (),
    "random": (),
}


@dataclass(frozen=True)
class LocateRun(CommandResult):
    """Result of ``neurotopo locate``; the table has all neurons, sorted by score in each fact.

    Attributes
    ----------
    located : Located
        The neurons of each fact.
    report : dict
        All results, as JSON can hold them.
    """

    located: Located
    report: dict[str, Any]


def locate_neurons(options: LocateOptions) -> LocateRun:
    """Find knowledge neurons and write them, if a folder is given.

    OSError, ValueError and ImportError have a message for the user.
    """
    times = Times()
    facts = _facts(options)
    attributor = _attributor(options, facts)
    lines = None
    if options.out is not None:
        check_writable(options.out)
        if options.facts is not None:
            lines = options.out / "located.jsonl"
    model = options.load_model()
    times.step("load")
    if lines is not None:
        lines.parent.mkdir(parents=True, exist_ok=True)
    recorder = _Recorder(attributor)
    located = locate(
        model,
        facts,
        recorder if lines is None else attributor,
        out=lines,
        **options.pick("combine", "share", "progress"),
    )
    times.step("locate")
    half = model.dtype.itemsize < 4
    about = {
        "command": "locate",
        "options": options.to_dict(),
        "attributor": {"method": options.method, **described_options(attributor)},
        "model": {
            "given": options.model,
            "family": model.family.name,
            "n_layers": model.n_layers,
            "neurons_per_layer": model.n_neurons,
        },
    }
    wordings = [_wording(model, *pair) for pair in recorder.seen] if options.facts is None else []
    report = {**about, **json.loads(located.to_json()), "wordings": wordings}
    run = {**about, "n_facts": len(located.neurons), "n_empty": located.n_empty, **times.to_dict()}
    table = located.to_pandas()
    files = []
    if options.out is not None:
        contents = {
            "neurons.csv": table.to_csv(index=False).encode(),
            "attribution.json": report,
            **_pictures(located, _mean_scores(located, recorder, model)),
            "run.json": run,  # the last file: it marks the folder as complete
        }
        with results_in(options.out):
            files = [put(options.out / name, content) for name, content in contents.items()]
    if lines is not None:
        files.append(lines)
    return LocateRun(table, _summary(located), _advice(located, half), files, located, report)


def _attributor(options: LocateOptions, facts: Sequence[Sequence[Fact]]) -> Any:
    if options.method not in ATTRIBUTORS:
        known = ", ".join(ATTRIBUTORS)
        raise ValueError(f"--method must be one of {known}, got {options.method!r}.")
    given = {}
    for name in (*_OF_METHOD["amig"], *_SELECTION):
        value = getattr(options, name)
        if value is None or value is False or value == ():
            continue
        if name not in (*_OF_METHOD[options.method], *_SELECTION):
            flag = "foil" if name == "foils" else name
            raise ValueError(f"--{flag} has no meaning for --method {options.method}.")
        given[name] = value
    if options.preset == "paper":
        given = {**PAPER_SELECTION, **given}
    elif options.preset is not None:
        raise ValueError(f"--preset must be paper, got {options.preset!r}.")
    if given.pop("fast", False):
        if "steps" in given or "quadrature" in given:
            raise ValueError("--fast chooses --steps and --quadrature itself; give one or other.")
        fast = AMIG.fast()
        given.update(steps=fast.steps, quadrature=fast.quadrature)
    if "reference" in given:
        given["reference"] = facts_for(given["reference"], options.model)
    if options.target == "contrast":
        given["foils"] = _foils(options, facts)
    return ATTRIBUTORS[options.method](**given)


def _foils(options: LocateOptions, facts: Sequence[Sequence[Fact]]) -> dict[str, tuple[str, ...]]:
    """Return the wrong answers of each wording: those given, or the other ones of its relation."""
    wordings = [fact for group in facts for fact in group]
    if options.foils:
        return {fact.key: options.foils for fact in wordings}
    if options.facts is None:
        raise ValueError("--target contrast needs wrong answers; give some with --foil.")
    known = Truth(wordings)
    return {fact.key: foils_of(known, fact) for fact in wordings}


def _facts(options: LocateOptions) -> list[tuple[Fact, ...]]:
    """Return the facts, each in all its wordings."""
    if options.facts is not None:
        if options.prompts or options.answers:
            raise ValueError("give either --facts or --prompt and --answer, not both.")
        return wordings_for(options.facts, options.model)
    if not options.prompts or not options.answers:
        raise ValueError("give --prompt and --answer, or a file of facts with --facts.")
    return [tuple(Fact(prompt, options.answers) for prompt in options.prompts)]


class _Recorder:
    """An attributor that keeps what it returns."""

    def __init__(self, attributor: Attributor) -> None:
        self.attributor = attributor
        self.rule, self.scope = attributor.rule, attributor.scope
        self.seen: list[tuple[FactLike, Attribution]] = []
        self.total: NDArray[np.float64] | None = None

    def attribute(self, model: NeuronModel, fact: FactLike) -> Attribution:
        return next(self.attribute_many(model, [fact]))

    def attribute_many(
        self, model: NeuronModel, facts: Sequence[FactLike]
    ) -> Iterator[Attribution]:
        results = attributions(model, facts, self.attributor)
        for fact, attribution in zip(facts, results, strict=True):
            scores = attribution.scores
            self.total = scores if self.total is None else self.total + scores
            # the scores of many facts would fill the memory
            small = replace(attribution, scores=scores.sum(axis=1, keepdims=True))
            self.seen.append((fact, small))
            yield attribution

    def threshold_for(self, fact: FactLike) -> float:
        return self.attributor.threshold_for(fact)


def _wording(model: NeuronModel, fact: FactLike, attribution: Attribution) -> dict[str, Any]:
    return {
        "prompt": fact.prompt,
        "answer": model.tokenizer.decode(list(attribution.answer)).strip(),
        "answer_tokens": list(attribution.answer),
        "value": attribution.value,
        "n_paths": attribution.n_paths,
        "sum_of_scores": attribution.scores.sum(axis=1).tolist(),
        "start_values": _finite(attribution.start_values),
        "completeness_error": _finite(attribution.completeness_error),
    }


def _finite(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _mean_scores(located: Located, recorder: _Recorder, model: NeuronModel) -> NDArray[np.float64]:
    """Return the mean scores over all wordings, for the picture.

    A file of facts is resumable and keeps only the scores of the chosen neurons; then the others
    are zero.
    """
    if recorder.total is not None:
        return recorder.total / len(recorder.seen)
    mean = np.zeros((model.n_layers, model.n_neurons))
    for key, neurons in located.neurons.items():
        mean[neurons.layers, neurons.indices] += located.scores[key] / len(located.neurons)
    return mean


def _advice(located: Located, half: bool) -> str | None:
    worst = max((gap for gap in located.gaps.values() if gap == gap), default=0.0)
    if located.n_coarse == 0:
        return None
    which = "" if len(located.gaps) == 1 else f" ({located.n_coarse} of {len(located.gaps)} facts)"
    cause = "the integration is coarse; use more --steps or --fast"
    if half:  # the error of the logits is of this size
        cause = "half precision rounds the logits; use --dtype float32, then more --steps or --fast"
    return (
        f"the scores of a layer differ from the change of the target by up to {worst:.0%} of the "
        f"greatest change{which}: {cause}."
    )


def _summary(located: Located) -> str:
    n_facts, n_neurons = len(located.neurons), sum(map(len, located.neurons.values()))
    (name, several) = ("fact", "") if n_facts == 1 else ("facts", f", {located.n_empty} of them")
    none = "" if located.n_empty == 0 else f"{several} without any"
    return f"{n_neurons:,} neurons for {n_facts:,} {name}{none}"


def _pictures(located: Located, scores: NDArray[np.float64]) -> dict[str, Any]:
    from matplotlib.figure import Figure

    from neurotopo.plots.attribution import AttributionDisplay

    figure = Figure(figsize=(8, 1.8 + 0.2 * min(max(len(scores), 8), 40)), layout="constrained")
    n_facts = len(located.neurons)
    marked, title = NeuronSet(), f"mean over {n_facts} facts"
    if n_facts == 1:
        (marked,), (wordings,) = located.neurons.values(), located.facts.values()
        title = shortened(wordings[0].prompt, 60)
    display = AttributionDisplay.from_attribution(scores, neurons=marked, ax=figure.add_subplot())
    # matplotlib would read dollar signs as mathematics
    display.ax_.set_title(title, fontsize="medium", parse_math=False)
    return {f"scores.{kind}": (figure, kind) for kind in ("png", "svg")}
