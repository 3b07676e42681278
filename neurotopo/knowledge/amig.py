"""AMIG: integrated gradients of an answer over all layers in one sweep."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.knowledge.attributing import Attributing
from neurotopo.knowledge.attribution import COARSE, Attribution
from neurotopo.knowledge.quadrature import QUADRATURES, quadrature_nodes
from neurotopo.knowledge.thresholds import PAPER_SELECTION, check_choices
from neurotopo.models.prompts import FactLike, describe_fact

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["AMIG"]

logger = logging.getLogger(__name__)

EPS = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
ROUNDINGS = 32
"""Greatest error of a logarithmic target that may be rounding, in units of its precision."""

SHRINKS = 0.75
"""A gap that twice the steps do not reduce to this share is not an error of the integration."""


@dataclass(frozen=True, eq=False)
class AMIG(Attributing):
    r"""Attribution by integrated gradients from sentences with a token replaced.

    At some tokens, the values :math:`w` of one layer's neurons run on a straight line from a
    baseline :math:`w'` to their values in the prompt. The gradient of the target F, the
    probability of the answer, is integrated along this line:

    .. math:: a_n = (w_n - w'_n) \int_0^1 \frac{\partial F}{\partial w_n}
              \bigl(w' + \alpha (w - w')\bigr) \, d\alpha .

    The scores of a layer sum to :math:`F(w) - F(w')`, up to the error of the integration rule.

    Parameters
    ----------
    steps : int, default=20
        N, the number of steps of the integration rule.
    threshold : float or mapping, optional
        Threshold of :meth:`locate`, or a mapping from language codes to thresholds. Without
        ``threshold``, ``rule`` and ``scope``: the eight highest of each layer. With one of them:
        0.2, as in :meth:`paper`.
    baseline : {"mean", "per-token", "zero", "reference", "resample"} or array, default="mean"
        Values at the start of the path. Replacing each of the m tokens of the prompt in turn gives
        m sentences. ``"mean"`` starts at the mean of their values, as the authors' program does.
        ``"per-token"`` sums the scores of m paths, one from each sentence, as in the paper's
        formula, at m times the cost. ``"zero"`` starts at 0. ``"reference"`` starts at the mean
        values over the ``reference`` facts, at the same kind of tokens
        (:func:`~neurotopo.knowledge.baselines.reference_values`), ``"resample"`` at the values of
        one of these facts with another prompt, drawn by ``seed``. An array has the values, shape
        (n_layers, n_neurons).
    quadrature : {"right", "left", "midpoint", "trapezoid", "gauss-legendre"}, default="right"
        The integration rule, :func:`~neurotopo.knowledge.quadrature.quadrature_nodes`.
    target : {"joint", "log", "first", "contrast"}, default="joint"
        F: the probability of the whole answer, its logarithm, or the probability of the answer's
        first token. ``"contrast"``: log-probability of the answer's first token minus the
        logarithm of the mean probability of the foils' first tokens. Foils with the first token of
        an answer are left out; those that begin alike count once.
    rule : {"relative", "absolute", "percentile", "top", "mass"}, optional
        Meaning of the threshold, :func:`~neurotopo.knowledge.thresholds.select_neurons`. With
        another one of the three given: ``"relative"``.
    scope : {"model", "layer"}, optional
        Whether the rule applies to all neurons together or to each layer separately. With another
        one of the three given: ``"model"``.
    replacement : int, str or None, default=None
        The replacement token. None: the end-of-text token of a causal model, the mask token of a
        masked model.
    batch_size : int or None, default=None
        Largest number of path points in one forward pass. None: as memory allows. The result does
        not depend on it.
    positions : {"last", "subject", "all"}, default="last"
        Tokens whose values run along the path; scores are summed over them. ``"last"``: those that
        predict the answer. ``"subject"``: the last token of the fact's subject. ``"all"``: every
        token of the prompt and of the answer before its last.
    foils : mapping or None, default=None
        For ``target="contrast"``: wrong answers of each fact, by :attr:`~neurotopo.Fact.key`; or
        pass them to :meth:`attribute`.
    reference : sequence of Fact or None, default=None
        Facts for the baselines ``"reference"`` and ``"resample"``.
    seed : int, default=0
        Seed of ``"resample"``; what is drawn for a fact does not depend on the other facts.

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
    # threshold, rule and scope are None until __post_init__
    threshold: float | Mapping[str, float] = None  # type: ignore[assignment]
    baseline: Any = "mean"
    quadrature: str = "right"
    target: str = "joint"
    rule: str = None  # type: ignore[assignment]
    scope: str = None  # type: ignore[assignment]
    replacement: int | str | None = None
    batch_size: int | None = None
    positions: str = "last"
    foils: Mapping[str, Sequence[str]] | None = field(default=None, repr=False)
    reference: Sequence[FactLike] | None = field(default=None, repr=False)
    seed: int = 0

    def __post_init__(self) -> None:
        check_choices(self, quadrature=QUADRATURES)
        quadrature_nodes(self.quadrature, self.steps)
        super().__post_init__()

    @classmethod
    def paper(cls, **options: Any) -> AMIG:
        """Return an AMIG with the selection of the paper's authors: 0.2 of the greatest score.

        Parameters
        ----------
        **options
            Parameters of the class.

        Returns
        -------
        AMIG
        """
        return cls(**{**PAPER_SELECTION, **options})

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

    def attribute(
        self, model: NeuronModel, fact: FactLike, foils: Sequence[str] | None = None
    ) -> Attribution:
        """Score every neuron of every layer for the most probable answer of a fact.

        A gap above 5 % (:attr:`Attribution.relative_gap`) is reported as a warning, with its cause:
        a coarse integration, or the rounding of the model's numbers.

        Parameters
        ----------
        model : NeuronModel
        fact : Fact
        foils : sequence of str, optional
            For ``target="contrast"``: the wrong answers, in place of those in the options.

        Returns
        -------
        Attribution

        Raises
        ------
        UnsupportedModelError
            If the target differs from that of a plain forward pass by more than rounding.
        """
        attribution = self._one(model, fact, foils)
        if attribution.relative_gap > COARSE:
            logger.warning(
                "%s: the scores of a layer differ from the change of the target along its path by "
                "up to %.0f %% of the greatest change of any layer; %s",
                describe_fact(fact),
                100 * attribution.relative_gap,
                self._remedy(model, fact, foils, attribution),
            )
        return attribution

    def _remedy(
        self,
        model: NeuronModel,
        fact: FactLike,
        foils: Sequence[str] | None,
        attribution: Attribution,
    ) -> str:
        """Tell rounding, which more steps do not reduce, from a coarse integration."""
        precision = str(model.dtype).removeprefix("torch.")
        coarse = "more steps or AMIG.fast() are more exact."
        if precision == "float64" or not self._may_be_rounding(attribution, precision):
            return coarse
        other = replace(self, steps=self.steps // 2 or 2)
        fewer, more = (other, self) if other.steps < self.steps else (self, other)
        gap = attribution.relative_gap
        gaps = {self: gap, other: other._one(model, fact, foils).relative_gap}
        if gaps[more] < SHRINKS * gaps[fewer]:
            return coarse
        exact = "float64" if precision == "float32" else "float32"
        return (
            f"it is no smaller with {more.steps} steps than with {fewer.steps}, so the cause is "
            f"the rounding of {precision}: load the model with dtype={exact!r}; more steps do not "
            "help."
        )

    def _may_be_rounding(self, attribution: Attribution, precision: str) -> bool:
        """Tell whether a gap is as small as the rounding of logits makes it."""
        values = np.append(attribution.start_values, attribution.value)
        gap = np.abs(attribution.completeness_gap).max() / attribution.n_paths
        if self.target in ("log", "contrast"):
            size = np.abs(values).max()
        else:
            gap, size = gap / values.max(), -np.log(values.max())
        return bool(gap <= ROUNDINGS * EPS[precision] * max(1.0, size))

    def _sweep(
        self, model: NeuronModel, facts: Sequence[FactLike], foils: Sequence[Sequence[str] | None]
    ) -> Iterator[Attribution]:
        from neurotopo.knowledge.sweep import Sweep

        sweep = Sweep(
            model,
            quadrature_nodes(self.quadrature, self.steps),
            baseline=self.baseline,
            target=self.target,
            replacement=self.replacement,
            batch_size=self.batch_size,
            positions=self.positions,
            reference=self.reference,
            seed=self.seed,
        )
        return sweep.run(facts, foils)
