"""One sweep over all layers: baselines, paths, gradients and their sum, for several facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.knowledge.attribution import Attribution
from neurotopo.models.answers import masked_fillings
from neurotopo.models.baseline_values import (
    memory_of,
    needed_bytes,
    replaced_sentences,
    sentence_values,
    sentences_that_fit,
    shared_values,
)
from neurotopo.models.encoding import CausalEncoding, MaskedEncoding
from neurotopo.models.families import UnsupportedModelError
from neurotopo.models.passes import Query, log_probabilities, prefix_cache
from neurotopo.models.path_gradients import LinePoints, line_points, rows_that_fit, without_training
from neurotopo.models.path_layouts import (
    LONGEST_BLOCK,
    Blocks,
    FixedRows,
    JoiningRows,
    Layout,
    Piece,
)
from neurotopo.models.path_waves import Line
from neurotopo.models.prompts import FactLike, describe_fact
from neurotopo.models.shared_keys import SharedKeys

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["Sweep"]

# Greatest difference of a log-probability from that of a plain forward pass, relative to its size
# or to 1: far above rounding.
_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.25}


@dataclass(frozen=True)
class _Sentence:
    """A sentence in which tokens of the answer are predicted.

    A causal model predicts all of them in one sentence, a masked model one per sentence. Values
    are replaced at ``positions``; baselines replace the tokens at ``places``.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    targets: tuple[int, ...]
    places: tuple[int, ...]
    n_prefix: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Sentences of equal shape can share a forward pass."""
        return len(self.ids), self.n_prefix, *self.positions

    def piece(self) -> Piece:
        n = self.n_prefix
        return Piece(self.ids[n:], tuple(p - n for p in self.positions), self.targets)


@dataclass(frozen=True)
class _Asked:
    """A fact's answer and the sentences that predict it."""

    answer: tuple[int, ...]
    sentences: tuple[_Sentence, ...]

    @property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        return tuple(sentence.shape for sentence in self.sentences)


class Sweep:
    """Attribution of answers to the neurons of all layers.

    ``rule`` holds nodes and weights of the integration rule; the other parameters are those of
    :class:`~neurotopo.AMIG`.
    """

    def __init__(
        self,
        model: NeuronModel,
        rule: tuple[NDArray[np.float64], NDArray[np.float64]],
        *,
        baseline: str,
        target: str,
        replacement: int | str | None,
        batch_size: int | None,
    ) -> None:
        nodes, weights = rule
        if 0.0 not in nodes:  # completeness needs the value at the start of the path
            nodes, weights = np.append(0.0, nodes), np.append(0.0, weights)
        self.model, self.settings = model, model.pass_settings()
        with torch.inference_mode(False):
            self.fractions, self.weight = (
                torch.as_tensor(part, device=self.settings.device) for part in (nodes, weights)
            )
        self.baseline, self.target, self.replacement = baseline, target, replacement
        self.batch_size = batch_size or model.batch_size

    def run(self, facts: Sequence[FactLike]) -> Iterator[Attribution]:
        """Yield the attribution of each fact; those with sentences of equal length share passes."""
        asked = [self._ask(fact) for fact in facts]
        chunks = self._chunks(asked)
        ready: dict[int, Attribution] = {}
        for i in range(len(asked)):
            while i not in ready:
                chunk = next(chunks)
                with without_training(self.model.hf_model):
                    totals = self._together([asked[j] for j in chunk])
                self._check([facts[j] for j in chunk], [asked[j] for j in chunk], totals)
                for j, total in zip(chunk, totals, strict=True):
                    ready[j] = total.attribution(asked[j].answer)
            yield ready.pop(i)

    def _ask(self, fact: FactLike) -> _Asked:
        encoding = self.model.encode(fact)
        answer = self._likeliest(fact, encoding.answers)
        sentences = tuple(self._sentences(encoding, answer))
        for sentence in sentences:
            self._check_length(fact, sentence)
        if self.baseline != "zero" and not all(sentence.places for sentence in sentences):
            raise ValueError(
                f"{describe_fact(fact)}: the prompt has no token to replace for a baseline; use "
                "baseline='zero'."
            )
        return _Asked(answer, sentences)

    def _check_length(self, fact: FactLike, sentence: _Sentence) -> None:
        n_tokens = len(sentence.ids)
        self.model.check_length(fact, n_tokens)
        n_places = 0 if self.baseline == "zero" else len(sentence.places)
        needed = needed_bytes(self.settings, n_tokens, n_places, len(sentence.positions))
        memory = memory_of(self.settings.device)
        if needed > memory:
            remedy = "Shorten the prompt, or use baseline='zero', which needs less."
            raise ValueError(
                f"{describe_fact(fact)}: prompt and answer have {n_tokens} tokens, for which the "
                f"attribution needs about {needed / 1e9:.3g} GB of memory; the device has "
                f"{memory / 1e9:.3g} GB. {remedy if n_places else 'Shorten the prompt.'}"
            )

    def _likeliest(self, fact: FactLike, answers: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the token ids of the most probable answer."""
        if len(answers) == 1:
            return answers[0]
        return answers[int(np.argmax(self.model.answers_log_probability(fact)))]

    def _sentences(
        self, encoding: CausalEncoding | MaskedEncoding, answer: tuple[int, ...]
    ) -> Iterator[_Sentence]:
        special = set(self.model.tokenizer.all_special_ids)
        n_tokens = 1 if self.target == "first" else None
        if isinstance(encoding, CausalEncoding):
            answer, prompt = answer[:n_tokens], encoding.prompt
            last = len(prompt) - 1
            places = tuple(i for i, token in enumerate(prompt) if token not in special)
            positions = tuple(range(last, last + len(answer)))
            yield _Sentence((*prompt, *answer[:-1]), positions, answer, places, last)
            return
        n_before, n_after = len(encoding.before), len(encoding.after)
        for query in list(masked_fillings(encoding, answer))[:n_tokens]:
            around = [*range(n_before), *range(len(query.ids) - n_after, len(query.ids))]
            places = tuple(i for i in around if query.ids[i] not in special)
            yield _Sentence(query.ids, query.positions, query.targets, places, 0)

    def _chunks(self, asked: Sequence[_Asked]) -> Iterator[list[int]]:
        """Group facts of one shape, ordered by their first fact."""
        groups: dict[Any, list[int]] = {}
        for i, one in enumerate(asked):
            groups.setdefault(one.shape, []).append(i)
        done: set[int] = set()
        for i, one in enumerate(asked):
            if i in done:
                continue
            n_paths = len(one.sentences[0].places) if self.baseline == "per-token" else 1
            size = max(1, self._lines_together(one) // n_paths)
            group = groups[one.shape]
            chunk = group[group.index(i) :][:size]
            done.update(chunk)
            yield chunk

    def _lines_together(self, one: _Asked) -> int:
        """Return how many lines share a forward pass."""
        layout = self._layout(one)
        if layout is FixedRows or (layout is JoiningRows and self.model.is_causal):
            return 1  # their cache holds one prefix
        n_tokens = max(len(sentence.piece().ids) for sentence in one.sentences)
        limit = self.batch_size or rows_that_fit(self.settings, n_tokens)
        together = max(1, limit // (self.model.n_layers * len(self.fractions)))
        longest = max(len(sentence.ids) for sentence in one.sentences)
        return min(together, sentences_that_fit(self.settings, longest))

    def _layout(self, one: _Asked) -> type[Layout]:
        if self.model.family.has_fixed_batch(self.model.hf_model.config):
            return FixedRows
        return Blocks if _takes_masks(self.model, len(one.sentences[0].ids)) else JoiningRows

    def _check(
        self, facts: Sequence[FactLike], asked: Sequence[_Asked], totals: Sequence[_Total]
    ) -> None:
        """Compare the answers' log-probabilities with those of the model's own forward pass."""
        queries = [
            Query(s.ids, s.positions, s.targets, i)
            for i, one in enumerate(asked)
            for s in one.sentences
        ]
        terms = log_probabilities(self.settings, queries, None)
        expected = np.bincount([query.edits for query in queries], weights=terms)
        tolerance = _TOLERANCE[self.model.dtype]
        for fact, total, log_p in zip(facts, totals, expected, strict=True):
            if not abs(total.log_p - log_p) <= tolerance * max(1.0, abs(log_p)):
                raise UnsupportedModelError(
                    f"{describe_fact(fact)}: the log-probability of the answer is {log_p:.6g} in a "
                    f"forward pass of {type(self.model.hf_model).__name__}, but {total.log_p:.6g} "
                    "in that of the attribution, so the scores would be wrong. Remove hooks that "
                    "change layers or logits; without hooks, the gradients of this model are not "
                    "supported (ActivationAttribution needs none)."
                )

    def _together(self, asked: Sequence[_Asked]) -> list[_Total]:
        """Attribute facts of one shape."""
        layout = self._layout(asked[0])
        sentences = list(zip(*(one.sentences for one in asked), strict=True))
        lines, keys = zip(*(self._lines(column, layout) for column in sentences), strict=True)
        # paths by fact: the first path of the first fact, ...
        jobs = [(f, path) for f in range(len(asked)) for path in range(len(lines[0][f]))]
        totals = [
            _Total(self.model.n_layers, self.model.n_neurons, self.settings.device) for _ in asked
        ]
        size = self._lines_together(asked[0])
        for first in range(0, len(jobs), size):
            some = jobs[first : first + size]
            points = [
                line_points(
                    self.settings,
                    [column[f].piece() for f, _ in some],
                    [lines[s][f][path] for f, path in some],
                    self.fractions.to(lines[s][0][0].start.dtype),
                    layout=layout,
                    keys=_keys(keys[s], [f for f, _ in some], column[0].n_prefix),
                    batch_size=self.batch_size,
                )
                for s, column in enumerate(sentences)
            ]
            for j, (f, path) in enumerate(some):
                of_path = [line[f][path] for line in lines]
                totals[f].add(self.target, of_path, [part[j] for part in points], self.weight)
        return totals

    def _lines(
        self, sentences: Sequence[_Sentence], layout: type[Layout]
    ) -> tuple[list[list[Line]], Any | None]:
        """Return the paths of each sentence, one or one per replaced token, and the prefix keys."""
        first, from_zero = sentences[0], self.baseline == "zero"
        ids = [sentence.ids for sentence in sentences]
        places = [() if from_zero else sentence.places for sentence in sentences]
        replacement = 0 if from_zero else self._replacement()
        keys: Any = None
        if layout is Blocks:
            ends, starts, keys = shared_values(
                self.settings, ids, places, replacement, first.positions
            )
        else:
            rows = [
                row
                for one, replaced in zip(ids, places, strict=True)
                for row in (one, *replaced_sentences(one, replaced, replacement))
            ]
            values = sentence_values(self.settings, rows, first.positions)
            parts = torch.split(values, [1 + len(replaced) for replaced in places])
            ends = torch.stack([part[0] for part in parts])
            starts = [part[1:] for part in parts]
            keys = prefix_cache(self.settings, first.ids[: first.n_prefix])
        if from_zero:
            return [[Line(torch.zeros_like(end), end)] for end in ends], keys
        if self.baseline == "mean":
            return [[Line(s.mean(dim=0), e)] for s, e in zip(starts, ends, strict=True)], keys
        return [[Line(s, e) for s in start] for start, e in zip(starts, ends, strict=True)], keys

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


def _keys(keys: Any, facts: Sequence[int], n_prefix: int) -> Any:
    if isinstance(keys, SharedKeys):
        return keys.prefixes(facts, n_prefix) if n_prefix else None
    return keys


class _Total:
    """The sum over the paths of one fact."""

    def __init__(self, n_layers: int, n_neurons: int, device: torch.device) -> None:
        self.scores = torch.zeros(n_layers, n_neurons, dtype=torch.float64, device=device)
        self.starts = torch.zeros(n_layers, dtype=torch.float64, device=device)
        self.n_paths, self.log_p, self.value = 0, 0.0, 0.0

    def add(
        self, target: str, lines: list[Line], path: list[LinePoints], weight: torch.Tensor
    ) -> None:
        """Add a path, one line of every sentence."""
        value = torch.stack([points.log_p for points in path]).sum(dim=0)
        self.log_p = self.value = sum(points.unedited for points in path)
        if target != "log":
            value, self.value = value.exp(), float(np.exp(self.log_p))
        slope = weight * (value if target != "log" else torch.ones_like(value))
        for line, points in zip(lines, path, strict=True):
            gradient = points.gradient.double().flatten(2)
            summed = torch.bmm(slope[:, None], gradient)[:, 0].reshape(line.end.shape)
            self.scores += (summed * (line.end - line.start).double()).sum(dim=1)
        self.starts += value[:, 0]
        self.n_paths += 1

    def attribution(self, answer: tuple[int, ...]) -> Attribution:
        """Return the result."""
        starts = (self.starts / self.n_paths).cpu().numpy()
        return Attribution(self.scores.cpu().numpy(), self.value, starts, self.n_paths, answer)


def _takes_masks(model: NeuronModel, n_tokens: int) -> bool:
    """Return whether a causal model applies a given attention mask to the rows.

    An attention window counts tokens of the row, so it must be wider than the longest row.
    """
    config = model.hf_model.config
    attention = getattr(config, "_attn_implementation", None)
    if not model.is_causal or attention not in (None, "eager", "sdpa"):  # others drop such masks
        return False
    text = getattr(config, "text_config", None) or config
    windows = (getattr(text, name, None) for name in ("sliding_window", "window_size"))
    longest = 2 * n_tokens + 2 + 2 * LONGEST_BLOCK
    return all(window is None or window > longest for window in windows)
