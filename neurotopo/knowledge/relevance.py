"""Relevance of all neurons for several facts: one linear backward pass per sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import numpy as np
import torch

from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.fact_sweep import FactSweep
from neurotopo.knowledge.sentences import Asked, Sentence
from neurotopo.models.answer_head import Contrast, answering
from neurotopo.models.baseline_values import replaced_sentences, sentence_values
from neurotopo.models.evaluation import upcast_half
from neurotopo.models.linearized import LinearizedPass, check_linear
from neurotopo.models.path_gradients import rows_that_fit

__all__ = ["RelevanceSweep"]

_ROWS = 32  # more rows in a pass were not faster
_LINEAR: WeakSet[torch.nn.Module] = WeakSet()  # models that passed the test


@dataclass
class _Relevance:
    """The sum over the sentences of one fact."""

    scores: torch.Tensor
    is_log: bool
    log_p: float = 0.0

    def attribution(self, answer: tuple[int, ...]) -> Attribution:
        """Return the result."""
        value = self.log_p if self.is_log else float(np.exp(self.log_p))
        scores = self.scores.cpu().numpy() * (1.0 if self.is_log else value)
        return Attribution(scores, value, np.full(len(scores), np.nan), 1, answer)


class RelevanceSweep(FactSweep):
    """Relevance of the neurons of all layers; parameters are those of :class:`RelP`."""

    def _lines_together(self, one: Asked) -> int:
        longest = max(len(sentence.ids) for sentence in one.sentences)
        return min(_ROWS, self.batch_size or rows_that_fit(self.settings, longest))

    def _together(
        self, asked: Sequence[Asked], given: Sequence[Sequence[torch.Tensor]] | None
    ) -> list[_Relevance]:
        shape = (self.model.n_layers, self.model.n_neurons)
        zeros = torch.zeros(shape, dtype=torch.float64, device=self.settings.device)
        totals = [_Relevance(zeros.clone(), self.is_log) for _ in asked]
        for s, sentences in enumerate(zip(*(one.sentences for one in asked), strict=True)):
            log_p, values, slopes = self._pass(sentences)
            for f, total in enumerate(totals):
                start = given[f][s].to(values.device) if given else self._start(sentences[f])
                change = (values[f] - start).double() * slopes[f].double()
                total.scores += change.sum(dim=1)
                total.log_p += float(log_p[f])
        return totals

    def _start(self, sentence: Sentence) -> torch.Tensor | float:
        """Return the mean values in the sentence with one token replaced, or 0."""
        if not self.replaces:
            return 0.0
        rows = replaced_sentences(sentence.ids, sentence.places, self._replacement())
        return sentence_values(self.settings, rows, sentence.positions).mean(dim=0)

    def _pass(
        self, sentences: Sequence[Sentence]
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return logarithmic targets, values and their coefficients in sentences of one shape.

        The last two have shape (n_sentences, n_layers, n_positions, n_neurons).
        """
        settings, first = self.settings, sentences[0]
        ids = torch.tensor([sentence.ids for sentence in sentences], device=settings.device)
        mask = torch.ones_like(ids)
        if settings.hf_model not in _LINEAR:
            check_linear(settings, ids[:1], mask[:1])
            _LINEAR.add(settings.hf_model)
        arguments: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if settings.causal:
            arguments["use_cache"] = False
        linear = LinearizedPass(settings)
        log_p = self._log_p(linear, sentences, arguments)
        layers = range(self.model.n_layers)
        slopes = torch.autograd.grad(log_p.sum(), [linear.values[layer] for layer in layers])
        at = list(first.positions)

        def chosen(parts: Sequence[torch.Tensor]) -> torch.Tensor:
            shaped = [part.detach().reshape(*ids.shape, -1)[:, at] for part in parts]
            return torch.stack([upcast_half(part).to(ids.device) for part in shaped], dim=1)

        return log_p.detach(), chosen([linear.values[layer] for layer in layers]), chosen(slopes)

    def _log_p(
        self, linear: LinearizedPass, sentences: Sequence[Sentence], arguments: dict[str, Any]
    ) -> torch.Tensor:
        """Run the model and return the logarithmic target of each sentence."""
        settings, first = self.settings, sentences[0]
        n_tokens, read_at = len(first.ids), slice(first.reads[0], first.reads[-1] + 1)
        targets = torch.tensor([s.targets for s in sentences], device=settings.device)
        compared = [(*s.targets, *s.foils) for s in sentences]
        contrast = Contrast(compared, torch.arange(len(sentences))) if first.foils else None
        head = settings.plain_head  # may run the model, so before the hooks
        if head is not None:
            with answering(head, n_tokens, read_at, targets, contrast), linear.hooked():
                log_p: torch.Tensor = settings.hf_model(**arguments).logits
            return log_p
        with linear.hooked():
            logits = settings.hf_model(**arguments).logits
        logits = upcast_half(logits[:, read_at])
        if contrast is not None:
            return contrast.of_logits(logits[:, 0])
        picked = logits.gather(2, targets.to(logits.device)[..., None])[..., 0]
        return (picked - logits.logsumexp(dim=2)).sum(dim=1)
