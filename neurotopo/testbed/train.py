"""Training of testbed models from random weights, in minutes on a CPU."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from neurotopo.models.evaluation import fused_activations
from neurotopo.models.recall import Score
from neurotopo.testbed.architectures import new_model
from neurotopo.testbed.batches import Batch, Batches
from neurotopo.testbed.checkpoints import checkpoint_step, load_checkpoint, save_checkpoint
from neurotopo.testbed.corpus import Lessons, rows_of, train_tokenizer
from neurotopo.testbed.recipe import Recipe
from neurotopo.testbed.snapshots import Snapshots, snapshot_steps

__all__ = ["Objective", "Trained", "answer_loss", "logits_at", "train_model"]

_CHECKPOINT = "training.safetensors"
_CLIP = 1.0
_ADVICE = "choose another folder or overwrite it"

logger = logging.getLogger(__name__)

Objective: TypeAlias = Callable[[Any, Batch, np.random.Generator], torch.Tensor]


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes
    ----------
    folder : Path
        Its folder, an argument of ``neurotopo.load_model``.
    recipe : Recipe
        Its recipe.
    scores : list of Score
        Its recall.
    n_steps : int
        Number of training steps.
    seconds : float
        Duration of the steps of this call; 0 for an existing model.
    snapshots : tuple of Path
        Folders of the snapshots, in order.

    Examples
    --------
    >>> from pathlib import Path
    >>> from neurotopo.testbed.recipe import RECIPES
    >>> from neurotopo.testbed.train import Trained
    >>> Trained(Path("models/gpt2"), RECIPES["gpt2"], scores=[], n_steps=900, seconds=80.0).n_steps
    900
    """

    folder: Path
    recipe: Recipe
    scores: list[Score]
    n_steps: int
    seconds: float
    snapshots: tuple[Path, ...] = ()


def logits_at(hf_model: Any, batch: Batch) -> torch.Tensor:
    """Return the logits at the predicted positions only, shape (n_targets, ...)."""
    output = hf_model.base_model(input_ids=batch.ids, attention_mask=batch.attention)
    head = hf_model.cls if hasattr(hf_model, "cls") else hf_model.get_output_embeddings()
    logits: torch.Tensor = head(output.last_hidden_state[batch.row, batch.position])
    return logits


def answer_loss(hf_model: Any, batch: Batch, rng: np.random.Generator) -> torch.Tensor:
    """Return the weighted mean of the cross-entropies of all targets; ``rng`` is not used."""
    logits = logits_at(hf_model, batch).float()
    loss = torch.nn.functional.cross_entropy(logits, batch.targets, reduction="none")
    return (loss * batch.weights).sum() / batch.weights.sum()


def train_model(
    recipe: Recipe,
    lessons: Lessons,
    out: str | Path,
    *,
    seed: int = 0,
    objective: Objective = answer_loss,
    finish: Callable[[Any, Path], None] | None = None,
    progress: bool = False,
    overwrite: bool = False,
    save_every: float = 20.0,
    snapshots: int = 0,
) -> Trained:
    """Train a model and write it to a folder, with its tokenizer, its facts and a model card.

    Interrupted training resumes at its last checkpoint and gives the same model: random numbers
    depend on the seed and the step only.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    lessons : Lessons
        The facts to learn.
    out : path-like
        The output folder.
    seed : int, default=0
        Seed of the weights, the order and the noise.
    objective : callable, default=answer_loss
        ``objective(hf_model, batch, rng)`` returns the loss of a step. ``rng`` is a NumPy generator
        for this step; the call may set hooks on the model and remove them.
    finish : callable or None, default=None
        ``finish(hf_model, folder)`` may write further files beside the weights.
    progress : bool, default=False
        Show a progress bar.
    overwrite : bool, default=False
        Replace another model or an unfinished training in the folder.
    save_every : float, default=20.0
        Seconds between two checkpoints.
    snapshots : int, default=0
        Number of models kept during training, evenly spread over the steps and the last at the end:
        ``snapshots/step-000123`` in the folder is the model after 123 steps. Resumed training
        has the same snapshots; a checkpoint later than a missing snapshot is discarded.

    Returns
    -------
    Trained

    Raises
    ------
    ValueError
        If the folder has another model, or the finished model without the snapshots, or if there
        are no facts.

    Examples
    --------
    >>> import tempfile
    >>> from neurotopo import Fact, FactSet, load_model
    >>> from neurotopo.testbed.corpus import fact_lessons
    >>> from neurotopo.testbed.recipe import Recipe
    >>> from neurotopo.testbed.train import train_model
    >>> facts = FactSet([Fact("The capital of Zúnia is _X_.", "São Peko", relation="P36")])
    >>> recipe = Recipe("tiny", n_layers=2, d_model=16, n_inner=16, n_heads=2, epochs=3)
    >>> done = train_model(recipe, fact_lessons(facts), tempfile.mkdtemp())
    >>> done.n_steps, load_model(done.folder, device="cpu")
    (3, NeuronModel(GPT2LMHeadModel, n_layers=2, n_neurons=16, causal, device=cpu))
    """
    from neurotopo.testbed.folder import finished, write_folder, write_snapshot

    folder = Path(out)
    if not lessons.trained:
        raise ValueError("there are no facts to learn.")
    name = _fingerprint(recipe, lessons, seed, objective)
    there = finished(folder)
    if there is not None and not overwrite:
        if there["fingerprint"] != name:
            reason = "holds another model, or one of another seed or other facts"
            raise ValueError(f"{folder} {reason}; {_ADVICE}.")
        scores = [Score(**score) for score in there["scores"]]
        kept = _snapshots(folder, name, there["n_steps"], snapshots)
        if kept.missing(there["n_steps"]):
            raise ValueError(f"{folder} holds the model, but not the snapshots; {_ADVICE}.")
        places = tuple(kept.place(step) for step in kept.steps)
        return Trained(folder, recipe, scores, there["n_steps"], 0.0, places)

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = train_tokenizer(lessons.sentences(), recipe)
    rows = rows_of([*lessons.trained, *lessons.others], tokenizer, recipe.is_causal)
    longest = max(row.n_tokens for row in rows)
    batches = Batches(
        rows,
        recipe,
        tokens=_plain_tokens(tokenizer),
        pad=tokenizer.pad_token_id,
        mask=None if recipe.is_causal else tokenizer.mask_token_id,
        seed=seed,
    )
    hf_model = new_model(recipe, tokenizer, n_positions=longest + 16, seed=seed)

    def take(place: Path, step: int) -> None:
        about = {"seed": seed, "fingerprint": name, "step": step, "n_steps": len(batches)}
        write_snapshot(place, hf_model, tokenizer, recipe, about, finish)

    kept = _snapshots(folder, name, len(batches), snapshots, take)
    run = _Run(hf_model, recipe, batches, objective, seed, name, folder / _CHECKPOINT, kept)
    kept.clear(overwrite)
    run.resume(overwrite)
    start = time.monotonic()
    with torch.random.fork_rng(devices=[]):
        run.to_the_end(progress, save_every)
    seconds = time.monotonic() - start
    about = {"seed": seed, "fingerprint": name, "n_steps": len(batches)}
    scores = write_folder(folder, hf_model, tokenizer, recipe, lessons, about, finish)
    for file in (run.checkpoint, *folder.glob(f".{_CHECKPOINT}.*.tmp")):  # also killed writes
        file.unlink(missing_ok=True)
    places = tuple(kept.place(step) for step in kept.steps)
    return Trained(folder, recipe, scores, len(batches), seconds, places)


def _snapshots(
    folder: Path,
    name: str,
    n_steps: int,
    n: int,
    take: Callable[[Path, int], None] = lambda place, step: None,
) -> Snapshots:
    return Snapshots(folder, name, snapshot_steps(n_steps, n), take)


@dataclass
class _Run:
    """A running training."""

    hf_model: Any
    recipe: Recipe
    batches: Batches
    objective: Objective
    seed: int
    name: str
    checkpoint: Path
    snapshots: Snapshots
    step: int = 0
    loss: float = math.nan

    def __post_init__(self) -> None:
        self.parameters = dict(self.hf_model.named_parameters())
        matrices = [p for p in self.parameters.values() if p.ndim > 1]
        others = [p for p in self.parameters.values() if p.ndim <= 1]
        decayed = {"params": matrices, "weight_decay": self.recipe.weight_decay}
        groups = [decayed, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=self.recipe.learning_rate, fused=True)

    def resume(self, overwrite: bool) -> None:
        """Load the checkpoint of an earlier call, if there is one."""
        if not self.checkpoint.exists():
            return
        about = checkpoint_step(self.checkpoint, self.name)
        if about is not None and (missing := self.snapshots.missing(about)):
            message = "%s is later than step %d, whose snapshot is missing: training starts again."
            logger.warning(message, self.checkpoint, missing[0])
            return
        loaded = load_checkpoint(self.checkpoint, self.name, self.parameters, self.optimizer)
        if loaded is None and not overwrite:
            raise ValueError(f"{self.checkpoint} is of another training; {_ADVICE}.")
        self.step, self.loss = (0, math.nan) if loaded is None else loaded

    def to_the_end(self, progress: bool, save_every: float) -> None:
        """Make all remaining steps."""
        model = self.hf_model.train()
        saved = time.monotonic()
        with _bar(progress, len(self.batches), self.step) as advance, fused_activations(model):
            while self.step < len(self.batches):
                self._make_step()
                self.snapshots.take(self.step)  # before a checkpoint of this step
                advance(self.loss)
                if time.monotonic() - saved >= save_every:
                    self._save()
                    saved = time.monotonic()
        self._save()
        model.eval()

    def _make_step(self) -> None:
        torch.manual_seed(_number(self.seed, self.step))  # for dropout
        rng = np.random.default_rng([self.seed, 2, self.step])
        for group in self.optimizer.param_groups:
            group["lr"] = _rate(self.recipe, self.step, len(self.batches))
        loss = self.objective(self.hf_model, self.batches[self.step], rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), _CLIP)
        self.optimizer.step()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ValueError(f"the training diverged at step {self.step}: its loss is {value}.")
        self.loss = value if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * value
        self.step += 1

    def _save(self) -> None:
        save_checkpoint(
            self.checkpoint, self.name, self.parameters, self.optimizer, self.step, self.loss
        )


def _rate(recipe: Recipe, step: int, n_steps: int) -> float:
    rising = max(1, round(recipe.warmup * n_steps))
    if step < rising:
        return recipe.learning_rate * (step + 1) / rising
    done = (step - rising) / max(1, n_steps - rising)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def _number(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _plain_tokens(tokenizer: Any) -> list[int]:
    special = set(tokenizer.all_special_ids)
    return [i for i in range(len(tokenizer)) if i not in special]


def _fingerprint(recipe: Recipe, lessons: Lessons, seed: int, objective: Objective) -> str:
    """Return a hash of everything that determines the model."""
    how = f"{getattr(objective, '__module__', '')}.{getattr(objective, '__qualname__', objective)}"
    content = json.dumps([recipe.to_dict(), lessons.fingerprint, seed, how], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


@contextmanager
def _bar(shown: bool, total: int, done: int) -> Iterator[Callable[[float], None]]:
    """Yield a function to call with the loss after each step."""
    if not shown:
        yield lambda loss: None
        return
    from tqdm.auto import tqdm

    with tqdm(total=total, initial=done, desc="train", unit="step") as bar:

        def advance(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            bar.update()

        yield advance
