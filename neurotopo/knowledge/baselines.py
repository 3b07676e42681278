"""Values at the start of the paths: from sentences with a token replaced, or from other facts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.models.prompts import FactLike, describe_fact

if TYPE_CHECKING:
    import torch

    from neurotopo.knowledge.sentences import Asked
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "BASELINES",
    "NAMED_BASELINES",
    "check_baseline",
    "described_options",
    "fact_seed",
    "given_starts",
    "reference_values",
]

REPLACING = ("mean", "per-token")  # from the prompt with a token replaced
OF_OTHERS = ("reference", "resample")  # from other facts
NAMED_BASELINES = (*REPLACING, "zero")
BASELINES = (*NAMED_BASELINES, *OF_OTHERS)


def check_baseline(baseline: Any, reference: Any, positions: str) -> None:
    """Raise an error for a baseline that is unknown, or that lacks the facts it needs."""
    if not isinstance(baseline, str):
        values = np.asarray(baseline)
        if values.ndim != 2 or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise ValueError(
                "a baseline of values is an array of finite numbers, (n_layers, n_neurons), got "
                f"shape {values.shape}, {values.dtype}."
            )
        return
    if baseline not in BASELINES:
        raise ValueError(
            f"baseline must be one of {', '.join(BASELINES)}, or an array, got {baseline!r}."
        )
    if baseline in OF_OTHERS and not reference:
        raise ValueError(f"baseline={baseline!r} needs reference, a sequence of other facts.")
    if baseline not in OF_OTHERS and reference:
        raise ValueError(f"baseline={baseline!r} reads no reference facts; leave reference out.")
    if baseline == "resample" and positions == "all":
        raise ValueError(
            "baseline='resample' with positions='all' has no meaning: the tokens of two prompts "
            "do not correspond. Use baseline='reference', or positions='last' or 'subject'."
        )


def reference_values(
    model: NeuronModel, facts: Iterable[FactLike], positions: str = "last"
) -> NDArray[np.float32]:
    """Return the mean values of all neurons over some facts, a baseline for attributions.

    Parameters
    ----------
    model : NeuronModel
    facts : iterable of Fact
    positions : {"last", "subject", "all"}, default="last"
        The tokens, as in :class:`~neurotopo.AMIG`. Every fact has the same weight.

    Returns
    -------
    ndarray of float32, shape (n_layers, n_neurons)

    Examples
    --------
    >>> from neurotopo import AMIG, Fact
    >>> from neurotopo.knowledge.baselines import reference_values
    >>> from neurotopo.models.examples import random_model
    >>> model, fact = random_model("gpt2"), Fact("The capital of France is", "Paris")
    >>> values = reference_values(model, [Fact("The capital of Italy is", "Rome")])
    >>> AMIG(steps=2, baseline=values).attribute(model, fact).scores.shape
    (3, 24)
    """
    from neurotopo.knowledge.sentences import ask

    asked = [ask(model, fact, "joint", positions) for fact in facts]
    if not asked:
        raise ValueError("reference_values needs at least one fact.")
    mean: NDArray[np.float32] = _mean(model, asked).cpu().numpy().astype(np.float32)
    return mean


def _mean(model: NeuronModel, asked: Sequence[Asked]) -> torch.Tensor:
    import torch

    means = (torch.cat(_values(model, one), dim=1).double().mean(dim=1) for one in asked)
    return torch.as_tensor(sum(means) / len(asked))


def _values(model: NeuronModel, asked: Asked) -> list[torch.Tensor]:
    """Return the values of each sentence, (n_layers, n_positions, n_neurons)."""
    from neurotopo.models.baseline_values import sentence_values
    from neurotopo.models.evaluation import evaluating

    settings = model.pass_settings()
    with evaluating(model.hf_model):
        return [sentence_values(settings, [s.ids], s.positions)[0] for s in asked.sentences]


@dataclass(frozen=True)
class _Drawn:
    """The reference facts of ``baseline="resample"``."""

    facts: Sequence[FactLike]
    asked: Sequence[Asked]

    def of(self, fact: FactLike, seed: int) -> Asked:
        others = [i for i, other in enumerate(self.facts) if other.prompt != fact.prompt]
        if not others:
            raise ValueError(
                f"{describe_fact(fact)}: no reference fact has another prompt to draw from."
            )
        rng = np.random.default_rng(fact_seed(fact, seed))
        return self.asked[others[int(rng.integers(len(others)))]]


def given_starts(
    model: NeuronModel,
    facts: Sequence[FactLike],
    asked: Sequence[Asked],
    *,
    baseline: Any,
    reference: Sequence[FactLike] | None,
    target: str,
    positions: str,
    seed: int,
) -> list[list[torch.Tensor]] | None:
    """Return the values at the start of each fact's paths, one tensor for each sentence.

    None for baselines that depend on the prompt alone. The tensors have a shape that broadcasts to
    (n_layers, n_positions, n_neurons).
    """
    import torch

    from neurotopo.knowledge.sentences import ask

    if isinstance(baseline, str) and baseline not in OF_OTHERS:
        return None
    if isinstance(baseline, str):
        plain = "first" if target == "contrast" else target
        others = [ask(model, other, plain, positions) for other in reference or ()]
        if baseline == "resample":
            drawn = _Drawn(list(reference or ()), others)
            return [
                _aligned(one, _values(model, drawn.of(fact, seed)))
                for fact, one in zip(facts, asked, strict=True)
            ]
        values = _mean(model, others)
    else:
        values = torch.as_tensor(np.array(baseline), device=model.device)
        if values.shape != (model.n_layers, model.n_neurons):
            raise ValueError(
                f"the baseline has shape {tuple(values.shape)}; the model has (n_layers, "
                f"n_neurons) = {(model.n_layers, model.n_neurons)}."
            )
    return [[values[:, None] for _ in one.sentences] for one in asked]


def _aligned(asked: Asked, values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Return the values of another fact for each sentence, token by token.

    A token of the answer beyond the other's answer takes the values of its last token.
    """
    if len(asked.sentences) > 1 or len(values) > 1:  # masked models: a sentence per token
        last = len(values) - 1
        return [values[min(i, last)] for i in range(len(asked.sentences))]
    n = values[0].shape[1]
    at = [min(i, n - 1) for i in range(len(asked.sentences[0].positions))]
    return [values[0][:, at]]


def fact_seed(fact: FactLike, seed: int) -> list[int]:
    """Return the seed of a fact's random numbers: the same in every order of the facts."""
    text = "\0".join((fact.language, fact.prompt, *fact.answers))
    return [seed, *hashlib.sha256(text.encode()).digest()]


def described_options(attributor: object) -> dict[str, Any]:
    """Return the options of an attributor as JSON can hold them.

    Arrays, reference facts and foils are named by their size and a hash.
    """
    return {name: _described(value) for name, value in sorted(vars(attributor).items())}


def _described(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"shape": list(value.shape), "dtype": str(value.dtype), "sha256": digest}
    if isinstance(value, Mapping) and any(not isinstance(v, int | float) for v in value.values()):
        items = sorted((key, list(texts)) for key, texts in value.items())
        return {"n_facts": len(items), "sha256": hashlib.sha256(repr(items).encode()).hexdigest()}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | list):
        texts = repr([(each.language, each.prompt, tuple(each.answers)) for each in value])
        return {"n_facts": len(value), "sha256": hashlib.sha256(texts.encode()).hexdigest()}
    return value
