"""The check before a run: which facts can be used, what will be found, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo._memory import require_memory
from neurotopo.datasets.dataset import pluralize
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.knowledge.potential import potential_components
from neurotopo.knowledge.thresholds import select_neurons
from neurotopo.models.prompts import split_prompt
from neurotopo.neurons import NeuronSet
from neurotopo.studies.engines import reason_of
from neurotopo.studies.study import Study

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.knowledge.facts import Fact
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["AUTOMATIC", "COMPLETE", "Extent", "Preflight", "examine"]

HALF = 0.5
"""Share of the facts that should have two components or more."""

_OTHERS: Mapping[str, tuple[float, ...]] = {
    "relative": (0.7, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01),
    "top": (2, 3, 5, 8, 12, 20, 30, 50, 100, 200),
    "mass": (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "percentile": (99.9, 99.5, 99, 98, 95, 90, 80),
}
_PER_LAYER = (3, 5, 8, 12, 20)
_RULE = ("rule", "scope")
_MOST_EDGES = 300_000  # a larger graph is no remedy


@dataclass(frozen=True)
class Extent:
    """How much of the facts a check looks at.

    Parameters
    ----------
    tokenized, asked, located : int
        Facts that are tokenized, that the model is asked for, and whose neurons are found.
    seconds : float
        After this time no more neurons are found.
    timed : int
        Items of the study that are measured once, for the time of the run.
    least : float
        Items are measured only if finding the neurons of all facts takes longer, in seconds.

    Examples
    --------
    >>> from neurotopo.studies.preflight import AUTOMATIC, COMPLETE
    >>> AUTOMATIC.located < COMPLETE.located
    True
    """

    tokenized: int = 2000
    asked: int = 100
    located: int = 12
    seconds: float = 60.0
    timed: int = 3
    least: float = 0.0


COMPLETE = Extent()
AUTOMATIC = Extent(tokenized=200, asked=16, located=4, seconds=10.0, timed=1, least=60.0)
"""The extent of the check before every run of a study."""


@dataclass(frozen=True)
class Preflight:
    """Result of a check of model, facts and options before a run.

    Attributes
    ----------
    study, unit : str
        The study, and the name of its items.
    n_facts, n_items : int
        Numbers of facts and of items of the whole run.
    tokens : dict of str to int
        Counts of the tokenized facts.
    invalid : dict of str to str
        The errors of facts that cannot be encoded, by key.
    n_asked, n_known : int
        Facts that the model was asked for, and those whose answer it writes greedily.
    facts : list of dict
        One entry for each fact whose neurons were found; :meth:`to_frame`.
    selection : dict
        Threshold, rule and scope.
    remedy : dict or None
        The smallest change of the selection with which at least half of these facts have two
        potential components, and their share; None where it is not needed or not found.
    seconds : dict
        Measured times: of the attribution of a fact, of an item, and the expected total.
    memory : dict
        Bytes of the weights, the peak of this process so far, and what several processes need.
    remarks : list of str
        What the study says about its facts.

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.models.examples import random_model
    >>> facts = [nt.Fact("The capital of France is _X_", "Paris", id="paris")]
    >>> check = nt.preflight(random_model(), facts, preset="paper")
    >>> check.tokens["valid"], check.n_known, len(check.to_frame())
    (1, 0, 1)
    """

    study: str
    unit: str
    n_facts: int
    n_items: int
    tokens: dict[str, int]
    invalid: dict[str, str] = field(default_factory=dict)
    n_asked: int = 0
    n_known: int = 0
    facts: list[dict[str, Any]] = field(default_factory=list)
    selection: dict[str, Any] = field(default_factory=dict)
    remedy: dict[str, Any] | None = None
    seconds: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether facts can be used and, if components were looked for, one has two or more."""
        return self.tokens["valid"] > 0 and (not self.facts or self.n_two > 0)

    @property
    def n_two(self) -> int:
        """The facts with two potential components or more, among those of :attr:`facts`."""
        return sum(row["components"] >= 2 for row in self.facts)

    @property
    def findings(self) -> tuple[str, ...]:
        """What is wrong, one sentence each; empty if nothing is."""
        return tuple(self._findings())

    def _findings(self) -> Any:
        n, valid = self.tokens["tokenized"], self.tokens["valid"]
        if self.invalid:
            key, reason = next(iter(self.invalid.items()))
            yield (
                f"{n - valid} of {pluralize(n, 'tokenized fact')} cannot be used; the first, "
                f"{key!r}: {reason}"
            )
        yield from self.remarks
        if self.n_asked and self.n_known < 0.1 * self.n_asked:
            yield (
                f"the model knows {self.n_known} of {pluralize(self.n_asked, 'sampled fact')}; "
                "select the facts that it knows before the run."
            )
        n = len(self.facts)
        if n and self.n_two < HALF * n:
            which = "no components" if self.n_two == 0 else "components for few facts only"
            yield (
                f"with {_words(self.selection)}, {which} will be found: {self.n_two} of "
                f"{pluralize(n, 'sampled fact')} {'has' if self.n_two == 1 else 'have'} two "
                f"clusters or more{self._advice()}."
            )

    def _advice(self) -> str:
        if self.remedy is None:
            return "; no other threshold of this rule, nor the highest of each layer, gives more"
        same = all(self.remedy[name] == self.selection[name] for name in _RULE)
        words = f"threshold={self.remedy['threshold']:g}" if same else _words(self.remedy)
        return f"; with {words}, {self.remedy['n_two']} of {self.remedy['n']} would"

    @property
    def notes(self) -> tuple[str, ...]:
        """The table and the findings as sentences, for a report."""
        lines = "; ".join(f"{what}: {result} ({basis})" for what, result, basis in self._lines())
        return (f"Check before the run. {lines}.", *self.findings)

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each fact whose neurons were found.

        Returns
        -------
        DataFrame
        """
        import pandas as pd

        return pd.DataFrame(self.facts, columns=list(_ROW))

    def table(self) -> pd.DataFrame:
        """Return everything that was checked, with the result and what it is based on.

        Returns
        -------
        DataFrame
            With the columns ``check``, ``result`` and ``basis``.
        """
        import pandas as pd

        return pd.DataFrame(list(self._lines()), columns=["check", "result", "basis"])

    def _lines(self) -> Any:
        counts = self.tokens
        basis = f"{counts['tokenized']:,} of {pluralize(self.n_facts, 'fact')}"
        yield "facts that can be used", f"{counts['valid']:,}", basis
        yield "answers of several tokens", f"{counts['several']:,}", basis
        yield "unknown tokens in the prompt", f"{counts['unknown']:,}", basis
        yield "prompts without a placeholder", f"{counts['no_placeholder']:,}", basis
        yield "longest prompt with answer", pluralize(counts["longest"], "token"), basis
        if self.n_asked:
            share = f"{self.n_known} ({self.n_known / self.n_asked:.0%})"
            yield "known (greedy exact match)", share, pluralize(self.n_asked, "fact")
        if self.facts:
            known = all(row["known"] for row in self.facts)
            basis = pluralize(len(self.facts), "known fact" if known else "fact")
            yield "selection of neurons", _words(self.selection), "the options"
            for what, label in _MIDDLES.items():
                values = [row[what] for row in self.facts]
                least, middle, most = min(values), np.median(values), max(values)
                yield label, f"{middle:,.0f} ({least:,} to {most:,})", basis
            yield "facts with two or more components", f"{self.n_two} of {len(self.facts)}", basis
        if self.seconds.get("total") is not None:
            least = "at least " if self.seconds["bound"] else ""
            yield "expected time", least + duration(self.seconds["total"]), self.seconds["basis"]
        if self.memory.get("peak"):
            basis = f"peak so far; the weights have {_size(self.memory['weights'])}"
            yield "memory", _size(self.memory["peak"]), basis
        if self.memory.get("needed"):
            yield "memory of all processes", _size(self.memory["needed"]), "the peak of each"

    def to_dict(self) -> dict[str, Any]:
        """Return all values in types that JSON can hold.

        Returns
        -------
        dict
        """
        return {**asdict(self), "ok": self.ok, "findings": list(self.findings)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preflight:
        """Return the check of :meth:`to_dict`.

        Parameters
        ----------
        values : mapping

        Returns
        -------
        Preflight
        """
        return cls(**{each.name: values[each.name] for each in fields(cls)})


_MIDDLES = {
    "neurons": "neurons of a fact",
    "pairs": "pairs of adjacent layers with neurons",
    "edges": "edges between them",
    "components": "potential components",
}
_ROW = (
    *("key", "relation", "known", "probability", "neurons", "layers", "pairs", "edges"),
    *("components", "largest"),
)


def examine(
    work: Study,
    *,
    facts: Sequence[Fact],
    items: Sequence[Any],
    n_facts: int,
    n_items: int,
    remarks: Sequence[str] = (),
    processes: int = 1,
    elsewhere: bool = False,
    extent: Extent = COMPLETE,
) -> Preflight:
    """Check a study that is ready to measure items.

    Parameters
    ----------
    work : Study
        The prepared study, with its model and options. Of several models the first is checked.
    facts : sequence of Fact
        The facts to look at, in random order.
    items : sequence
        The items that may be measured for the time.
    n_facts, n_items : int
        The numbers of facts and of items of the whole run.
    remarks : sequence of str
        What :meth:`~neurotopo.studies.Study.check` said.
    processes : int, default=1
        The number of processes that share the items. Each has the model.
    elsewhere : bool, default=False
        Whether they are on other machines, or on GPUs: their memory is not checked.
    extent : Extent
        How much is looked at.

    Returns
    -------
    Preflight

    Raises
    ------
    MemoryError
        If the processes do not fit into the memory of this machine.
    """
    started = time.perf_counter()
    model, options = _model_of(work), work.options
    valid, tokens, invalid = _tokenized(model, facts[: extent.tokenized])
    known, probability = _asked(model, valid[: extent.asked], getattr(options, "reduce", "best"))
    order = sorted(known, key=lambda key: not known[key])  # known facts first
    by_key = {fact.key: fact for fact in valid}
    if any(known.values()):
        order = [key for key in order if known[key]]
    sampled = _Sampled(model, options) if hasattr(options, "amig") else None
    if sampled is not None:
        sampled.look([by_key[key] for key in order[: extent.located]], extent.seconds)
        invalid |= sampled.invalid
    rows = [] if sampled is None else sampled.rows(known, probability)
    needed = bool(rows) and sum(row["components"] >= 2 for row in rows) < HALF * len(rows)
    seconds: dict[str, Any] = {"attribution": None if sampled is None else sampled.seconds}
    seconds |= _expected(work, items, n_facts, n_items, seconds["attribution"], processes, extent)
    memory = _memory(model, processes)
    if memory["needed"] is not None and not elsewhere:
        remedy = "Fewer workers need less (workers, --workers)."
        require_memory(memory["needed"], f"{processes} processes with the model", remedy)
    return Preflight(
        work.name,
        work.unit,
        n_facts,
        n_items,
        {**tokens, "valid": len(valid)},
        invalid,
        n_asked=len(known),
        n_known=sum(known.values()),
        facts=rows,
        selection={} if sampled is None else sampled.selection,
        remedy=sampled.remedy() if sampled is not None and needed else None,
        seconds={**seconds, "check": time.perf_counter() - started},
        memory=memory,
        remarks=list(remarks),
    )


def _model_of(work: Any) -> NeuronModel:
    model: NeuronModel = work.finder(0).model if work.several else work.model
    return model


def _tokenized(
    model: NeuronModel, facts: Sequence[Fact]
) -> tuple[list[Fact], dict[str, int], dict[str, str]]:
    """Encode facts; return those that the model can be asked for, counts, and the errors."""
    valid, invalid = [], {}
    counts = dict.fromkeys(("several", "unknown", "no_placeholder", "longest"), 0)
    unknown = getattr(model.tokenizer, "unk_token_id", None)
    for fact in facts:
        counts["no_placeholder"] += split_prompt(fact.prompt) is None
        try:
            encoding = model.encode(fact)
            model.check_length(fact, encoding.n_tokens)
        except ValueError as error:
            invalid[fact.key] = str(error)
            continue
        valid.append(fact)
        # a masked model reads on both sides of the answer
        sides = [getattr(encoding, side, ()) for side in ("prompt", "before", "after")]
        prompt = {token for side in sides for token in side}
        counts["several"] += max(map(len, encoding.answers)) > 1
        counts["unknown"] += unknown is not None and unknown in prompt
        counts["longest"] = max(counts["longest"], encoding.n_tokens)
    return valid, {"tokenized": len(facts), **counts}, invalid


def _asked(
    model: NeuronModel, facts: Sequence[Fact], reduce: Any
) -> tuple[dict[str, bool], dict[str, float]]:
    from neurotopo.models.recall import recalled

    if not facts:
        return {}, {}
    known = recalled(model, facts, ends=False).tolist()
    probability = model.answer_probabilities(facts, reduce=reduce).tolist()
    keys = [fact.key for fact in facts]
    return dict(zip(keys, known, strict=True)), dict(zip(keys, probability, strict=True))


class _Sampled:
    """The neurons and potential components of some facts, and of other selections."""

    def __init__(self, model: NeuronModel, options: Any) -> None:
        self.model, self.options = model, options
        self.amig, self.clusterer = options.amig(), options.finder().clusterer
        self.facts: list[Fact] = []
        self.scores: list[NDArray[np.float64]] = []
        self.invalid: dict[str, str] = {}
        self.seconds: float | None = None
        self.selection = {name: getattr(self.amig, name) for name in ("threshold", "rule", "scope")}
        self.counts = cache(self._counts)

    def look(self, facts: Sequence[Fact], seconds: float) -> None:
        """Score the neurons of facts until the time is over."""
        start = time.perf_counter()
        for fact in facts:
            try:
                attribution = next(self.amig.attribute_many(self.model, [fact]))
            except ValueError as error:
                self.invalid[fact.key] = reason_of(error)
                continue
            self.facts.append(fact)
            self.scores.append(attribution.scores)
            if time.perf_counter() - start > seconds:
                break
        if self.facts:
            self.seconds = (time.perf_counter() - start) / len(self.facts)

    def rows(
        self, known: Mapping[str, bool], probability: Mapping[str, float]
    ) -> list[dict[str, Any]]:
        rows = []
        for i, fact in enumerate(self.facts):
            threshold = self.amig.threshold_for(fact)
            counts = self.counts(i, threshold, self.amig.rule, self.amig.scope, None)
            about = {"known": known[fact.key], "probability": probability[fact.key]}
            rows.append({"key": fact.key, "relation": fact.relation, **about, **counts})
        return rows

    def _counts(
        self, i: int, threshold: float, rule: str, scope: str, limit: int | None
    ) -> dict[str, int]:
        """Return the counts of one fact; a graph above the limit of edges has no components."""
        neurons = select_neurons(self.scores[i], threshold, rule, scope)
        layers = np.bincount(neurons.layers, minlength=self.model.n_layers)
        edges = int((layers[:-1] * layers[1:]).sum())
        clusters: list[NeuronSet] = []
        if edges and (limit is None or edges <= limit):
            given: dict[str, Any] = getattr(self.options, "graph_options", dict)()
            graph = NeuronGraph.from_model(self.model, neurons, **given)
            clusters = potential_components(self.clusterer, graph)
        return {
            "neurons": len(neurons),
            "layers": int((layers > 0).sum()),
            "pairs": int(((layers[:-1] > 0) & (layers[1:] > 0)).sum()),
            "edges": edges,
            "components": len(clusters),
            "largest": max(map(len, clusters), default=0),
        }

    def remedy(self) -> dict[str, Any] | None:
        """Return the smallest change of the selection that gives half of the facts components."""
        rule, scope = self.amig.rule, self.amig.scope
        now = self.amig.threshold_for(self.facts[0])
        others = sorted(_OTHERS.get(rule, ()), key=lambda value: abs(np.log(value / now)))
        tries = [(value, rule, scope) for value in others if now > 0 and value != now]
        tries += [(value, "top", "layer") for value in _PER_LAYER]
        for choice in tries:
            n_two = sum(
                self.counts(i, *choice, _MOST_EDGES)["components"] >= 2
                for i in range(len(self.facts))
            )
            if n_two >= HALF * len(self.facts):
                names = zip(("threshold", "rule", "scope"), choice, strict=True)
                return {**dict(names), "n_two": n_two, "n": len(self.facts)}
        return None


def _expected(
    work: Study,
    items: Sequence[Any],
    n_facts: int,
    n_items: int,
    attribution: float | None,
    processes: int,
    extent: Extent,
) -> dict[str, Any]:
    """Return the expected time of a run, by items that are measured or by the attribution."""
    bound = None if attribution is None else attribution * n_facts / processes
    shared = "" if processes == 1 else f", in {processes} processes"
    if work.timed and items and (bound is None or bound >= extent.least):
        start, n_timed = time.perf_counter(), 0
        for item in items[: extent.timed]:
            if time.perf_counter() - start > extent.seconds:
                break
            try:
                work(item)
            except Exception:  # the run will report it
                continue
            n_timed += 1
        if n_timed:
            each = (time.perf_counter() - start) / n_timed
            basis = f"{n_timed} of {pluralize(n_items, work.unit)} measured, {each:.2g} s each"
            total = each * n_items / processes
            return {"item": each, "total": total, "bound": False, "basis": basis + shared}
    if bound is None:
        return {"item": None, "total": None, "bound": True, "basis": ""}
    basis = f"finding the neurons of {pluralize(n_facts, 'fact')}, {attribution:.2g} s each"
    return {"item": None, "total": bound, "bound": True, "basis": basis + shared}


def _memory(model: NeuronModel, processes: int) -> dict[str, Any]:
    weights = sum(each.numel() * each.element_size() for each in model.hf_model.parameters())
    peak = _peak(model.device)
    needed = processes * peak if peak and processes > 1 else None
    return {"weights": weights, "peak": peak, "needed": needed}


def _peak(device: Any) -> int | None:
    """Return the most bytes that the process, or its GPU, has used so far."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
        import sys
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _words(selection: Mapping[str, Any]) -> str:
    words = (
        f"threshold={selection['threshold']:g}",
        *(f"{name}={selection[name]}" for name in _RULE),
    )
    return ", ".join(words)


def duration(seconds: float) -> str:
    """Return a time in the largest fitting unit."""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 1.5 * length:
            return f"about {seconds / length:.2g} {unit}"
    return f"about {max(seconds, 1):.0f} s"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.0f} MB"
