"""Facts in windows: what is asked for, which facts share passes, and a check of the results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch

from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.baselines import REPLACING, given_starts
from neurotopo.knowledge.sentences import Asked, Sentence, ask, plain_targets
from neurotopo.models.baseline_values import memory_of, needed_bytes
from neurotopo.models.families import UnsupportedModelError
from neurotopo.models.path_gradients import point_bytes, without_training
from neurotopo.models.prompts import FactLike, describe_fact

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["FactSweep", "Total"]

_WINDOW = 64  # points of a layer in a pass, at most, for the estimate of memory

# Greatest difference of a log-probability from that of a plain forward pass, relative to its size
# or to 1: far above rounding.
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.25}

_TARGET = {
    "joint": "the log-probability of the answer",
    "log": "the log-probability of the answer",
    "first": "the log-probability of the answer's first token",
    "contrast": "the contrast of the answer with its foils",
}


class Total(Protocol):
    """What a sweep returns for a fact."""

    @property
    def log_p(self) -> float:
        """The target, or its logarithm if it is a probability."""

    def attribution(self, answer: tuple[int, ...]) -> Attribution:
        """Return the result."""


class FactSweep(ABC):
    """Attribution of several facts; the parameters are those of :class:`~neurotopo.AMIG`."""

    def __init__(
        self,
        model: NeuronModel,
        *,
        baseline: Any,
        target: str,
        replacement: int | str | None,
        batch_size: int | None,
        positions: str,
        reference: Sequence[FactLike] | None,
        seed: int,
    ) -> None:
        self.model, self.settings = model, model.pass_settings()
        self.baseline, self.target, self.replacement = baseline, target, replacement
        self.positions, self.reference, self.seed = positions, reference, seed
        self.replaces = isinstance(baseline, str) and baseline in REPLACING
        self.batch_size = batch_size or model.batch_size

    @property
    def is_log(self) -> bool:
        """Whether the target is a logarithm."""
        return self.target in ("log", "contrast")

    @abstractmethod
    def _lines_together(self, one: Asked) -> int:
        """Return how many facts with one path share a forward pass."""

    @abstractmethod
    def _together(
        self, asked: Sequence[Asked], given: Sequence[Sequence[torch.Tensor]] | None
    ) -> Sequence[Total]:
        """Attribute facts of one shape; ``given`` has values at the start of the paths."""

    def run(
        self, facts: Sequence[FactLike], foils: Sequence[Sequence[str] | None]
    ) -> Iterator[Attribution]:
        """Yield the attribution of each fact; those with sentences of equal length share passes."""
        asked = [self._ask(*pair) for pair in zip(facts, foils, strict=True)]
        starts = given_starts(
            self.model,
            facts,
            asked,
            baseline=self.baseline,
            reference=self.reference,
            target=self.target,
            positions=self.positions,
            seed=self.seed,
        )
        chunks = self._chunks(asked)
        ready: dict[int, Attribution] = {}
        for i in range(len(asked)):
            while i not in ready:
                chunk = next(chunks)
                with without_training(self.model.hf_model):
                    given = None if starts is None else [starts[j] for j in chunk]
                    totals = self._together([asked[j] for j in chunk], given)
                self._check([facts[j] for j in chunk], [asked[j] for j in chunk], totals)
                for j, total in zip(chunk, totals, strict=True):
                    ready[j] = total.attribution(asked[j].answer)
            yield ready.pop(i)

    def _ask(self, fact: FactLike, foils: Sequence[str] | None) -> Asked:
        asked = ask(self.model, fact, self.target, self.positions, foils)
        for sentence in asked.sentences:
            self._check_memory(fact, sentence)
        if self.replaces and not all(sentence.places for sentence in asked.sentences):
            raise ValueError(
                f"{describe_fact(fact)}: the prompt has no token to replace for a baseline; use "
                "baseline='zero'."
            )
        return asked

    def _check_memory(self, fact: FactLike, sentence: Sentence) -> None:
        n_tokens, n_places = len(sentence.ids), len(sentence.places) if self.replaces else 0
        needed = needed_bytes(self.settings, n_tokens, n_places, len(sentence.positions))
        n_points = min(self.batch_size or 1, _WINDOW * self.model.n_layers)
        needed += n_points * point_bytes(self.settings, len(sentence.piece().ids))
        memory = memory_of(self.settings.device)
        if needed > memory:
            remedies = ["Shorten the prompt"]
            remedies += ["use baseline='zero', which needs less"] * bool(n_places)
            remedies += ["use a smaller batch_size"] * (n_points > 1)
            raise ValueError(
                f"{describe_fact(fact)}: prompt and answer have {n_tokens} tokens, for which the "
                f"attribution needs about {needed / 1e9:.3g} GB of memory; the device has "
                f"{memory / 1e9:.3g} GB. {', or '.join(remedies)}."
            )

    def _chunks(self, asked: Sequence[Asked]) -> Iterator[list[int]]:
        """Group facts of one shape, ordered by their first fact."""
        groups: dict[Any, list[int]] = {}
        for i, one in enumerate(asked):
            groups.setdefault(one.shape, []).append(i)
        done: set[int] = set()
        for i, one in enumerate(asked):
            if i in done:
                continue
            each = self.replaces and self.baseline == "per-token"
            n_paths = len(one.sentences[0].places) if each else 1
            size = max(1, self._lines_together(one) // n_paths)
            group = groups[one.shape]
            chunk = group[group.index(i) :][:size]
            done.update(chunk)
            yield chunk

    def _check(
        self, facts: Sequence[FactLike], asked: Sequence[Asked], totals: Sequence[Total]
    ) -> None:
        """Compare the targets with those of the model's own forward pass."""
        expected = plain_targets(self.model, asked)
        tolerance = _TOLERANCE[self.model.dtype]
        for fact, total, log_p in zip(facts, totals, expected, strict=True):
            if not abs(total.log_p - log_p) <= tolerance * max(1.0, abs(log_p)):
                raise UnsupportedModelError(
                    f"{describe_fact(fact)}: {_TARGET[self.target]} is {log_p:.6g} in a "
                    f"forward pass of {type(self.model.hf_model).__name__}, but {total.log_p:.6g} "
                    "in that of the attribution, so the scores would be wrong. Remove hooks that "
                    "change layers or logits; without hooks, the gradients of this model are not "
                    "supported (ActivationAttribution needs none)."
                )

    def _replacement(self) -> int:
        """Return the id of the replacement token."""
        tokenizer: Any = self.model.tokenizer
        if isinstance(self.replacement, str):
            token = tokenizer.convert_tokens_to_ids(self.replacement)
            if token is None or token == tokenizer.unk_token_id:
                name = self.replacement
                raise ValueError(f"replacement {name!r} is not a token of the tokenizer.")
            return int(token)
        if self.replacement is not None:
            return int(self.replacement)
        causal = self.model.is_causal
        token = tokenizer.eos_token_id if causal else tokenizer.mask_token_id
        if token is None:
            name = "end-of-text" if causal else "mask"
            raise ValueError(f"the tokenizer has no {name} token; choose another by replacement.")
        return int(token)
