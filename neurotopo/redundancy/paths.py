"""Total and direct effects of edits: what later layers and the last norm add to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neurotopo.knowledge.facts import Fact
from neurotopo.models.edit_places import Places
from neurotopo.models.edits import Rows, as_rows
from neurotopo.models.encoding import CausalEncoding
from neurotopo.models.evaluation import evaluating, upcast_half
from neurotopo.models.row_edits import RowEdits
from neurotopo.redundancy.scores import Scores, replace_answers

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["PathScores", "path_scores"]

_ROWS = 16


@dataclass(frozen=True, eq=False)
class PathScores:
    """Scores of the first token of an answer under edits, along three sets of paths.

    Attributes
    ----------
    total : Scores
        With all that the edits change.
    direct : Scores
        With only what the edited layers themselves write to the residual stream: every other
        layer keeps the output that it has without edits, and the last norm its scale.
    frozen : Scores
        With all that the edits change, except the scale of the last norm.

    Examples
    --------
    >>> from neurotopo.redundancy import path_scores
    >>> from neurotopo.testbed.toys import toy
    >>> net = toy("adder")
    >>> paths = path_scores(net.model, net.facts[0], ["no"], [None])
    >>> paths.total.of("contrast").round(2), paths.direct.of("contrast").round(2)
    (array([4.]), array([4.]))
    """

    total: Scores
    direct: Scores
    frozen: Scores


def path_scores(model: NeuronModel, fact: Fact, foils: Sequence[str], edits: Rows) -> PathScores:
    """Return the scores of a fact's first token under edits at the token that predicts it.

    Where the total effect is smaller than the direct one, later layers or the last norm repair the
    damage. Only the first token of the answer and of the foils counts, so that all of them read the
    same hidden states.

    Parameters
    ----------
    model : NeuronModel
    fact : Fact
        Its most probable valid answer counts.
    foils : sequence of str
        Those with the first token of the answer are left out.
    edits : sequence
        Edits with ``positions="last"``, as in
        :meth:`NeuronModel.answer_probability <neurotopo.NeuronModel.answer_probability>`.

    Returns
    -------
    PathScores

    References
    ----------
    .. [1] T. McGrath et al., "The Hydra Effect: Emergent Self-repair in Language Model
       Computations", 2023.
    .. [2] C. Rushing, N. Nanda, "Explorations of Self-Repair in Language Models", ICML 2024.

    Examples
    --------
    The second group of the toy network ``backup`` replaces the first one, so the first has a
    direct effect and no total effect:

    >>> from neurotopo import Edit
    >>> from neurotopo.redundancy import path_scores
    >>> from neurotopo.testbed.toys import toy
    >>> net = toy("backup")
    >>> edits = [None, Edit(net.groups[0], positions="last")]
    >>> paths = path_scores(net.model, net.facts[0], ["no", "maybe"], edits)
    >>> paths.total.of("contrast").round(2), abs(paths.direct.of("contrast")).round(2)
    (array([4., 4.]), array([4., 0.]))
    """
    rows = as_rows(edits, model.n_layers, model.n_neurons)
    for row in rows:
        if any(edit.positions != "last" for edit in row):
            raise ValueError('path_scores takes edits with positions="last".')
    ids, at, targets = _question(model, fact, foils)
    clean = _Clean(model, ids, at)
    passes: dict[str, list[torch.Tensor]] = {"total": [], "direct": [], "frozen": []}
    size = model.batch_size or _ROWS
    for start in range(0, len(rows), size):
        part = RowEdits(rows[start : start + size])
        passes["total"].append(clean.run(part))
        with clean.norms_frozen():
            passes["frozen"].append(clean.run(part))
            with clean.layers_kept(part.n_rows):
                passes["direct"].append(clean.run(part))
    scores = {}
    for name, logits in passes.items():
        log_p = torch.cat(logits).log_softmax(dim=1)[:, targets].cpu().numpy().astype(np.float64)
        scores[name] = Scores(log_p[:, 0], log_p[:, 1:])
    return PathScores(**scores)


def _question(
    model: NeuronModel, fact: Fact, foils: Sequence[str]
) -> tuple[torch.Tensor, int, list[int]]:
    """Return the tokens, (1, n_tokens), the predicting position, and the first tokens."""
    encoding = model.encode(fact)
    best = encoding.answers[int(model.answers_log_probability(fact).argmax())]
    if isinstance(encoding, CausalEncoding):
        ids, at = encoding.prompt, len(encoding.prompt) - 1
    else:
        masks = (encoding.mask,) * len(best)
        ids, at = (*encoding.before, *masks, *encoding.after), len(encoding.before)
    model.check_length(fact, len(ids))
    first = [best[0]]
    for foil in foils:
        token = model.encode(replace_answers(fact, (foil,))).answers[0][0]
        if token not in first:
            first.append(token)
    return torch.tensor([ids], device=model.device), at, first


class _Clean:
    """The forward pass of one text without edits, and passes that keep parts of it."""

    def __init__(self, model: NeuronModel, ids: torch.Tensor, at: int) -> None:
        self.model, self.ids, self.at = model, ids, at
        self._layers: list[torch.Tensor] = []
        self._norms: list[tuple[torch.nn.Module, torch.Tensor]] = []
        last = model.mlps[-1].layer
        inside = {part for mlp in model.mlps for part in mlp.layer.modules()}

        def after_layer(module: Any, args: Any, output: Any) -> None:
            self._layers.append(_hidden(output))

        def before_norm(module: Any, args: Any) -> None:
            if len(self._layers) == len(model.mlps):  # after the last layer
                self._norms.append((module, _scale(module, args[0])))

        with ExitStack() as hooks:
            for mlp in model.mlps:
                hooks.callback(mlp.layer.register_forward_hook(after_layer).remove)
            for module in model.hf_model.modules():
                if module is not last and module not in inside and _is_norm(module):
                    hooks.callback(module.register_forward_pre_hook(before_norm).remove)
            self.run(RowEdits([()]))

    def run(self, edits: RowEdits) -> torch.Tensor:
        """Return the logits at the predicting position, a row per row of edits."""
        model = self.model
        ids = self.ids.expand(edits.n_rows, -1)
        predicts = torch.full((1, ids.shape[1]), -1)
        predicts[:, self.at] = 0
        places = Places(predicts, torch.tensor([ids.shape[1]]))
        with evaluating(model.hf_model), edits.applied(model.mlps, places):
            output = model.hf_model(input_ids=ids, attention_mask=torch.ones_like(ids))
        return upcast_half(output.logits[:, self.at])

    @contextmanager
    def norms_frozen(self) -> Iterator[None]:
        """Give the norms after the last layer the scale that they have without edits."""
        with ExitStack() as hooks:
            for module, scale in self._norms:
                hooks.callback(module.register_forward_hook(_rescaled(scale)).remove)
            yield

    @contextmanager
    def layers_kept(self, n_rows: int) -> Iterator[None]:
        """Let each layer read its own input without edits; add up what its edits change."""
        change: Any = 0

        def keep(clean: torch.Tensor, is_last: bool) -> Callable[..., Any]:
            def after(module: Any, args: Any, output: Any) -> Any:
                nonlocal change
                change = change + (_hidden(output) - clean)
                kept = clean.expand(n_rows, *clean.shape[1:])
                return _with_hidden(output, kept + change if is_last else kept)

            return after

        with ExitStack() as hooks:
            last = len(self._layers) - 1
            for i, (mlp, clean) in enumerate(zip(self.model.mlps, self._layers, strict=True)):
                hooks.callback(mlp.layer.register_forward_hook(keep(clean, i == last)).remove)
            yield


def _hidden(output: Any) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output


def _with_hidden(output: Any, hidden: torch.Tensor) -> Any:
    return (hidden, *output[1:]) if isinstance(output, tuple) else hidden


def _is_norm(module: torch.nn.Module) -> bool:
    return "norm" in type(module).__name__.lower() and not list(module.children())


def _epsilon(module: torch.nn.Module) -> float:
    for name in ("eps", "variance_epsilon", "epsilon"):
        if isinstance(value := getattr(module, name, None), float):
            return value
    return 0.0


def _scale(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the number by which a norm divides each row of its input."""
    x = upcast_half(x)
    if _is_centred(module):
        x = x - x.mean(dim=-1, keepdim=True)
    return (x.square().mean(dim=-1, keepdim=True) + _epsilon(module)).sqrt()


def _is_centred(module: torch.nn.Module) -> bool:
    return "layernorm" in type(module).__name__.lower()


def _rescaled(scale: torch.Tensor) -> Callable[..., torch.Tensor]:
    """Return a hook that replaces the scale of a norm."""

    def after(module: torch.nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        bias = getattr(module, "bias", None)
        bias = 0 if bias is None else bias
        ratio = (_scale(module, args[0]) / scale).to(output.dtype)
        return (output - bias) * ratio + bias

    return after
