"""Knowledge neurons of many facts, each in one or several wordings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from neurotopo._files import atomic_write, read_json
from neurotopo.knowledge.amig import AMIG
from neurotopo.knowledge.attribution import COARSE, Attribution
from neurotopo.knowledge.baselines import described_options
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.result_file import ResultFile
from neurotopo.knowledge.thresholds import select_neurons
from neurotopo.models.prompts import FactLike, describe_fact
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["COMBINATIONS", "Attributor", "Located", "attributions", "locate"]

COMBINATIONS = ("shared", "union", "mean")


class Attributor(Protocol):
    """Interface of attributions: scores of neurons and a threshold; :class:`~neurotopo.AMIG`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> import neurotopo as nt
    >>> from neurotopo.knowledge.locate import locate
    >>> from neurotopo.models.examples import random_model
    >>> @dataclass(frozen=True)
    ... class LastLayers:
    ...     steps: int = 8
    ...     rule = "top"
    ...     scope = "model"
    ...
    ...     def threshold_for(self, fact):
    ...         return 4
    ...
    ...     def attribute(self, model, fact):
    ...         attribution = nt.AMIG(steps=self.steps).attribute(model, fact)
    ...         attribution.scores[0] = 0
    ...         return attribution
    >>> fact = nt.Fact("The capital of France is _X_", "Paris", id="paris")
    >>> neurons = locate(random_model(), [fact], LastLayers()).neurons["paris"]
    >>> len(neurons), 0 in neurons.layers
    (4, False)
    """

    @property
    def rule(self) -> str:
        """Meaning of the threshold."""

    @property
    def scope(self) -> str:
        """Whether it applies to the model or to each layer separately."""

    def attribute(self, model: NeuronModel, fact: FactLike) -> Attribution:
        """Score every neuron."""

    def threshold_for(self, fact: FactLike) -> float:
        """Return the threshold for a fact."""


@dataclass(frozen=True, eq=False)
class Located:
    """Knowledge neurons by fact.

    Attributes
    ----------
    neurons : dict of str to NeuronSet
        The neurons of each fact, possibly none, by :attr:`~neurotopo.Fact.key`.
    facts : dict of str to tuple of Fact
        The wordings of each fact; the key is that of the first.
    scores : dict of str to ndarray
        The neurons' scores, the mean over the wordings, in the order of the set.
    shares : dict of str to ndarray
        Share of the wordings in which each neuron passed the threshold.
    gaps : dict of str to float
        Largest :attr:`~neurotopo.knowledge.attribution.Attribution.relative_gap` of the wordings;
        nan for attributions without paths.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.knowledge.locate import locate
    >>> from neurotopo.models.examples import random_model
    >>> first = Fact("The capital of Italy is _X_", "Rome", id="rome")
    >>> second = Fact("Italy is the capital of _X_", "Rome")
    >>> located = locate(random_model("gpt2"), [[first, second]], share=0.4)
    >>> list(located.neurons), located.n_empty
    (['rome'], 0)
    >>> list(located.to_pandas().columns)
    ['key', 'layer', 'index', 'score', 'share']
    """

    neurons: dict[str, NeuronSet]
    facts: dict[str, tuple[Fact, ...]]
    scores: dict[str, NDArray[np.float64]]
    shares: dict[str, NDArray[np.float64]]
    gaps: dict[str, float]

    def __repr__(self) -> str:
        return f"Located(n_facts={len(self.neurons)}, n_empty={self.n_empty})"

    @property
    def n_empty(self) -> int:
        """Number of facts without any neuron."""
        return sum(not neurons for neurons in self.neurons.values())

    @property
    def n_coarse(self) -> int:
        """Number of facts whose integration was coarse: a gap above 5 %."""
        return sum(gap > COARSE for gap in self.gaps.values())

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each neuron of each fact, by falling score within a fact."""
        import pandas as pd

        rows: list[tuple[Any, ...]] = []
        for key, neurons in self.neurons.items():
            order = np.argsort(-self.scores[key], kind="stable")
            columns = (neurons.layers, neurons.indices, self.scores[key], self.shares[key])
            values = (column[order].tolist() for column in columns)
            rows += ((key, *row) for row in zip(*values, strict=True))
        kinds = {"layer": "int64", "index": "int64", "score": "float64", "share": "float64"}
        return pd.DataFrame(rows, columns=["key", *kinds]).astype(kinds)

    def to_json(self) -> str:
        """Return everything as a JSON object."""
        records = [self._record(key) for key in self.neurons]
        counts = {"n_facts": len(records), "n_empty": self.n_empty, "n_coarse": self.n_coarse}
        return json.dumps({**counts, "facts": records}, ensure_ascii=False, allow_nan=False)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write :meth:`to_json` to a file, which is replaced after everything is written."""
        with atomic_write(Path(path)) as file:
            file.write(self.to_json().encode() + b"\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Located:
        """Read a file of :meth:`save`."""
        try:
            return cls._of_records(read_json(path)["facts"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} was not written by Located.save.") from error

    def _record(self, key: str) -> dict[str, Any]:
        scores, shares = self.scores[key], self.shares[key]
        return _record(key, self.facts[key], self.neurons[key], scores, shares, self.gaps[key])

    @classmethod
    def _of_records(cls, records: Iterable[Mapping[str, Any]]) -> Located:
        located = cls({}, {}, {}, {}, {})
        for record in records:
            key, gap = record["key"], record["gap"]
            located.facts[key] = tuple(Fact(**fields) for fields in record["prompts"])
            located.neurons[key] = NeuronSet(tuple(pair) for pair in record["neurons"])
            located.scores[key] = np.array(record["scores"], dtype=np.float64)
            located.shares[key] = np.array(record["shares"], dtype=np.float64)
            located.gaps[key] = float("nan") if gap is None else float(gap)
            sizes = {len(part[key]) for part in (located.neurons, located.scores, located.shares)}
            if len(sizes) > 1:
                raise ValueError(f"fact {key!r} needs one score and one share per neuron")
        return located


def locate(
    model: NeuronModel,
    facts: Iterable[Fact | Sequence[Fact]],
    attributor: Attributor | None = None,
    *,
    combine: str = "shared",
    share: float = 0.5,
    out: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Located:
    """Find the knowledge neurons of many facts.

    Parameters
    ----------
    model : NeuronModel
    facts : iterable of Fact or sequence of Fact
        The facts. A sequence holds one fact in several wordings; its key is that of the first.
    attributor : Attributor, optional
        Scores and selects the neurons. Default: ``AMIG()``.
    combine : {"shared", "union", "mean"}, default="shared"
        The neurons of a fact in several wordings: ``"shared"`` those of more than ``share`` of
        its wordings, as in Dai et al.; ``"union"`` those of any; ``"mean"`` those whose mean
        score exceeds the threshold.
    share : float, default=0.5
        For ``"shared"``; a share of exactly this size is not enough.
    out : path-like, optional
        A file with one JSON object per fact, written as soon as the result exists. Facts in an
        existing file are not computed again, so interrupted work resumes.
    progress : bool, default=False
        Show a progress bar.

    Returns
    -------
    Located
        In the order of ``facts``.

    Raises
    ------
    ValueError
        If two facts have the same key, if ``out`` was made with another model or other options,
        or if a fact is invalid for the model; the message starts with the fact.

    References
    ----------
    .. [1] D. Dai, L. Dong, Y. Hao, Z. Sui, B. Chang, F. Wei, "Knowledge Neurons in Pretrained
       Transformers", ACL 2022.

    Examples
    --------
    >>> from neurotopo import AMIG, Fact
    >>> from neurotopo.knowledge.locate import locate
    >>> from neurotopo.models.examples import random_model
    >>> paris = Fact("The capital of France is _X_", "Paris", id="paris")
    >>> rome = Fact("The capital of Italy is _X_", "Rome", id="rome")
    >>> located = locate(random_model(), [paris, rome], AMIG.fast(threshold=5, rule="top"))
    >>> [(key, len(neurons)) for key, neurons in located.neurons.items()]
    [('paris', 5), ('rome', 5)]
    """
    if combine not in COMBINATIONS:
        raise ValueError(f"combine must be one of {', '.join(COMBINATIONS)}, got {combine!r}.")
    if not 0 <= share < 1:
        raise ValueError(f"share must be at least 0 and less than 1, got {share}.")
    chosen: Attributor = AMIG() if attributor is None else attributor
    wordings = _by_key(facts)
    if out is None:
        return Located._of_records(_records(model, wordings, chosen, combine, share, {}, progress))
    options = {"combine": combine, "share": share if combine == "shared" else None}
    with ResultFile(Path(out), _header(model, chosen, options)) as file:
        done = {record["key"]: record for record in file.records}
        for key in done.keys() & wordings.keys():
            if done[key]["prompts"] != _dicts(wordings[key]):
                raise ValueError(f"{out} holds a fact {key!r} with other wordings or answers.")
        records = []
        for record in _records(model, wordings, chosen, combine, share, done, progress):
            if record["key"] not in done:
                file.append(record)
            records.append(record)
    return Located._of_records(records)


def _by_key(facts: Iterable[Fact | Sequence[Fact]]) -> dict[str, tuple[Fact, ...]]:
    if isinstance(facts, Fact):
        raise TypeError("facts must be an iterable of facts; put a single fact into a list.")
    wordings: dict[str, tuple[Fact, ...]] = {}
    for i, item in enumerate(facts):
        group = (item,) if isinstance(item, Fact) else item
        if not isinstance(group, Sequence) or not all(isinstance(each, Fact) for each in group):
            raise TypeError(f"facts[{i}] must be a Fact or a sequence of Facts, got {item!r}.")
        if not group:
            raise ValueError(f"facts[{i}] has no wording.")
        if group[0].key in wordings:
            name = describe_fact(group[0])
            raise ValueError(f"{name}: facts[{i}] has the key {group[0].key!r} of an earlier one.")
        wordings[group[0].key] = tuple(group)
    return wordings


def _records(
    model: NeuronModel,
    wordings: Mapping[str, tuple[Fact, ...]],
    attributor: Attributor,
    combine: str,
    share: float,
    done: Mapping[str, dict[str, Any]],
    progress: bool,
) -> Iterator[dict[str, Any]]:
    """Yield the record of each fact; finished records are not changed."""
    waiting = [fact for key, group in wordings.items() if key not in done for fact in group]
    in_turn = attributions(model, waiting, attributor)
    for key, group in _shown(wordings, done, progress):
        if key in done:
            yield done[key]
            continue
        counts = np.zeros((model.n_layers, model.n_neurons), dtype=np.intp)
        mean = np.zeros((model.n_layers, model.n_neurons))
        gap = 0.0
        for fact in group:
            try:
                threshold = attributor.threshold_for(fact)
                attribution = next(in_turn)
                neurons = attribution.neurons(threshold, attributor.rule, attributor.scope)
            except Exception as error:
                if str(error).startswith(describe_fact(fact)):
                    raise
                raise _named(error, fact) from error
            counts[neurons.layers, neurons.indices] += 1
            mean += attribution.scores / len(group)
            gap = float(np.maximum(gap, attribution.relative_gap))
        shares = counts / len(group)
        if combine == "mean":
            threshold = attributor.threshold_for(group[0])
            kept = select_neurons(mean, threshold, attributor.rule, attributor.scope)
        else:
            bar = share if combine == "shared" else 0.0
            kept = NeuronSet.from_arrays(*np.nonzero(shares > bar))
        at = kept.layers, kept.indices
        yield _record(key, group, kept, mean[at], shares[at], gap)


def _record(
    key: str,
    group: Sequence[Fact],
    neurons: NeuronSet,
    scores: NDArray[np.float64],
    shares: NDArray[np.float64],
    gap: float,
) -> dict[str, Any]:
    return {
        "key": key,
        "prompts": _dicts(group),
        "neurons": neurons.to_array().tolist(),
        "scores": scores.tolist(),
        "shares": shares.tolist(),
        "gap": gap if np.isfinite(gap) else None,
    }


def attributions(
    model: NeuronModel, facts: Sequence[FactLike], attributor: Attributor
) -> Iterator[Attribution]:
    """Attribute facts in order, several at a time if the attributor supports it."""
    many = getattr(attributor, "attribute_many", None)
    if many is not None:
        yield from many(model, facts)
    else:
        yield from (attributor.attribute(model, fact) for fact in facts)


def _shown(
    wordings: Mapping[str, tuple[Fact, ...]], done: Mapping[str, Any], progress: bool
) -> Iterator[tuple[str, tuple[Fact, ...]]]:
    if not progress:
        yield from wordings.items()
        return
    from tqdm.auto import tqdm

    n_done = len(done.keys() & wordings.keys())
    with tqdm(total=len(wordings), initial=n_done, desc="locate", unit="fact") as bar:
        for key, group in wordings.items():
            yield key, group
            if key not in done:
                bar.update()


def _dicts(group: Sequence[Fact]) -> list[dict[str, Any]]:
    return [fact.to_dict() for fact in group]


def _named(error: Exception, fact: Fact) -> Exception:
    """Return an exception of the same kind whose message names the fact."""
    name = describe_fact(fact)
    for kind in (ValueError, TypeError, MemoryError, OSError):
        if isinstance(error, kind):
            return kind(f"{name}: {error}")
    return RuntimeError(f"{name}: {type(error).__name__}: {error}")


def _header(
    model: NeuronModel, attributor: Attributor, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Return everything that results depend on, except the facts."""
    given = {
        name: value
        for name, value in described_options(attributor).items()
        if name != "batch_size"  # does not change results
    }
    config = model.hf_model.config
    chat = {} if model.chat is None else {"chat": model.chat.to_dict()}
    return {
        **chat,
        "attributor": type(attributor).__name__,
        **given,
        **options,
        "model": config.name_or_path or "",
        "architecture": type(model.hf_model).__name__,
        "n_layers": model.n_layers,
        "n_neurons": model.n_neurons,
        "d_model": model.d_model,
        "dtype": str(model.dtype).removeprefix("torch."),
    }
