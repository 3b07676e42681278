"""Simpler attributions with the interface of AMIG, for comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.amig import AMIG
from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.baselines import fact_seed
from neurotopo.knowledge.relp import RelP
from neurotopo.knowledge.thresholds import fill_selection
from neurotopo.models.prompts import FactLike
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "ATTRIBUTORS",
    "ActivationAttribution",
    "GradientTimesActivation",
    "RandomAttribution",
    "zero_baseline",
]


@dataclass(frozen=True)
class _Selecting:
    """Selection of neurons by score, as in :class:`~neurotopo.AMIG`.

    Subclasses define ``attribute``.
    """

    # threshold, rule and scope are None until __post_init__
    threshold: float | Mapping[str, float] = None  # type: ignore[assignment]
    rule: str = None  # type: ignore[assignment]
    scope: str = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        fill_selection(self)
        self._choice()

    def _choice(self) -> AMIG:
        return AMIG(threshold=self.threshold, rule=self.rule, scope=self.scope)

    def attribute(self, model: NeuronModel, fact: FactLike) -> Attribution:
        """Score every neuron of every layer."""
        raise NotImplementedError

    def locate(self, model: NeuronModel, fact: FactLike) -> NeuronSet:
        """Return the neurons with a score above the threshold."""
        attribution = self.attribute(model, fact)
        return attribution.neurons(self.threshold_for(fact), self.rule, self.scope)

    def threshold_for(self, fact: FactLike) -> float:
        """Return the threshold for the language of a fact."""
        return self._choice().threshold_for(fact)


@dataclass(frozen=True)
class ActivationAttribution(_Selecting):
    """Attribution by the neurons' values themselves.

    A neuron's score is the mean of its values at the tokens that predict the answer. Without a
    path there is no completeness: ``start_values`` are nan.

    Parameters
    ----------
    threshold, rule, scope
        Selection of :meth:`locate`, as in :class:`~neurotopo.AMIG`.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.knowledge.other_attributions import ActivationAttribution
    >>> from neurotopo.models.examples import random_model
    >>> model, fact = random_model("gpt2"), Fact("The capital of France is", "Paris")
    >>> attribution = ActivationAttribution().attribute(model, fact)
    >>> bool(np.allclose(attribution.scores, model.activations(fact)))
    True
    """

    def attribute(self, model: NeuronModel, fact: FactLike) -> Attribution:
        """Score every neuron by its value."""
        from neurotopo.models.capture import captured_values

        encoding, value = _likeliest(model, fact)
        values = captured_values(model.pass_settings(), encoding, "answer")
        return _without_path(values.mean(axis=1, dtype=np.float64), value, encoding)


@dataclass(frozen=True)
class GradientTimesActivation(_Selecting):
    r"""Attribution by value times gradient, at the model's own values.

    .. math:: a_n = w_n \frac{\partial F}{\partial w_n}(w)

    This is the integral from zero with one node, at the end of the path; it costs one gradient
    per layer. Scores are summed over the tokens.

    Parameters
    ----------
    threshold, rule, scope
        Selection of :meth:`locate`, as in :class:`~neurotopo.AMIG`.
    target : {"joint", "log", "first", "contrast"}, default="joint"
        F, as in :class:`~neurotopo.AMIG`.
    positions, foils
        As in :class:`~neurotopo.AMIG`.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.knowledge.other_attributions import GradientTimesActivation
    >>> from neurotopo.models.examples import random_model
    >>> model, fact = random_model(), Fact("The capital of France is", "Paris")
    >>> GradientTimesActivation(threshold=5, rule="top").attribute(model, fact).scores.shape
    (3, 24)
    """

    target: str = "joint"
    positions: str = "last"
    foils: Mapping[str, Sequence[str]] | None = field(default=None, repr=False)

    def _choice(self) -> AMIG:
        return replace(
            super()._choice(),
            steps=1,
            baseline="zero",
            target=self.target,
            positions=self.positions,
            foils=self.foils,
        )

    def attribute(self, model: NeuronModel, fact: FactLike) -> Attribution:
        """Score every neuron by its value times the gradient."""
        return self._choice().attribute(model, fact)


@dataclass(frozen=True)
class RandomAttribution(_Selecting):
    """Scores drawn uniformly from [0, 1), always the same for a fact.

    Parameters
    ----------
    threshold : float or mapping, default=20
        Threshold of :meth:`locate`.
    rule : str, default="top"
        Meaning of the threshold; use a number of neurons for comparisons.
    scope : str, default="model"
        As in :class:`~neurotopo.AMIG`.
    seed : int, default=0
        Seed of the scores.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.knowledge.other_attributions import RandomAttribution
    >>> from neurotopo.models.examples import random_model
    >>> model, fact = random_model(), Fact("The capital of France is", "Paris")
    >>> drawn = RandomAttribution(threshold=5).locate(model, fact)
    >>> len(drawn), drawn == RandomAttribution(threshold=5).locate(model, fact)
    (5, True)
    """

    threshold: float | Mapping[str, float] = 20
    rule: str = "top"
    seed: int = 0

    def attribute(self, model: NeuronModel, fact: FactLike) -> Attribution:
        """Draw a score for every neuron."""
        encoding, value = _likeliest(model, fact)
        rng = np.random.default_rng(fact_seed(fact, self.seed))
        return _without_path(rng.random((model.n_layers, model.n_neurons)), value, encoding)


def zero_baseline(**options: Any) -> AMIG:
    """Return integrated gradients from zero, as Dai et al. use them.

    Parameters
    ----------
    **options
        Parameters of :class:`~neurotopo.AMIG`.

    References
    ----------
    .. [1] D. Dai, L. Dong, Y. Hao, Z. Sui, B. Chang, F. Wei, "Knowledge Neurons in Pretrained
       Transformers", ACL 2022.

    Examples
    --------
    >>> from neurotopo.knowledge.other_attributions import zero_baseline
    >>> zero_baseline(steps=10).baseline
    'zero'
    """
    return AMIG(baseline="zero", **options)


ATTRIBUTORS: Mapping[str, Callable[..., Any]] = {
    "amig": AMIG,
    "relp": RelP,
    "zero-baseline": zero_baseline,
    "gradient-times-activation": GradientTimesActivation,
    "activation": ActivationAttribution,
    "random": RandomAttribution,
}


def _likeliest(model: NeuronModel, fact: FactLike) -> tuple[Any, float]:
    """Return the encoding with the likeliest answer alone, and the answer's probability."""
    encoding = model.encode(fact)
    log_p = model.answers_log_probability(fact)
    best = int(np.argmax(log_p))
    return replace(encoding, answers=(encoding.answers[best],)), float(np.exp(log_p[best]))


def _without_path(scores: NDArray[np.float64], value: float, encoding: Any) -> Attribution:
    nowhere = np.full(len(scores), np.nan)
    return Attribution(scores, value, nowhere, n_paths=1, answer=encoding.answers[0])
