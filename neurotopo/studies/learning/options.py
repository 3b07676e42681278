"""What can be chosen about the learning study, checked before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.knowledge.amig import AMIG
from neurotopo.knowledge.degeneracy import DKNFinder
from neurotopo.studies.learning.data import TEXTS
from neurotopo.studies.study import StudyOptions

__all__ = ["ARMS", "PRESETS", "LearningOptions"]

ARMS: Mapping[str, str] = {
    "dkn": "the degenerate knowledge neurons of the old facts",
    "kn": "as many knowledge neurons that are not degenerate",
    "random": "as many random neurons",
    "random_layers": "random neurons, as many in each layer",
    "all": "all parameters: full fine-tuning",
    "lora": "a LoRA on the MLPs with as many trained numbers as dkn",
}
"""What is trained, by name."""

PRESETS = ("auto", "paper", "small")

_SMALL = {"lr": 3e-3, "accumulation": 1, "epochs": 30}
_PAPER = {"lr": 3e-5, "accumulation": 4, "epochs": 50}
_SMALL_MODEL = 50_000_000  # weights


@dataclass(frozen=True)
class LearningOptions(StudyOptions):
    """Options of the study ``learning``.

    Parameters
    ----------
    arms : sequence of str
        What is trained, keys of :data:`ARMS`.
    n_seeds : int, default=3
        Number of trainings of each arm.
    old_date, new_date, text
        The lessons, :func:`~neurotopo.studies.learning.data.lessons_for`.
    preset : {"auto", "paper", "small"}, default="auto"
        Where ``lr``, ``accumulation`` and ``epochs`` come from if they are not given: Table 3 of
        the paper, or values for models of less than 50 million weights. ``"auto"``: by the size
        of the model.
    lr, accumulation, epochs, batch_size, warmup, weight_decay, dropout, clip, patience
        :class:`~neurotopo.studies.training.Schedule`; the same for all arms.
    evaluate_every : int, default=2
        Epochs between two points of the learning curves.
    pretune_to : float, default=0.95
        The model is first trained on the old facts until it answers this share of them.
    pretune_epochs : int, default=50
        For at most so many epochs.
    threshold, scope, steps, quadrature
        How knowledge neurons are found, :class:`~neurotopo.AMIG`.
    tau, tau2
        Thresholds of NTC and of the filter.
    multiplier : float, default=0.04
        A neuron counts as changed by full fine-tuning above this share of the greatest change.

    Examples
    --------
    >>> from neurotopo.studies.learning.options import LearningOptions
    >>> LearningOptions(arms=["dkn", "all"]).schedule(1_000_000)["lr"]
    0.003
    >>> LearningOptions().schedule(7_000_000_000)["lr"]
    3e-05
    """

    arms: Sequence[str] = tuple(ARMS)
    n_seeds: int = 3
    old_date: str | None = None
    new_date: str | None = None
    text: str = "both"
    preset: str = "auto"
    lr: float | None = None
    accumulation: int | None = None
    epochs: int | None = None
    batch_size: int = 16
    warmup: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    clip: float = 1.0
    patience: int = 5
    evaluate_every: int = 2
    pretune_to: float = 0.95
    pretune_epochs: int = 50
    threshold: float = 0.2
    scope: str = "model"
    steps: int = 20
    quadrature: str = "right"
    tau: float = 0.5
    tau2: float = 0.3
    multiplier: float = 0.04

    def __post_init__(self) -> None:
        for name in self.arms:
            if name not in ARMS:
                raise ValueError(f"there is no arm {name!r}; arms are: {', '.join(ARMS)}.")
        if not self.arms or len(set(self.arms)) < len(self.arms):
            raise ValueError(f"arms must be different ones, got {list(self.arms)}.")
        for name in ("n_seeds", "evaluate_every", "pretune_epochs"):
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= 1):
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name, known in (("text", TEXTS), ("preset", PRESETS)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}."
                )
        for name in ("pretune_to", "multiplier"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}.")
        for name, date in (("old_date", self.old_date), ("new_date", self.new_date)):
            if date is not None and not (date.isascii() and date.isdigit()):
                raise ValueError(f"{name} must be a year, got {date!r}.")
        self.amig()
        self.finder()
        self.check_schedule()

    @classmethod
    def quick(cls, **given: Any) -> LearningOptions:
        """Return the smallest honest setting: two trainings of each arm, half as long."""
        small = {"n_seeds": 2, "epochs": 10, "quadrature": "gauss-legendre", "steps": 8}
        return cls(**{**small, **given})

    def schedule(self, n_parameters: int) -> dict[str, Any]:
        """Return the parameters of :class:`~neurotopo.studies.training.Schedule` for a model."""
        small = self.preset == "small" or (self.preset == "auto" and n_parameters < _SMALL_MODEL)
        preset = _SMALL if small else _PAPER
        given = {
            name: getattr(self, name)
            for name in ("lr", "accumulation", "epochs")
            if getattr(self, name) is not None
        }
        names = ("batch_size", "warmup", "weight_decay", "dropout", "clip", "patience")
        return {**preset, **given, **{name: getattr(self, name) for name in names}}

    def check_schedule(self) -> None:
        """Raise an error when the training cannot be done so."""
        from neurotopo.studies.training import Schedule

        Schedule(**self.schedule(0))

    def amig(self) -> AMIG:
        """Return what finds knowledge neurons."""
        return AMIG(
            threshold=self.threshold, scope=self.scope, steps=self.steps, quadrature=self.quadrature
        )

    def finder(self) -> DKNFinder:
        """Return what finds the degenerate ones among them."""
        return DKNFinder(NTCClusterer(metric="precomputed", tau=self.tau), tau2=self.tau2)
