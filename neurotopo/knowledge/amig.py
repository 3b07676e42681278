"""AMIG: integrated gradients of an answer over all layers in one sweep."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neurotopo.knowledge.attribution import COARSE, Attribution
from neurotopo.knowledge.quadrature import QUADRATURES, quadrature_nodes
from neurotopo.knowledge.thresholds import RULES, SCOPES, check_choices, check_threshold
from neurotopo.models.prompts import FactLike, describe_fact
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["AMIG"]

logger = logging.getLogger(__name__)

_WINDOW = 64

BASELINES = ("mean", "per-token", "zero")
TARGETS = ("joint", "log", "first")


@dataclass(frozen=True)
class AMIG:
    r"""Attribution by integrated gradients from sentences with a token replaced.

    At the tokens that predict the answer, the values :math:`w` of one layer's neurons run on a
    straight line from a baseline :math:`w'` to their values in the prompt. The gradient of the
    answer's probability F is integrated along this line:

    .. math:: a_n = (w_n - w'_n) \int_0^1 \frac{\partial F}{\partial w_n}
              \bigl(w' + \alpha (w - w')\bigr) \, d\alpha .

    The scores of a layer sum to :math:`F(w) - F(w')`, up to the error of the integration rule.

    Parameters
    ----------
    steps : int, default=20
        N, the number of steps of the integration rule.
    threshold : float or mapping, default=0.2
        Threshold of :meth:`locate`, or a mapping from language codes to thresholds.
    baseline : {"mean", "per-token", "zero"}, default="mean"
        Replacing each of the m tokens of the prompt in turn gives m sentences. ``"mean"`` starts
        at the mean of their values, as the authors' program does. ``"per-token"`` sums the scores
        of m paths, one from each sentence, as in the paper's formula, at m times the cost.
        ``"zero"`` starts at 0.
    quadrature : {"right", "left", "midpoint", "trapezoid", "gauss-legendre"}, default="right"
        The integration rule, :func:`~neurotopo.knowledge.quadrature.quadrature_nodes`.
    target : {"joint", "log", "first"}, default="joint"
        F: the probability of the whole answer, its logarithm, or the probability of the answer's
        first token.
    rule : {"relative", "absolute", "percentile", "top"}, default="relative"
        Meaning of the threshold, :func:`~neurotopo.knowledge.thresholds.select_neurons`.
    scope : {"model", "layer"}, default="model"
        Whether the rule applies to all neurons together or to each layer separately.
    replacement : int, str or None, default=None
        The replacement token. None: the end-of-text token of a causal model, the mask token of a
        masked model.
    batch_size : int or None, default=None
        Largest number of path points in one forward pass. None: as memory allows. The result does
        not depend on it.

    References
    ----------
    .. [1] Y. Chen, P. Cao, Y. Chen, K. Liu, J. Zhao, "Journey to the Center of the Knowledge
       Neurons", AAAI 2024.
    .. [2] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.

    Examples
    --------
    >>> from neurotopo import AMIG, Fact
    >>> from neurotopo.models.examples import random_model
    >>> model = random_model("gpt2")
    >>> fact = Fact("The capital of France is _X_", "Paris")
    >>> attribution = AMIG.fast().attribute(model, fact)
    >>> attribution.scores.shape, float(attribution.completeness_error.max()) < 1e-3
    ((3, 24), True)
    >>> AMIG(threshold=3, rule="top").locate(model, fact) <= attribution.neurons(30, "top")
    True
    """

    steps: int = 20
    threshold: float | Mapping[str, float] = 0.2
    baseline: str = "mean"
    quadrature: str = "right"
    target: str = "joint"
    rule: str = "relative"
    scope: str = "model"
    replacement: int | str | None = None
    batch_size: int | None = None

    def __post_init__(self) -> None:
        check_choices(
            self,
            baseline=BASELINES,
            quadrature=QUADRATURES,
            target=TARGETS,
            rule=RULES,
            scope=SCOPES,
        )
        quadrature_nodes(self.quadrature, self.steps)
        given = self.threshold
        for threshold in given.values() if isinstance(given, Mapping) else (given,):
            check_threshold(threshold, self.rule)
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1 or None, got {self.batch_size}.")

    @classmethod
    def fast(cls, **options: Any) -> AMIG:
        """Return an AMIG with eight Gauss-Legendre nodes in place of twenty steps.

        Parameters
        ----------
        **options
            Parameters of the class.

        Returns
        -------
        AMIG
        """
        return cls(**{"steps": 8, "quadrature": "gauss-legendre", **options})

    def attribute(self, model: NeuronModel, fact: FactLike) -> Attribution:
        """Score every neuron of every layer for the most probable answer of a fact.

        Parameters
        ----------
        model : NeuronModel
        fact : Fact

        Returns
        -------
        Attribution

        Raises
        ------
        UnsupportedModelError
            If the target differs from that of a plain forward pass by more than rounding.
        """
        attribution = next(self._sweep(model, [fact]))
        if attribution.relative_gap > COARSE:
            logger.warning(
                "%s: the scores of a layer differ from the change of the target by up to %.0f %% "
                "of the greatest change; more steps or AMIG.fast() are more exact.",
                describe_fact(fact),
                100 * attribution.relative_gap,
            )
        return attribution

    def attribute_many(
        self, model: NeuronModel, facts: Iterable[FactLike]
    ) -> Iterator[Attribution]:
        """Score every neuron for each of several facts, as :meth:`attribute` does for one.

        Facts whose prompts and answers have equal numbers of tokens share forward passes. Large
        gaps (:attr:`Attribution.relative_gap`) are not reported.

        Parameters
        ----------
        model : NeuronModel
        facts : iterable of Fact

        Yields
        ------
        Attribution
            In the order of the facts. If a fact is invalid for the model, the attributions of the
            facts before it come first.
        """
        waiting = iter(facts)
        while window := list(itertools.islice(waiting, _WINDOW)):
            n_done = 0
            try:
                for attribution in self._sweep(model, window):
                    yield attribution
                    n_done += 1
            except Exception:
                # one by one, so that only the invalid fact is lost
                for fact in window[n_done:]:
                    yield next(self._sweep(model, [fact]))

    def _sweep(self, model: NeuronModel, facts: Sequence[FactLike]) -> Iterator[Attribution]:
        from neurotopo.knowledge.sweep import Sweep

        sweep = Sweep(
            model,
            quadrature_nodes(self.quadrature, self.steps),
            baseline=self.baseline,
            target=self.target,
            replacement=self.replacement,
            batch_size=self.batch_size,
        )
        return sweep.run(facts)

    def locate(self, model: NeuronModel, fact: FactLike) -> NeuronSet:
        """Return the knowledge neurons: those with a score above the threshold.

        Parameters
        ----------
        model, fact
            As in :meth:`attribute`.

        Returns
        -------
        NeuronSet
        """
        threshold = self.threshold_for(fact)
        return self.attribute(model, fact).neurons(threshold, self.rule, self.scope)

    def threshold_for(self, fact: FactLike) -> float:
        """Return the threshold for the language of a fact.

        Parameters
        ----------
        fact : Fact

        Returns
        -------
        float
        """
        if not isinstance(self.threshold, Mapping):
            return self.threshold
        if fact.language not in self.threshold:
            raise ValueError(
                f"{describe_fact(fact)}: no threshold for language {fact.language!r}; there are "
                f"thresholds for {', '.join(sorted(self.threshold))}."
            )
        return self.threshold[fact.language]
