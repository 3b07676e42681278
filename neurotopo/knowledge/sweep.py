"""One sweep over all layers: baselines, paths, gradients and their sum for one fact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.knowledge.attribution import AMIG, Attribution
from neurotopo.knowledge.quadrature import quadrature_nodes
from neurotopo.models.answers import masked_fillings
from neurotopo.models.baseline_values import (
    baseline_values,
    sentence_and_cache,
    sentence_values,
)
from neurotopo.models.encoding import CausalEncoding, MaskedEncoding
from neurotopo.models.passes import cropped, prefix_cache
from neurotopo.models.path_gradients import (
    Line,
    LinePoints,
    Piece,
    line_points,
    without_training,
)
from neurotopo.models.prompts import FactLike, describe_fact

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

    def piece(self) -> Piece:
        n = self.n_prefix
        return Piece(self.ids[n:], tuple(p - n for p in self.positions), self.targets)


def sweep(amig: AMIG, model: NeuronModel, fact: FactLike) -> Attribution:
    """Attribute a fact's answer to the neurons of all layers."""
    settings = model.pass_settings()
    nodes, weights = quadrature_nodes(amig.quadrature, amig.steps)
    if 0.0 not in nodes:  # the completeness of a layer is judged from where its path starts
        nodes, weights = np.append(0.0, nodes), np.append(0.0, weights)
    encoding = model.encode(fact)
    answer = _likeliest(model, fact, encoding)
    sentences = _sentences(model, encoding, answer, first_only=amig.target == "first")
    joining = not model.family.has_fixed_batch(model.hf_model.config)
    batch_size = amig.batch_size or model.batch_size
    with without_training(model.hf_model):
        prepared = [_lines(amig, model, fact, sentence) for sentence in sentences]
        lines, caches = zip(*prepared, strict=True)
        scores = np.zeros((model.n_layers, model.n_neurons))
        starts = np.zeros(model.n_layers)
        value = 0.0
        for paths in zip(*lines, strict=True):  # one path of every sentence at a time
            found = [
                line_points(
                    settings,
                    sentence.piece(),
                    line,
                    nodes,
                    cache=cache,
                    joining=joining,
                    batch_size=batch_size,
                )
                for sentence, line, cache in zip(sentences, paths, caches, strict=True)
            ]
            target, value = _target(amig.target, found)
            starts += target[:, 0]
            for line, points in zip(paths, found, strict=True):
                slope = target if amig.target != "log" else np.ones_like(target)
                scores += _integral(line, points, weights * slope)
    n_paths = len(lines[0])
    return Attribution(scores, value, starts / n_paths, n_paths, answer)


def _target(target: str, found: list[LinePoints]) -> tuple[NDArray[np.float64], float]:
    """Return the target at every point, (n_layers, n_points), and where nothing is replaced."""
    log_p = np.sum([points.log_p for points in found], axis=0)
    unedited = sum(points.unedited for points in found)
    return (log_p, unedited) if target == "log" else (np.exp(log_p), float(np.exp(unedited)))


def _integral(line: Line, points: LinePoints, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum gradients over points and positions, times the length of the path."""
    length = (line.end - line.start).double().numpy()
    gradient = points.gradient.astype(np.float64)
    summed: NDArray[np.float64] = np.einsum("lk,lkpn,lpn->ln", weights, gradient, length)
    return summed


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
    amig: AMIG, model: NeuronModel, fact: FactLike, sentence: _Sentence
) -> tuple[list[Line], Any | None]:
    """Return the paths, one or one per replaced token, and the cache of the prefix."""
    settings = model.pass_settings()
    whole, prefix = None, None
    if _cache_holds(model, len(sentence.ids)):
        end, whole = sentence_and_cache(settings, sentence.ids, sentence.positions)
        prefix = cropped(whole, sentence.n_prefix) if sentence.n_prefix else None
    else:
        end = sentence_values(settings, [sentence.ids], sentence.positions)[0]
        prefix = prefix_cache(settings, sentence.ids[: sentence.n_prefix])
    if amig.baseline == "zero":
        return [Line(torch.zeros_like(end), end)], prefix
    if not sentence.places:
        raise ValueError(
            f"{describe_fact(fact)}: the prompt has no token that could be replaced for a "
            "baseline; use baseline='zero'."
        )
    goes_on = not model.family.has_fixed_batch(model.hf_model.config)
    starts = baseline_values(
        settings,
        sentence.ids,
        sentence.places,
        _replacement(amig, model),
        sentence.positions,
        cache=whole if goes_on else None,
    )
    if amig.baseline == "mean":
        return [Line(starts.mean(dim=0), end)], prefix
    return [Line(start, end) for start in starts], prefix


def _cache_holds(model: NeuronModel, n_tokens: int) -> bool:
    """Tell whether keys and values of a sentence stay, also with two rests of it in a row."""
    if not model.is_causal:
        return False
    config = model.hf_model.config
    text = getattr(config, "text_config", None) or config
    windows = (getattr(text, name, None) for name in ("sliding_window", "window_size"))
    return all(window is None or window > 2 * n_tokens + 2 for window in windows)


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
