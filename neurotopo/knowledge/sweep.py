"""One sweep over all layers: baselines, paths, gradients and their sum, for several facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.knowledge.attribution import AMIG, Attribution
from neurotopo.knowledge.quadrature import quadrature_nodes
from neurotopo.models.answers import masked_fillings
from neurotopo.models.baseline_values import replaced_sentences, sentence_values, shared_values
from neurotopo.models.encoding import CausalEncoding, MaskedEncoding
from neurotopo.models.passes import prefix_cache
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

__all__ = ["sweep"]


@dataclass(frozen=True)
class _Sentence:
    """A sentence in which some tokens of the answer are predicted.

    A causal model predicts all of them in one sentence, a masked model each in its own. The
    values are replaced at ``positions``; ``places`` are the tokens that baselines replace.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    targets: tuple[int, ...]
    places: tuple[int, ...]
    n_prefix: int

    @property
    def shape(self) -> tuple[int, ...]:
        """What has to be equal for sentences to go through the model together."""
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


def sweep(amig: AMIG, model: NeuronModel, facts: Sequence[FactLike]) -> Iterator[Attribution]:
    """Attribute the answers of facts to the neurons of all layers.

    Facts whose sentences have equal lengths go through the model together, as many as fit; the
    attributions come in the order of the facts.
    """
    asked = [_ask(amig, model, fact) for fact in facts]
    chunks = _chunks(amig, model, asked)
    ready: dict[int, Attribution] = {}
    for i in range(len(asked)):
        while i not in ready:
            chunk = next(chunks)
            with without_training(model.hf_model):
                found = _together(amig, model, [asked[j] for j in chunk])
            ready.update(zip(chunk, found, strict=True))
        yield ready.pop(i)


def _ask(amig: AMIG, model: NeuronModel, fact: FactLike) -> _Asked:
    encoding = model.encode(fact)
    answer = _likeliest(model, fact, encoding)
    sentences = tuple(_sentences(model, encoding, answer, first_only=amig.target == "first"))
    if amig.baseline != "zero" and not all(sentence.places for sentence in sentences):
        raise ValueError(
            f"{describe_fact(fact)}: the prompt has no token that could be replaced for a "
            "baseline; use baseline='zero'."
        )
    return _Asked(answer, sentences)


def _chunks(amig: AMIG, model: NeuronModel, asked: Sequence[_Asked]) -> Iterator[list[int]]:
    """Put facts of one shape together, in the order in which they begin."""
    groups: dict[Any, list[int]] = {}
    for i, one in enumerate(asked):
        groups.setdefault(one.shape, []).append(i)
    of = {i: group for group in groups.values() for i in group}
    done: set[int] = set()
    for i, one in enumerate(asked):
        if i in done:
            continue
        n_paths = len(one.sentences[0].places) if amig.baseline == "per-token" else 1
        size = max(1, _lines_together(amig, model, one) // n_paths)
        group = of[i]
        chunk = group[group.index(i) :][:size]
        done.update(chunk)
        yield chunk


def _lines_together(amig: AMIG, model: NeuronModel, one: _Asked) -> int:
    """Return how many lines go through the model together."""
    layout = _layout(model, one)
    if layout is FixedRows or (layout is JoiningRows and model.is_causal):
        return 1  # their cache holds one prefix
    n_tokens = max(len(sentence.piece().ids) for sentence in one.sentences)
    limit = _batch_size(amig, model) or rows_that_fit(model.pass_settings(), n_tokens)
    return max(1, limit // (model.n_layers * len(_nodes(amig)[0])))


def _batch_size(amig: AMIG, model: NeuronModel) -> int | None:
    return amig.batch_size or model.batch_size


def _nodes(amig: AMIG) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the integration rule, the start of the path included."""
    nodes, weights = quadrature_nodes(amig.quadrature, amig.steps)
    if 0.0 not in nodes:  # the completeness of a layer is judged from where its path starts
        nodes, weights = np.append(0.0, nodes), np.append(0.0, weights)
    return nodes, weights


def _layout(model: NeuronModel, one: _Asked) -> type[Layout]:
    if model.family.has_fixed_batch(model.hf_model.config):
        return FixedRows
    return Blocks if _takes_masks(model, len(one.sentences[0].ids)) else JoiningRows


def _together(amig: AMIG, model: NeuronModel, asked: Sequence[_Asked]) -> list[Attribution]:
    """Attribute facts of one shape."""
    settings = model.pass_settings()
    nodes, weights = _nodes(amig)
    layout = _layout(model, asked[0])
    fractions, weight = (torch.as_tensor(part, device=settings.device) for part in (nodes, weights))
    n_sentences = len(asked[0].sentences)
    lines, keys = zip(
        *(
            _lines(amig, model, [one.sentences[s] for one in asked], layout)
            for s in range(n_sentences)
        ),
        strict=True,
    )
    # a fact's paths, and facts: the first path of the first fact, ...
    jobs = [(f, path) for f in range(len(asked)) for path in range(len(lines[0][f]))]
    totals = [_Total(model.n_layers, model.n_neurons, settings.device) for _ in asked]
    size = _lines_together(amig, model, asked[0])
    for first in range(0, len(jobs), size):
        some = jobs[first : first + size]
        found = [
            line_points(
                settings,
                [asked[f].sentences[s].piece() for f, _ in some],
                [lines[s][f][path] for f, path in some],
                fractions.to(lines[s][0][0].start.dtype),
                layout=layout,
                keys=_keys(keys[s], [f for f, _ in some], asked[0].sentences[s].n_prefix),
                batch_size=_batch_size(amig, model),
            )
            for s in range(n_sentences)
        ]
        for j, (f, path) in enumerate(some):
            totals[f].add(
                amig.target,
                [lines[s][f][path] for s in range(n_sentences)],
                [found[s][j] for s in range(n_sentences)],
                weight,
            )
    return [total.attribution(one.answer) for total, one in zip(totals, asked, strict=True)]


def _keys(keys: Any, facts: Sequence[int], n_prefix: int) -> Any:
    if isinstance(keys, SharedKeys):
        return keys.prefixes(facts, n_prefix) if n_prefix else None
    return keys


class _Total:
    """The sum over the paths of one fact."""

    def __init__(self, n_layers: int, n_neurons: int, device: torch.device) -> None:
        self.scores = torch.zeros(n_layers, n_neurons, dtype=torch.float64, device=device)
        self.starts = torch.zeros(n_layers, dtype=torch.float64, device=device)
        self.n_paths, self.value = 0, 0.0

    def add(
        self, target: str, lines: list[Line], found: list[LinePoints], weight: torch.Tensor
    ) -> None:
        """Add a path, one line of every sentence."""
        value = torch.stack([points.log_p for points in found]).sum(dim=0)
        self.value = sum(points.unedited for points in found)
        if target != "log":
            value, self.value = value.exp(), float(np.exp(self.value))
        slope = weight * (value if target != "log" else torch.ones_like(value))
        for line, points in zip(lines, found, strict=True):
            gradient = points.gradient.double().flatten(2)
            summed = torch.bmm(slope[:, None], gradient)[:, 0].reshape(line.end.shape)
            self.scores += (summed * (line.end - line.start).double()).sum(dim=1)
        self.starts += value[:, 0]
        self.n_paths += 1

    def attribution(self, answer: tuple[int, ...]) -> Attribution:
        """Return the result."""
        starts = (self.starts / self.n_paths).cpu().numpy()
        return Attribution(self.scores.cpu().numpy(), self.value, starts, self.n_paths, answer)


def _likeliest(
    model: NeuronModel, fact: FactLike, encoding: CausalEncoding | MaskedEncoding
) -> tuple[int, ...]:
    """Return the token ids of the answer that the model finds the most probable."""
    answers = encoding.answers
    if len(answers) == 1:
        return answers[0]
    return answers[int(np.argmax(model.answers_log_probability(fact)))]


def _sentences(
    model: NeuronModel,
    encoding: CausalEncoding | MaskedEncoding,
    answer: tuple[int, ...],
    first_only: bool,
) -> list[_Sentence]:
    special = set(model.tokenizer.all_special_ids)
    if isinstance(encoding, CausalEncoding):
        answer = answer[:1] if first_only else answer
        prompt = encoding.prompt
        last = len(prompt) - 1
        positions = tuple(range(last, last + len(answer)))
        places = tuple(i for i, token in enumerate(prompt) if token not in special)
        return [_Sentence((*prompt, *answer[:-1]), positions, answer, places, last)]
    return _masked_sentences(encoding, answer, special, first_only)


def _masked_sentences(
    encoding: MaskedEncoding, answer: tuple[int, ...], special: set[int], first_only: bool
) -> list[_Sentence]:
    n_before, n_after = len(encoding.before), len(encoding.after)
    queries = list(masked_fillings(encoding, answer))[: 1 if first_only else None]
    sentences = []
    for query in queries:
        around = [*range(n_before), *range(len(query.ids) - n_after, len(query.ids))]
        places = tuple(i for i in around if query.ids[i] not in special)
        sentences.append(_Sentence(query.ids, query.positions, query.targets, places, 0))
    return sentences


def _lines(
    amig: AMIG, model: NeuronModel, sentences: Sequence[_Sentence], layout: type[Layout]
) -> tuple[list[list[Line]], Any | None]:
    """Return the paths of each sentence, one or one per replaced token, and the prefixes' keys."""
    settings, first = model.pass_settings(), sentences[0]
    ids = [sentence.ids for sentence in sentences]
    places = [() if amig.baseline == "zero" else sentence.places for sentence in sentences]
    replacement = 0 if amig.baseline == "zero" else _replacement(amig, model)
    keys: Any = None
    if layout is Blocks:
        ends, starts, keys = shared_values(settings, ids, places, replacement, first.positions)
    else:
        rows = [
            row
            for one, replaced in zip(ids, places, strict=True)
            for row in (one, *replaced_sentences(one, replaced, replacement))
        ]
        values = sentence_values(settings, rows, first.positions)
        parts = torch.split(values, [1 + len(replaced) for replaced in places])
        ends = torch.stack([part[0] for part in parts])
        starts = [part[1:] for part in parts]
        keys = prefix_cache(settings, first.ids[: first.n_prefix])
    if amig.baseline == "zero":
        return [[Line(torch.zeros_like(end), end)] for end in ends], keys
    if amig.baseline == "mean":
        return [[Line(s.mean(dim=0), e)] for s, e in zip(starts, ends, strict=True)], keys
    return [[Line(s, e) for s in start] for start, e in zip(starts, ends, strict=True)], keys


def _takes_masks(model: NeuronModel, n_tokens: int) -> bool:
    """Tell whether a causal model goes by a given mask however rows are put together.

    Windows of attention count in tokens of the row, so they have to be wider than any.
    """
    config = model.hf_model.config
    attention = getattr(config, "_attn_implementation", None)
    if not model.is_causal or attention not in (None, "eager", "sdpa"):  # others drop such masks
        return False
    text = getattr(config, "text_config", None) or config
    windows = (getattr(text, name, None) for name in ("sliding_window", "window_size"))
    longest = 2 * n_tokens + 2 + 2 * LONGEST_BLOCK
    return all(window is None or window > longest for window in windows)


def _replacement(amig: AMIG, model: NeuronModel) -> int:
    """Return the id of the token that replaces others."""
    tokenizer: Any = model.tokenizer
    if isinstance(amig.replacement, str):
        found = tokenizer.convert_tokens_to_ids(amig.replacement)
        if found is None or found == tokenizer.unk_token_id:
            raise ValueError(f"replacement {amig.replacement!r} is not a token of the tokenizer.")
        return int(found)
    if amig.replacement is not None:
        return int(amig.replacement)
    chosen = tokenizer.eos_token_id if model.is_causal else tokenizer.mask_token_id
    if chosen is None:
        name = "end-of-text" if model.is_causal else "mask"
        raise ValueError(f"the tokenizer has no {name} token; name another with replacement=...")
    return int(chosen)
