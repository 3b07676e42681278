"""``neurotopo locate``: the knowledge neurons of a prompt or of a file of facts."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotopo._files import atomic_write
from neurotopo.commands.common import check_device, check_writable, is_path, versions
from neurotopo.commands.options import LocateOptions
from neurotopo.knowledge.amig import AMIG
from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.locate import Attributor, Located, attributions, locate
from neurotopo.knowledge.other_attributions import ATTRIBUTORS
from neurotopo.neurons import NeuronSet
from neurotopo.studies.facts import facts_for

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.models.prompts import FactLike

__all__ = ["LocateOptions", "LocateRun", "locate_neurons"]

_SELECTION = ("threshold", "rule", "scope")
_OF_METHOD = {
    "amig": ("steps", "quadrature", "baseline", "target", "fast"),
    "zero-baseline": ("steps", "quadrature", "target", "fast"),
    "gradient-times-activation": ("target",),
    "activation": (),
    "random": (),
}


@dataclass(frozen=True)
class LocateRun:
    """What came out.

    Attributes
    ----------
    located : Located
        The neurons of each fact.
    table : pandas.DataFrame
        All of them, by falling score within a fact.
    report : dict
        All results, as JSON can hold them.
    summary : str
        One line on all of it.
    advice : str or None
        What to try where the integration was coarse.
    files : list of Path
        What was written.
    """

    located: Located
    table: pd.DataFrame
    report: dict[str, Any]
    summary: str
    advice: str | None
    files: list[Path]


def locate_neurons(options: LocateOptions) -> LocateRun:
    """Find the knowledge neurons that were asked for and write them, if a folder is given.

    Parameters
    ----------
    options : LocateOptions
        What is wanted.

    Returns
    -------
    LocateRun

    Raises
    ------
    OSError, ValueError, ImportError
        With a message for the user.
    """
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    attributor = _attributor(options)
    facts = _facts(options)
    if options.out is not None:
        check_writable(options.out)
    model = _load(options)
    loaded = time.perf_counter()
    watched = _Watched(attributor)
    if options.out is not None and options.facts is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        lines: Path | None = options.out / "located.jsonl"
    else:
        lines = None
    located = locate(
        model,
        facts,
        watched if lines is None else attributor,
        combine=options.combine,
        share=options.share,
        out=lines,
        progress=options.progress,
    )
    seconds = {"load": loaded - clock, "locate": time.perf_counter() - loaded}
    about = {
        "command": "locate",
        "options": options.to_dict(),
        "attributor": {"method": options.method, **vars(attributor)},
        "model": {
            "given": options.model,
            "family": model.family.name,
            "n_layers": model.n_layers,
            "neurons_per_layer": model.n_neurons,
        },
    }
    wordings = [_wording(model, *pair) for pair in watched.seen] if options.facts is None else []
    report = {**about, **json.loads(located.to_json()), "wordings": wordings}
    run = {
        **about,
        "n_facts": len(located.neurons),
        "n_empty": located.n_empty,
        "started": started.isoformat(timespec="seconds"),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "versions": versions(),
    }
    table = located.to_pandas()
    scores = _mean_scores(located, watched, model)
    files = _write(options.out, located, table, scores, report, run)
    if lines is not None:
        files.append(lines)
    advice = _advice(located)
    return LocateRun(located, table, report, _summary(located), advice, files)


def _attributor(options: LocateOptions) -> Any:
    if options.method not in ATTRIBUTORS:
        known = ", ".join(ATTRIBUTORS)
        raise ValueError(f"--method must be one of {known}, got {options.method!r}.")
    given = {}
    for name in (*_OF_METHOD["amig"], *_SELECTION):
        value = getattr(options, name)
        if value is None or value is False:
            continue
        if name not in (*_OF_METHOD[options.method], *_SELECTION):
            raise ValueError(f"--{name} has no meaning for --method {options.method}.")
        given[name] = value
    if given.pop("fast", False):
        if "steps" in given or "quadrature" in given:
            raise ValueError("--fast chooses --steps and --quadrature itself; give one or other.")
        fast = AMIG.fast()
        given.update(steps=fast.steps, quadrature=fast.quadrature)
    return ATTRIBUTORS[options.method](**given)


def _facts(options: LocateOptions) -> list[tuple[Fact, ...]]:
    """Return the facts, each in all its wordings."""
    if options.facts is not None:
        if options.prompts or options.answers:
            raise ValueError("give either --facts or --prompt and --answer, not both.")
        return [(fact,) for fact in facts_for(options.facts, options.model)]
    if not options.prompts or not options.answers:
        raise ValueError("give --prompt and --answer, or a file of facts with --facts.")
    return [tuple(Fact(prompt, options.answers) for prompt in options.prompts)]


def _load(options: LocateOptions) -> NeuronModel:
    from neurotopo.models.loading import load_model

    if is_path(options.model) and not Path(options.model).exists():
        raise FileNotFoundError(f"there is no folder {options.model}.")
    if Path(options.model).is_file():
        raise ValueError(f"{options.model} is a file; a folder with model and tokenizer is needed.")
    check_device(options.device)
    from neurotopo.models.quiet import quiet_transformers

    with quiet_transformers(options.progress):
        return load_model(
            options.model,
            device=options.device,
            dtype=options.dtype,
            trust_remote_code=options.trust_remote_code,
        )


class _Watched:
    """An attributor, and what it returned."""

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
        for fact, found in zip(facts, attributions(model, facts, self.attributor), strict=True):
            self.total = found.scores if self.total is None else self.total + found.scores
            # of many facts all scores would fill the memory
            small = replace(found, scores=found.scores.sum(axis=1, keepdims=True))
            self.seen.append((fact, small))
            yield found

    def threshold_for(self, fact: FactLike) -> float:
        return self.attributor.threshold_for(fact)


def _wording(model: NeuronModel, fact: FactLike, found: Attribution) -> dict[str, Any]:
    return {
        "prompt": fact.prompt,
        "answer": model.tokenizer.decode(list(found.answer)).strip(),
        "answer_tokens": list(found.answer),
        "value": found.value,
        "n_paths": found.n_paths,
        "sum_of_scores": found.scores.sum(axis=1).tolist(),
        "start_values": _finite(found.start_values),
        "completeness_error": _finite(found.completeness_error),
    }


def _finite(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]


def _mean_scores(located: Located, watched: _Watched, model: NeuronModel) -> NDArray[np.float64]:
    """Return the scores for the picture: the mean over all wordings, where they were seen.

    Facts that an earlier run found are known by the scores of their neurons alone; then those are
    shown of every fact.
    """
    if watched.total is not None:
        return watched.total / len(watched.seen)
    mean = np.zeros((model.n_layers, model.n_neurons))
    for key, neurons in located.neurons.items():
        mean[neurons.layers, neurons.indices] += located.scores[key] / len(located.neurons)
    return mean


def _advice(located: Located) -> str | None:
    worst = max((gap for gap in located.gaps.values() if gap == gap), default=0.0)
    if located.n_coarse == 0:
        return None
    which = "" if len(located.gaps) == 1 else f" ({located.n_coarse} of {len(located.gaps)} facts)"
    return (
        f"the scores of a layer miss the change of the target by up to {worst:.0%} of the greatest "
        f"change{which}: the integration is coarse; more --steps or --fast make it finer."
    )


def _summary(located: Located) -> str:
    n_facts, n_neurons = len(located.neurons), sum(map(len, located.neurons.values()))
    (name, several) = ("fact", "") if n_facts == 1 else ("facts", f", {located.n_empty} of them")
    none = "" if located.n_empty == 0 else f"{several} without any"
    return f"{n_neurons:,} neurons for {n_facts:,} {name}{none}"


def _write(
    out: Path | None,
    located: Located,
    table: pd.DataFrame,
    scores: NDArray[np.float64],
    report: dict[str, Any],
    run: dict[str, Any],
) -> list[Path]:
    """Write every file at once or not at all; a folder with a run.json is complete."""
    if out is None:
        return []
    contents = {
        "neurons.csv": table.to_csv(index=False).encode(),
        "attribution.json": _json(report),
        **_pictures(located, scores),
        "run.json": _json(run),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "run.json").unlink(missing_ok=True)
        for name, content in contents.items():
            with atomic_write(out / name) as file:
                file.write(content)
    except OSError as error:
        raise OSError(f"cannot write to the folder {out}: {error.strerror or error}.") from error
    return [out / name for name in contents]


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _pictures(located: Located, scores: NDArray[np.float64]) -> dict[str, bytes]:
    from matplotlib.figure import Figure

    from neurotopo.plots.attribution import AttributionDisplay

    figure = Figure(figsize=(8, 1.8 + 0.2 * min(max(len(scores), 8), 40)), layout="constrained")
    marked = next(iter(located.neurons.values())) if len(located.neurons) == 1 else NeuronSet()
    display = AttributionDisplay.from_attribution(scores, neurons=marked, ax=figure.add_subplot())
    n_facts = len(located.neurons)
    title = f"mean over {n_facts} facts" if n_facts > 1 else _title(located)
    # a dollar sign would be taken for mathematics
    display.ax_.set_title(title, fontsize="medium", parse_math=False)
    drawn = {}
    for kind in ("png", "svg"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=150)
        drawn[f"scores.{kind}"] = buffer.getvalue()
    return drawn


def _title(located: Located) -> str:
    (wordings,) = located.facts.values()
    prompt = " ".join(wordings[0].prompt.split())
    return prompt if len(prompt) <= 60 else f"{prompt[:57]}..."
