"""The study ``learning``: which neurons to train, so that a model learns and does not forget."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from neurotopo.knowledge.facts import Fact
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.learning.data import Lesson, lessons_for, texts_of
from neurotopo.studies.learning.options import LearningOptions
from neurotopo.studies.learning.sets import ArmSets, arm_sets, found_sets
from neurotopo.studies.models import model_for
from neurotopo.studies.training import Schedule, Training, train
from neurotopo.testbed.corpus import sentences_of
from neurotopo.tuning.changes import neuron_changes, snapshot
from neurotopo.tuning.lora import lora_like
from neurotopo.tuning.tuner import NeuronTuner

__all__ = ["LearningWork", "Trial", "prepare", "trials"]


@dataclass(frozen=True)
class Trial:
    """One training: which parameters, and with which seed.

    Attributes
    ----------
    arm : str
        What is trained.
    seed : int
        Seed of the order of texts, of dropout and of random neurons.
    facts : tuple of Fact
        The facts that lessons are made of.
    """

    arm: str
    seed: int
    facts: tuple[Fact, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """Its name."""
        return f"{self.arm}, seed {self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it, the facts as a hash."""
        content = json.dumps([fact.to_dict() for fact in self.facts], sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()[:16]
        return {"arm": self.arm, "seed": self.seed, "facts": digest, "n_facts": len(self.facts)}


def trials(facts: Sequence[Fact], options: LearningOptions, seed: int) -> list[Trial]:
    """Return all trainings of a study, seed by seed, so that the first are of every arm."""
    given = tuple(facts)
    return [Trial(arm, seed + i, given) for i in range(options.n_seeds) for arm in options.arms]


def prepare(model: Any, given: Mapping[str, Any]) -> LearningWork:
    """Load the model and return the work per training."""
    return LearningWork(model_for(model, given), LearningOptions.of(given), given["seed"])


class LearningWork:
    """Train, and see what was learned and forgotten.

    Parameters
    ----------
    model : NeuronModel
        A causal model. It is trained in place, and put back after each training.
    options : LearningOptions
        What is done.
    seed : int
        Seed of false answers and of the training on the old facts.
    """

    def __init__(self, model: NeuronModel, options: LearningOptions, seed: int) -> None:
        if not model.is_causal:
            raise ValueError(
                f"the study learning needs a causal model, and {type(model.hf_model).__name__} is "
                "a masked one."
            )
        self.model = model
        self.options = options
        self.seed = seed
        self._n_parameters = sum(each.numel() for each in model.hf_model.parameters())
        self._schedule = Schedule(**options.schedule(self._n_parameters))
        self._ready: _Ready | None = None

    def __call__(self, trial: Trial) -> dict[str, Any]:
        """Return what came of one training."""
        if self._ready is None or self._ready.facts != trial.facts:
            self._ready = self._start(trial.facts)
        ready = self._ready
        sets = arm_sets(ready.found, trial.seed, self.model.n_layers, self.model.n_neurons)
        before = snapshot(self.model) if trial.arm == "all" else None
        curve: dict[str, list[Any]] = {
            name: [] for name in ("epoch", "step", "new", "old", "au", "loss")
        }

        def after_epoch(epoch: int, step: int, loss: float) -> bool:
            if epoch % self.options.evaluate_every == 0 and epoch < self._schedule.epochs:
                shares = {k: self._share(v) for k, v in _questions(ready.lessons).items()}
                _add_point(curve, shares, epoch, step, loss)
            return False

        _add_point(curve, _shares(ready.before), 0, 0, float("nan"))
        overlap = None
        try:
            with self._trainable(trial, sets) as parameters:
                _reset_peak()
                training = train(
                    self.model.hf_model,
                    self.model.tokenizer,
                    parameters,
                    texts_of(ready.lessons),
                    self._schedule,
                    trial.seed,
                    after_epoch,
                )
                peak = _peak()
                after = self._asked(ready.lessons)
                if curve["epoch"][-1] != len(training.losses):
                    _add_point(
                        curve,
                        _shares(after),
                        len(training.losses),
                        training.steps,
                        training.losses[-1],
                    )
                if before is not None:
                    changes = neuron_changes(before, snapshot(self.model))
                    overlap = sets.overlap(changes, self.options.multiplier, trial.seed)
        finally:
            _put_back(self.model.hf_model, ready.weights)
        return {
            "arm": trial.arm,
            "seed": trial.seed,
            "model": {
                "n_layers": self.model.n_layers,
                "n_neurons": self.model.n_neurons,
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
            "stopped": len(training.losses),
            "epochs": self._schedule.epochs,
            "cost": _cost(training, peak),
            "overlap": overlap,
        }

    def _start(self, facts: Sequence[Fact]) -> _Ready:
        """Make the lessons, teach the old facts where they are not known, find the neurons."""
        options = self.options
        lessons, _ = lessons_for(
            facts,
            old_date=options.old_date,
            new_date=options.new_date,
            text=options.text,
            seed=self.seed,
        )
        pretuned = self._pretune([lesson.old for lesson in lessons])
        found = found_sets(
            self.model, [lesson.old for lesson in lessons], options.amig(), options.finder()
        )
        weights = {
            name: tensor.detach().clone()
            for name, tensor in self.model.hf_model.state_dict().items()
        }
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

        schedule = Schedule(
            **{
                **vars(self._schedule),
                "epochs": self.options.pretune_epochs,
                "patience": self.options.pretune_epochs,
            }
        )
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
        """Return for each set of questions which are answered, fact by fact."""
        return {
            name: {
                "exact": recalled(self.model, facts, ends=False).astype(int).tolist(),
                "first": recalled(self.model, facts, first=True).astype(int).tolist(),
            }
            for name, facts in _questions(lessons).items()
        }

    @contextmanager
    def _trainable(self, trial: Trial, sets: ArmSets) -> Iterator[list[Any]]:
        """Make the parameters of an arm trainable for the time of a block."""
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
    """What all trainings begin with."""

    facts: tuple[Fact, ...]
    lessons: list[Lesson]
    pretuned: int
    found: tuple[NeuronSet, NeuronSet, int]
    weights: dict[str, torch.Tensor]
    before: dict[str, dict[str, list[int]]]


def _questions(lessons: Sequence[Lesson]) -> dict[str, list[Fact]]:
    chosen: dict[str, Callable[[Lesson], Fact]] = {
        "new": lambda lesson: lesson.new,
        "old": lambda lesson: lesson.old,
        "au": lambda lesson: lesson.reworded,
    }
    return {name: [of(lesson) for lesson in lessons] for name, of in chosen.items()}


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
def _put_back(hf_model: Any, weights: Mapping[str, torch.Tensor]) -> None:
    for name, tensor in hf_model.state_dict().items():
        tensor.copy_(weights[name])


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak() -> int | None:
    return int(torch.cuda.max_memory_allocated()) if torch.cuda.is_available() else None


def _cost(training: Training, peak: int | None) -> dict[str, Any]:
    return {
        "seconds": training.seconds,
        "steps": training.steps,
        "n_trained": training.n_trained,
        "state_bytes": training.state_bytes,
        "gradient_bytes": training.gradient_bytes,
        "peak_bytes": peak,
    }
