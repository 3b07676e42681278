"""The study ``learning``: which neurons to train, so that a model learns and does not forget."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.datasets.dataset import pluralize
from neurotopo.knowledge.amig import AMIG
from neurotopo.knowledge.degeneracy import DKNFinder
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.thresholds import PAPER_SELECTION, fill_selection
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.findings import RULE
from neurotopo.studies.learning import report
from neurotopo.studies.learning.data import (
    TEXTS,
    ArmSets,
    Lesson,
    arm_sets,
    found_sets,
    lessons_for,
    texts_of,
)
from neurotopo.studies.learning.findings import findings_of
from neurotopo.studies.study import Study, StudyOptions
from neurotopo.studies.training import Schedule, Training, train
from neurotopo.testbed.corpus import sentences_of
from neurotopo.tuning.changes import neuron_changes, snapshot
from neurotopo.tuning.lora import lora_like
from neurotopo.tuning.tuner import NeuronTuner

__all__ = ["ARMS", "PRESETS", "STUDY", "Learning", "LearningOptions", "Trial", "trials"]


ARMS: Mapping[str, str] = {
    "dkn": "the degenerate knowledge neurons of the old facts",
    "kn": "as many knowledge neurons that are not degenerate",
    "random": "as many random neurons",
    "random_layers": "random neurons, as many in each layer",
    "all": "all parameters: full fine-tuning",
    "lora": "a LoRA on the MLPs with as many trained numbers as dkn",
}
"""The parameters that each arm trains."""

PRESETS = ("auto", "paper", "small")

_AMIG = ("threshold", "rule", "scope", "steps", "quadrature")
_SMALL = {"lr": 3e-3, "accumulation": 1, "epochs": 30}
_PAPER = {"lr": 3e-5, "accumulation": 4, "epochs": 50}
_SMALL_MODEL = 50_000_000  # weights


@dataclass(frozen=True)
class LearningOptions(StudyOptions):
    """Options of the study ``learning``.

    Parameters
    ----------
    arms : sequence of str
        The arms, keys of :data:`ARMS`.
    n_seeds : int, default=3
        Number of trainings of each arm.
    old_date, new_date, text
        The lessons, :func:`~neurotopo.studies.learning.data.lessons_for`.
    preset : {"auto", "paper", "small"}, default="auto"
        Where ``lr``, ``accumulation`` and ``epochs`` come from if they are not given: Table 3 of
        the paper, or values for models of less than 50 million weights. ``"auto"``: by the size
        of the model. In :func:`neurotopo.studies.run`, ``"paper"`` also chooses the neurons as in
        the paper.
    lr, accumulation, epochs, batch_size, warmup, weight_decay, dropout, clip, patience
        :class:`~neurotopo.studies.training.Schedule`; the same for all arms.
    evaluate_every : int, default=2
        Epochs between two points of the learning curves.
    pretune_to : float, default=0.95
        The model is first trained on the old facts until it answers this share of them.
    pretune_epochs : int, default=50
        The most epochs of this first training.
    pretune_lr : float, optional
        Its learning rate; by default ``lr``. Few neurons may need a higher rate than a whole model.
    threshold, rule, scope, steps, quadrature
        How knowledge neurons are found, :class:`~neurotopo.AMIG`.
    tau, tau2
        Thresholds of NTC and of the filter.
    multiplier : float, default=0.04
        A neuron counts as changed by full fine-tuning above this share of the greatest change.

    Examples
    --------
    >>> from neurotopo.studies.learning.study import LearningOptions
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
    pretune_lr: float | None = None
    # None until __post_init__
    threshold: float = None  # type: ignore[assignment]
    rule: str = None  # type: ignore[assignment]
    scope: str = None  # type: ignore[assignment]
    steps: int = 20
    quadrature: str = "right"
    tau: float = 0.5
    tau2: float = 0.3
    multiplier: float = 0.04

    QUICK = {"n_seeds": 2, "epochs": 10, "quadrature": "gauss-legendre", "steps": 8}
    PAPER = PAPER_SELECTION

    def __post_init__(self) -> None:
        fill_selection(self)
        for name in self.arms:
            if name not in ARMS:
                raise ValueError(f"there is no arm {name!r}; arms are: {', '.join(ARMS)}.")
        if not self.arms or len(set(self.arms)) < len(self.arms):
            raise ValueError(f"arms must be different ones, got {list(self.arms)}.")
        self.check_whole(n_seeds=1, evaluate_every=1, pretune_epochs=1)
        self.check_choice(text=TEXTS, preset=PRESETS)
        for name in ("pretune_to", "multiplier"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}.")
        if self.pretune_lr is not None and not 0 < self.pretune_lr < math.inf:
            raise ValueError(f"pretune_lr must be positive, got {self.pretune_lr}.")
        for name, date in (("old_date", self.old_date), ("new_date", self.new_date)):
            if date is not None and not (date.isascii() and date.isdigit()):
                raise ValueError(f"{name} must be a year, got {date!r}.")
        self.amig()
        self.finder()
        Schedule(**self.schedule(0))

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

    def first_schedule(self, schedule: Schedule) -> Schedule:
        """Return the schedule of the training on the old facts."""
        most = self.pretune_epochs
        lr = schedule.lr if self.pretune_lr is None else self.pretune_lr
        return replace(schedule, epochs=most, patience=most, lr=lr)

    def amig(self) -> AMIG:
        """Return the search for knowledge neurons."""
        return AMIG(**{name: getattr(self, name) for name in _AMIG})

    def finder(self) -> DKNFinder:
        """Return the search for the degenerate ones among them."""
        return DKNFinder(NTCClusterer.paper(metric="precomputed", tau=self.tau), tau2=self.tau2)


@dataclass(frozen=True)
class Trial:
    """One training: its arm, its seed of everything random, and the facts for the lessons."""

    arm: str
    seed: int
    facts: tuple[Fact, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """The name."""
        return f"{self.arm}, seed {self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """Return the trial in types that JSON can hold, the facts as a hash."""
        content = json.dumps([fact.to_dict() for fact in self.facts], sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        return {"arm": self.arm, "seed": self.seed, "facts": digest, "n_facts": len(self.facts)}


def trials(facts: Sequence[Fact], options: LearningOptions, seed: int) -> list[Trial]:
    """Return all trainings of a study, seed by seed, so that the first ones cover all arms."""
    given = tuple(facts)
    return [Trial(arm, seed + i, given) for i in range(options.n_seeds) for arm in options.arms]


class Learning(Study):
    """The study ``learning``: train a part of the model; measure learning and forgetting.

    The model is trained in place and restored after each training.
    """

    name = "learning"
    title = "Degenerate knowledge neurons: does training them teach new facts and keep the old ones"
    notes = (
        "Arms. dkn, Θ(D): the degenerate knowledge neurons of the old facts. kn, Θ(N): as many "
        "knowledge neurons that are not degenerate; where there are too few, DKNs are added, as in "
        "the paper. random, Θ(Rnd): as many random neurons. random_layers, Θ(Rnd by layer): random "
        "neurons, as many in each layer as D has. all, Θ(All): all parameters of the model. lora: "
        "low-rank additions to the MLPs, with as many trained parameters as Θ(D).",
        "All arms begin with the same model, which was first trained on the old facts until it "
        "knew them. They get the same texts, the same maximum of epochs and the same "
        "hyperparameters. These were not tuned for any arm: LoRA, for example, may do better with "
        "another learning rate.",
        "The rule that stops training early is the same for all arms. It uses only the mean "
        "training loss of an epoch, never the questions by which the arms are compared.",
        "The answers to the new facts are counterfactual, so that no model can know them "
        "beforehand. new: questions as for old facts; au: the same in other words; old: the facts "
        "known before. Exact match: the answer written greedily is one of the valid answers. First "
        "token: the likeliest next token is the first of any valid answer.",
        "A seed is one order of the texts, one dropout, one draw of random neurons and of those "
        "added or left out to match sizes, and one start of LoRA. D is found once, so intervals "
        "over seeds say nothing about finding other DKNs.",
        f"{RULE} Comparisons are paired by fact on the means over seeds. The cost and the setup "
        "of the trials are in the table trials and in "
        "results.sqlite.",
    )
    Options = LearningOptions
    unit = "training"
    timed = False
    tables = report.TABLES
    pictures = report.PICTURES
    frames = staticmethod(report.collect)
    findings = staticmethod(findings_of)

    def setup(self) -> None:
        """Check the model and choose the schedule."""
        hf_model = self.model.hf_model
        if not self.model.is_causal:
            raise ValueError(
                f"the study learning needs a causal model, and {type(hf_model).__name__} is "
                "a masked one."
            )
        self._n_parameters = sum(each.numel() for each in hf_model.parameters())
        self._schedule = Schedule(**self.options.schedule(self._n_parameters))
        self._ready: _Ready | None = None

    def check(self, facts: Sequence[Fact], options: LearningOptions, seed: int) -> tuple[str, ...]:
        """Refuse facts of which no lesson can be made, and count the others without one."""
        lessons, _ = self._lessons(facts, options, seed)
        taught = {(lesson.old.subject, lesson.old.relation) for lesson in lessons}
        left = [fact for fact in facts if (fact.subject, fact.relation) not in taught]
        if not left:
            return ()
        relations = ", ".join(dict.fromkeys(fact.relation or "no relation" for fact in left))
        return (
            f"{pluralize(len(left), 'fact')} of {len(facts):,} cannot be used for lessons "
            f"({relations}): the study needs a subject, a year, and a relation of TempLAMA with "
            "other answers that are false.",
        )

    @staticmethod
    def _lessons(
        facts: Sequence[Fact], options: LearningOptions, seed: int
    ) -> tuple[list[Lesson], int]:
        given = {name: getattr(options, name) for name in ("old_date", "new_date", "text")}
        return lessons_for(facts, seed=seed, **given)

    def items(self, facts: Any, options: Any, seed: int, model: Any) -> Any:
        """Return the trainings."""
        return trials(facts, options, seed)

    def rows(self, frames: report.Collected) -> Any:
        """Return the answers by trial, set of questions and fact."""
        return frames.facts

    def measure(self, item: Trial) -> dict[str, Any]:
        """Return the answers before and after one training, its curve and its cost."""
        trial, model = item, self.model
        if self._ready is None or self._ready.facts != trial.facts:
            self._ready = self._start(trial.facts)
        ready = self._ready
        sets = arm_sets(ready.found, trial.seed, model.n_layers, model.n_neurons)
        before = snapshot(model) if trial.arm == "all" else None
        names = ("epoch", "step", "new", "old", "au", "loss")
        curve: dict[str, list[Any]] = {name: [] for name in names}

        def after_epoch(epoch: int, step: int, loss: float) -> bool:
            if epoch % self.options.evaluate_every == 0 and epoch < self._schedule.epochs:
                shares = {k: self._share(v) for k, v in _questions(ready.lessons).items()}
                _add_point(curve, shares, epoch, step, loss)
            return False

        _add_point(curve, _shares(ready.before), 0, 0, float("nan"))
        overlap = None
        try:
            with self._trainable(trial, sets) as parameters:
                if model.device.type == "cuda":
                    torch.cuda.reset_peak_memory_stats(model.device)
                training = train(
                    model.hf_model,
                    model.tokenizer,
                    parameters,
                    texts_of(ready.lessons),
                    self._schedule,
                    trial.seed,
                    after_epoch,
                )
                after = self._asked(ready.lessons)
                epochs = len(training.losses)
                if curve["epoch"][-1] != epochs:
                    _add_point(curve, _shares(after), epochs, training.steps, training.losses[-1])
                if before is not None:
                    changes = neuron_changes(before, snapshot(model))
                    overlap = sets.overlap(changes, self.options.multiplier, trial.seed)
        finally:
            _restore(model.hf_model, ready.weights)
        return {
            "arm": trial.arm,
            "seed": trial.seed,
            "model": {
                "n_layers": model.n_layers,
                "n_neurons": model.n_neurons,
                "n_parameters": self._n_parameters,
            },
            "setting": {
                **vars(self._schedule),
                "text": self.options.text,
                "lessons": len(ready.lessons),
                "pretuned": ready.pretuned,
            },
            "sets": sets.sizes,
            "before": ready.before,
            "after": after,
            "curve": curve,
            "stopped": epochs,
            "epochs": self._schedule.epochs,
            "cost": _cost(training, model.device),
            "overlap": overlap,
        }

    def _start(self, facts: Sequence[Fact]) -> _Ready:
        """Make the lessons, train on the old facts until they are known, and find the neurons."""
        options = self.options
        lessons, _ = self._lessons(facts, options, self.seed)
        old = [lesson.old for lesson in lessons]
        pretuned = self._pretune(old)
        found = found_sets(self.model, old, options.amig(), options.finder())
        state = self.model.hf_model.state_dict()
        weights = {name: tensor.detach().clone() for name, tensor in state.items()}
        return _Ready(tuple(facts), lessons, pretuned, found, weights, self._asked(lessons))

    def _pretune(self, old: Sequence[Fact]) -> int:
        """Train all parameters on the old facts until they are known; return the epochs."""
        if self._share(old) >= self.options.pretune_to:
            return 0
        model = self.model
        done = 0

        def known(epoch: int, step: int, loss: float) -> bool:
            nonlocal done
            done = epoch
            return self._share(old) >= self.options.pretune_to

        schedule = self.options.first_schedule(self._schedule)
        train(
            model.hf_model,
            model.tokenizer,
            list(model.hf_model.parameters()),
            [sentence for fact in old for sentence in sentences_of(fact)[:1]],
            schedule,
            self.seed,
            known,
        )
        return done

    def _share(self, facts: Sequence[Fact]) -> float:
        return float(recalled(self.model, facts, ends=False).mean())

    def _asked(self, lessons: Sequence[Lesson]) -> dict[str, dict[str, list[int]]]:
        """Return for each set of questions and fact whether it is answered."""
        return {
            name: {
                "exact": recalled(self.model, facts, ends=False).astype(int).tolist(),
                "first": recalled(self.model, facts, first=True).astype(int).tolist(),
            }
            for name, facts in _questions(lessons).items()
        }

    @contextmanager
    def _trainable(self, trial: Trial, sets: ArmSets) -> Iterator[list[Any]]:
        """Make the parameters of an arm trainable within a block."""
        model = self.model
        if trial.arm == "all":
            flags = [(each, each.requires_grad) for each in model.hf_model.parameters()]
            try:
                for each, _ in flags:
                    each.requires_grad_(True)
                yield [each for each, _ in flags]
            finally:
                for each, flag in flags:
                    each.requires_grad_(flag)
                    each.grad = None
        elif trial.arm == "lora":
            with NeuronTuner(model, sets.of("dkn")) as tuner:
                wanted = tuner.n_parameters
            with lora_like(model, wanted, seed=trial.seed) as lora:
                yield list(lora.parameters())
        else:
            with NeuronTuner(model, sets.of(trial.arm)) as tuner:
                yield list(tuner.parameters())


@dataclass(frozen=True, eq=False)
class _Ready:
    """The state that all trainings begin with."""

    facts: tuple[Fact, ...]
    lessons: list[Lesson]
    pretuned: int
    found: tuple[NeuronSet, NeuronSet, int]
    weights: dict[str, torch.Tensor]
    before: dict[str, dict[str, list[int]]]


def _questions(lessons: Sequence[Lesson]) -> dict[str, list[Fact]]:
    chosen = {"new": "new", "old": "old", "au": "reworded"}
    return {name: [getattr(one, of) for one in lessons] for name, of in chosen.items()}


def _shares(asked: Mapping[str, Mapping[str, list[int]]]) -> dict[str, float]:
    """Return the share of right answers of each set of questions."""
    return {name: float(np.mean(answers["exact"])) for name, answers in asked.items()}


def _add_point(
    curve: dict[str, list[Any]], shares: Mapping[str, float], epoch: int, step: int, loss: float
) -> None:
    """Add a point to a learning curve."""
    for name, value in {**shares, "epoch": epoch, "step": step, "loss": loss}.items():
        curve[name].append(value)


@torch.no_grad()
def _restore(hf_model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in hf_model.state_dict().items():
        tensor.copy_(weights[name])


def _cost(training: Training, device: torch.device) -> dict[str, Any]:
    names = ("seconds", "steps", "n_trained", "state_bytes", "gradient_bytes")
    peak = int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None
    return {**{name: getattr(training, name) for name in names}, "peak_bytes": peak}


STUDY = Learning
