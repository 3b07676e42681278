"""RelP: attribution by one backward pass with frozen norms, attention patterns and gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from neurotopo.knowledge.attributing import Attributing
from neurotopo.knowledge.attribution import Attribution
from neurotopo.models.prompts import FactLike

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["RelP"]


@dataclass(frozen=True, eq=False)
class RelP(Attributing):
    r"""Attribution by relevance patching: one forward and one backward pass for all layers.

    .. math:: a_n = (w_n - w'_n) \, c_n(w)

    The coefficient :math:`c_n` is the derivative of the target F with respect to the neuron in a
    model whose nonlinear steps are constants: the denominators of norms, the attention patterns,
    and the factors f(x) / x of nonlinearities f; a gate and the value that it multiplies have half
    of the gradient each (:mod:`neurotopo.models.linearized`). Plain gradients, in contrast, are
    small where a norm or a nonlinearity saturates.

    There is no path, so no completeness: ``start_values`` are nan.

    Parameters
    ----------
    threshold : float or mapping, optional
        Threshold of :meth:`locate`, or a mapping from language codes to thresholds; by default as
        in :class:`~neurotopo.AMIG`.
    baseline : {"zero", "mean", "reference", "resample"} or array, default="zero"
        :math:`w'`, as in :class:`~neurotopo.AMIG`.
    target : {"joint", "log", "first", "contrast"}, default="joint"
        F, as in :class:`~neurotopo.AMIG`. Probabilities are nonlinear in the logits: here F has
        its own derivative.
    rule, scope, replacement
        As in :class:`~neurotopo.AMIG`.
    batch_size : int or None, default=None
        Largest number of sentences in one pass. None: as memory allows.
    positions, foils, reference, seed
        As in :class:`~neurotopo.AMIG`.

    References
    ----------
    .. [1] F. R. Jafari, O. Eberle, A. Khakzar, N. Nanda, "RelP: Faithful and Efficient Circuit
       Discovery in Language Models via Relevance Patching", 2025.
    .. [2] S. Bach, A. Binder, G. Montavon, F. Klauschen, K.-R. Müller, W. Samek, "On Pixel-Wise
       Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance Propagation",
       PLOS ONE 2015.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.knowledge.relp import RelP
    >>> from neurotopo.models.examples import random_model
    >>> model, fact = random_model("llama"), Fact("The capital of France is", "Paris")
    >>> attribution = RelP().attribute(model, fact)
    >>> attribution.scores.shape, len(RelP(threshold=5, rule="top").locate(model, fact))
    ((3, 24), 5)
    """

    # threshold, rule and scope are None until __post_init__
    threshold: float | Mapping[str, float] = None  # type: ignore[assignment]
    baseline: Any = "zero"
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
        super().__post_init__()
        if isinstance(self.baseline, str) and self.baseline == "per-token":
            raise ValueError(
                "RelP has no paths, so baseline='per-token' has no meaning; use baseline='mean'."
            )

    def _sweep(
        self, model: NeuronModel, facts: Sequence[FactLike], foils: Sequence[Sequence[str] | None]
    ) -> Iterator[Attribution]:
        from neurotopo.knowledge.relevance import RelevanceSweep

        sweep = RelevanceSweep(
            model,
            baseline=self.baseline,
            target=self.target,
            replacement=self.replacement,
            batch_size=self.batch_size,
            positions=self.positions,
            reference=self.reference,
            seed=self.seed,
        )
        return sweep.run(facts, foils)
