"""AMIG: which neurons carry an answer, by integrated gradients over all layers in one sweep."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.quadrature import QUADRATURES, quadrature_nodes
from neurotopo.knowledge.thresholds import RULES, SCOPES, check_threshold, select_neurons
from neurotopo.models.prompts import FactLike, describe_fact
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["AMIG", "Attribution"]

logger = logging.getLogger(__name__)

COARSE = 0.05  # a relative gap above it is worth a word
_WINDOW = 64

BASELINES = ("mean", "per-token", "zero")
TARGETS = ("joint", "log", "first")


@dataclass(frozen=True, eq=False)
class Attribution:
    """What every neuron contributes to one answer.

    Attributes
    ----------
    scores : ndarray of float64, shape (n_layers, n_neurons)
        The attributions.
    value : float
        The target at the model's own values: a probability, or a logarithm of one for
        ``target="log"``.
    start_values : ndarray of float64, shape (n_layers,)
        The target with the values of one layer at the start of its path. With
        ``baseline="per-token"`` the mean over the paths.
    n_paths : int
        Number of paths per layer that were summed.
    answer : str or tuple of int
        Token ids of the answer that was asked for.

    Examples
    --------
    >>> from neurotopo import AMIG, Fact
    >>> from neurotopo.models.examples import random_model
    >>> fact = Fact("The capital of France is _X_", "Paris")
    >>> found = AMIG.fast().attribute(random_model(), fact)
    >>> found.scores.shape, len(found.start_values), found.relative_gap < 0.01
    ((3, 24), 3, True)
    >>> len(found.neurons(3, rule="top")), list(found.to_pandas(3))
    (3, ['layer', 'index', 'score'])
    """

    scores: NDArray[np.float64]
    value: float
    start_values: NDArray[np.float64]
    n_paths: int
    answer: tuple[int, ...]

    @property
    def completeness_gap(self) -> NDArray[np.float64]:
        """Sum of each layer's scores minus the difference of the target along its path.

        Zero for an exact integral.
        """
        difference = self.n_paths * (self.value - self.start_values)
        return np.asarray(self.scores.sum(axis=1) - difference)

    @property
    def completeness_error(self) -> NDArray[np.float64]:
        """Size of each layer's gap relative to the difference of the target; 0 for no gap."""
        difference = np.abs(self.n_paths * (self.value - self.start_values))
        gap = np.abs(self.completeness_gap)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(gap == 0, 0.0, gap / difference)

    @property
    def relative_gap(self) -> float:
        """Greatest gap of a layer relative to the greatest difference of the target in any layer.

        Large where the integration was coarse; nan for an attribution without paths.
        """
        difference = np.abs(self.n_paths * (self.value - self.start_values)).max()
        gap = np.abs(self.completeness_gap).max()
        return 0.0 if gap == 0 else float(gap / difference) if difference else float("inf")

    def neurons(
        self, threshold: float = 0.2, rule: str = "relative", scope: str = "model"
    ) -> NeuronSet:
        """Return the neurons with scores above a threshold (:func:`select_neurons`)."""
        return select_neurons(self.scores, threshold, rule, scope)

    def to_pandas(self, n: int | None = None) -> pd.DataFrame:
        """Return the neurons in descending order of score, the first n of them."""
        import pandas as pd

        order = np.argsort(-self.scores, axis=None, kind="stable")[:n]
        layer, index = np.unravel_index(order, self.scores.shape)
        return pd.DataFrame(
            {"layer": layer, "index": index, "score": self.scores.reshape(-1)[order]}
        )


@dataclass(frozen=True)
class AMIG:
    r"""Attribution by integrated gradients from sentences with a token replaced.

    The values :math:`w` of one layer's neurons at the tokens that predict the answer run on a
    straight line from a baseline :math:`w'` to what they are in the prompt, and the gradient of
    the answer's probability F is integrated along it:

    .. math:: a_n = (w_n - w'_n) \int_0^1 \frac{\partial F}{\partial w_n}
              \bigl(w' + \alpha (w - w')\bigr) \, d\alpha .

    The scores of a layer sum to :math:`F(w) - F(w')`, up to the error of the integration rule.

    Parameters
    ----------
    steps : int, default=20
        N, the steps of the integration rule.
    threshold : float or mapping, default=0.2
        What :meth:`locate` keeps; a mapping gives it by language of the fact.
    baseline : {"mean", "per-token", "zero"}, default="mean"
        Each token of the prompt in turn is replaced, which gives m sentences. ``"mean"`` starts
        at the mean of the values in them, as the authors' program does; ``"per-token"`` runs m
        paths, one from each, and adds the scores up, as the paper's formula says, for m times the
        work; ``"zero"`` starts at 0.
    quadrature : {"right", "left", "midpoint", "trapezoid", "gauss-legendre"}, default="right"
        The integration rule, :func:`~neurotopo.knowledge.quadrature.quadrature_nodes`.
    target : {"joint", "log", "first"}, default="joint"
        F: the probability of the whole answer, its logarithm, or the probability of the answer's
        first token.
    rule : {"relative", "absolute", "percentile", "top"}, default="relative"
        What the threshold means, :func:`~neurotopo.knowledge.thresholds.select_neurons`.
    scope : {"model", "layer"}, default="model"
        Whether the rule is applied to all neurons or to each layer by itself.
    replacement : int, str or None, default=None
        The token that replaces others; None: the end-of-text token of causal, the mask of masked
        models.
    batch_size : int or None, default=None
        Most points of paths in one forward; None: as memory allows. The result does not depend
        on it.

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
    replacement: int | str | None = field(default=None)
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("baseline", self.baseline, BASELINES),
            ("quadrature", self.quadrature, QUADRATURES),
            ("target", self.target, TARGETS),
            ("rule", self.rule, RULES),
            ("scope", self.scope, SCOPES),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}.")
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
            As for the class.

        Returns
        -------
        AMIG
        """
        return cls(**{"steps": 8, "quadrature": "gauss-legendre", **options})

    def attribute(self, model: NeuronModel, fact: FactLike) -> Attribution:
        """Score every neuron of every layer.

        Parameters
        ----------
        model : NeuronModel
            The model.
        fact : Fact
            Of several answers the likeliest is asked for.

        Returns
        -------
        Attribution
        """
        from neurotopo.knowledge.sweep import sweep

        found = next(sweep(self, model, [fact]))
        if found.relative_gap > COARSE:
            logger.warning(
                "%s: the scores of a layer miss the change of the target by up to %.0f %% of the "
                "greatest change; more steps or AMIG.fast() would be more exact.",
                describe_fact(fact),
                100 * found.relative_gap,
            )
        return found

    def attribute_many(
        self, model: NeuronModel, facts: Iterable[FactLike]
    ) -> Iterator[Attribution]:
        """Score every neuron for each of several facts, as :meth:`attribute` does for one.

        Facts whose prompts and answers have as many tokens go through the model together, as many
        as fit. Large gaps (:attr:`Attribution.relative_gap`) are not reported here.

        Parameters
        ----------
        model : NeuronModel
            The model.
        facts : iterable of Fact
            The facts.

        Yields
        ------
        Attribution
            In the order of the facts. Where one of them is wrong for the model, those before it
            come first.
        """
        from neurotopo.knowledge.sweep import sweep

        waiting = iter(facts)
        while window := list(itertools.islice(waiting, _WINDOW)):
            n_done = 0
            try:
                for found in sweep(self, model, window):
                    yield found
                    n_done += 1
            except Exception:
                # one by one, so that nothing is lost to the fact that is at fault
                for fact in window[n_done:]:
                    yield next(sweep(self, model, [fact]))

    def locate(self, model: NeuronModel, fact: FactLike) -> NeuronSet:
        """Return the knowledge neurons: those with a score above the threshold.

        Parameters
        ----------
        model : NeuronModel
            The model.
        fact : Fact
            The fact.

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
            The fact.

        Returns
        -------
        float
        """
        if not isinstance(self.threshold, Mapping):
            return self.threshold
        language = fact.language
        if language not in self.threshold:
            raise ValueError(
                f"{describe_fact(fact)}: there is no threshold for language {language!r}; there "
                f"are thresholds for {', '.join(sorted(self.threshold))}."
            )
        return self.threshold[language]
