"""One sweep over all layers: baselines, paths, gradients and their sum, for several facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.fact_sweep import FactSweep
from neurotopo.knowledge.sentences import Asked, Sentence
from neurotopo.models.baseline_values import (
    replaced_sentences,
    sentence_values,
    sentences_that_fit,
    shared_values,
)
from neurotopo.models.passes import prefix_cache
from neurotopo.models.path_gradients import LinePoints, line_points, rows_that_fit
from neurotopo.models.path_layouts import LONGEST_BLOCK, Blocks, FixedRows, JoiningRows, Layout
from neurotopo.models.path_waves import Line
from neurotopo.models.shared_keys import SharedKeys

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["Sweep"]


class Sweep(FactSweep):
    """Integrated gradients of answers over the neurons of all layers.

    ``rule`` holds nodes and weights of the integration rule; the other parameters are those of
    :class:`~neurotopo.AMIG`.
    """

    def __init__(
        self,
        model: NeuronModel,
        rule: tuple[NDArray[np.float64], NDArray[np.float64]],
        **options: Any,
    ) -> None:
        super().__init__(model, **options)
        nodes, weights = rule
        if 0.0 not in nodes:  # completeness needs the value at the start of the path
            nodes, weights = np.append(0.0, nodes), np.append(0.0, weights)
        with torch.inference_mode(False):
            self.fractions, self.weight = (
                torch.as_tensor(part, device=self.settings.device) for part in (nodes, weights)
            )

    def _lines_together(self, one: Asked) -> int:
        """Return how many lines share a forward pass."""
        layout = self._layout(one)
        if layout is FixedRows or (layout is JoiningRows and self.model.is_causal):
            return 1  # their cache holds one prefix
        n_tokens = max(len(sentence.piece().ids) for sentence in one.sentences)
        limit = self.batch_size or rows_that_fit(self.settings, n_tokens)
        together = max(1, limit // (self.model.n_layers * len(self.fractions)))
        longest = max(len(sentence.ids) for sentence in one.sentences)
        return min(together, sentences_that_fit(self.settings, longest))

    def _layout(self, one: Asked) -> type[Layout]:
        if self.model.family.has_fixed_batch(self.model.hf_model.config):
            return FixedRows
        sentence = one.sentences[0]
        masks = _takes_masks(self.model, len(sentence.ids), len(sentence.piece().ids))
        return Blocks if masks else JoiningRows

    def _together(
        self, asked: Sequence[Asked], given: Sequence[Sequence[torch.Tensor]] | None
    ) -> list[_Total]:
        """Attribute facts of one shape; ``given`` has values at the start of the paths."""
        layout = self._layout(asked[0])
        sentences = list(zip(*(one.sentences for one in asked), strict=True))
        starts = [None] * len(sentences) if given is None else list(zip(*given, strict=True))
        lines, keys = zip(
            *(self._lines(*pair, layout) for pair in zip(sentences, starts, strict=True)),
            strict=True,
        )
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
                totals[f].add(self.is_log, of_path, [part[j] for part in points], self.weight)
        return totals

    def _lines(
        self,
        sentences: Sequence[Sentence],
        given: Sequence[torch.Tensor] | None,
        layout: type[Layout],
    ) -> tuple[list[list[Line]], Any | None]:
        """Return the paths of each sentence, one or one per replaced token, and the prefix keys."""
        first = sentences[0]
        ids = [sentence.ids for sentence in sentences]
        places = [sentence.places if self.replaces else () for sentence in sentences]
        replacement = self._replacement() if self.replaces else 0
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
        if given is not None:
            begun = [start.to(end).expand_as(end) for start, end in zip(given, ends, strict=True)]
            return [[Line(*pair)] for pair in zip(begun, ends, strict=True)], keys
        if not self.replaces:
            return [[Line(torch.zeros_like(end), end)] for end in ends], keys
        if self.baseline == "mean":
            return [[Line(s.mean(dim=0), e)] for s, e in zip(starts, ends, strict=True)], keys
        return [[Line(s, e) for s in start] for start, e in zip(starts, ends, strict=True)], keys


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
        self, is_log: bool, lines: list[Line], path: list[LinePoints], weight: torch.Tensor
    ) -> None:
        """Add a path, one line of every sentence."""
        value = torch.stack([points.log_p for points in path]).sum(dim=0)
        self.log_p = self.value = sum(points.unedited for points in path)
        if not is_log:
            value, self.value = value.exp(), float(np.exp(self.log_p))
        slope = weight * (torch.ones_like(value) if is_log else value)
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


def _takes_masks(model: NeuronModel, n_tokens: int, n_piece: int) -> bool:
    """Return whether a causal model applies a given attention mask to the rows.

    An attention window counts tokens of the row, so it must be wider than the longest row.
    """
    config = model.hf_model.config
    attention = getattr(config, "_attn_implementation", None)
    if not model.is_causal or attention not in (None, "eager", "sdpa"):  # others drop such masks
        return False
    text = getattr(config, "text_config", None) or config
    windows = (getattr(text, name, None) for name in ("sliding_window", "window_size"))
    in_blocks = n_tokens + (1 + model.n_layers) * n_piece + LONGEST_BLOCK
    longest = max(2 * n_tokens + 2 + 2 * LONGEST_BLOCK, in_blocks)
    return all(window is None or window > longest for window in windows)
