"""Total and direct effects of edits: what later layers and the last norm add to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
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
        layer writes what it writes without edits, and the norms of the stream keep their scale.
    frozen : Scores
        With all that the edits change, except the scale of the norms after the last MLP.

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
        Its most probable valid answer without edits counts.
    foils : sequence of str
        Those that begin with the first token of a valid answer, or of an earlier foil, are left
        out: ``log_foils`` has a column for each different first token, and the contrast is nan if
        there is none.
    edits : sequence
        Edits with ``positions="last"``, as in
        :meth:`NeuronModel.answer_probability <neurotopo.NeuronModel.answer_probability>`.

    Returns
    -------
    PathScores

    Notes
    -----
    In most families a layer adds to the residual stream what it computes, and one last norm reads
    the stream. The direct effect of a layer is the change of what it adds, also where the layer
    itself has a norm after its MLP (Gemma 2, OLMo 2), because that norm is part of the layer.

    In post-norm families (BERT and its relatives, OPT-350m) the stream passes norms in and between
    the layers. The change of the MLP's output then reaches the head through all later norms, each
    with the scale that it has without edits, and ``frozen`` keeps the scale of the norm at the end
    of the last layer too.

    For edits of the last layer ``frozen`` and ``direct`` are equal, because no layer follows. The
    head of masked models computes a nonlinearity from the stream; all three scores include it.

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
    for number, row in enumerate(rows):
        for edit in row:
            if edit.positions != "last":
                raise ValueError(
                    f"edits[{number}] has positions={edit.positions!r}; path_scores takes edits "
                    'with positions="last".'
                )
    ids, at, targets = _question(model, fact, foils)
    clean = _Clean(model, ids, at)
    passes: dict[str, list[torch.Tensor]] = {"total": [], "direct": [], "frozen": []}
    size = model.batch_size or _ROWS
    for start in range(0, len(rows), size):
        part = RowEdits(rows[start : start + size])
        passes["total"].append(clean.run(part))
        with clean.norms_frozen():
            passes["frozen"].append(clean.run(part))
            with clean.others_kept():
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
    valid = {answer[0] for answer in encoding.answers}
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
        if token not in valid and token not in first:
            first.append(token)
    return torch.tensor([ids], device=model.device), at, first


class _Clean:
    """The forward pass of one text without edits, and passes that keep parts of it."""

    def __init__(self, model: NeuronModel, ids: torch.Tensor, at: int) -> None:
        self.model, self.ids, self.at = model, ids, at
        self._layers: list[torch.Tensor] = []
        # norms whose scale stays, in the order of their calls: after the last MLP
        self._norms: list[tuple[torch.nn.Module, torch.Tensor]] = []
        self._is_post_norm = False
        self._parts: dict[torch.nn.Module, list[torch.Tensor]] = {}
        norm: tuple[Any, ...] | None = None

        def after_layer(module: Any, args: Any, output: Any) -> None:
            nonlocal norm
            hidden = _hidden(output)
            # the last norm of a post-norm layer returns the stream
            post = norm is not None and norm[2].data_ptr() == hidden.data_ptr()
            self._is_post_norm |= post
            self._layers.append(hidden.clone())
            if norm is not None and post and len(self._layers) == len(model.mlps):
                self._norms.append(norm[:2])
            norm = None

        def after_norm(module: Any, args: Any, output: torch.Tensor) -> None:
            nonlocal norm
            norm = (module, _scale(module, args[0]), output)
            if len(self._layers) == len(model.mlps):
                self._norms.append(norm[:2])

        with ExitStack() as hooks:
            for mlp in model.mlps:
                hooks.callback(mlp.layer.register_forward_hook(after_layer).remove)
            for module in filter(_is_norm, model.hf_model.modules()):
                hooks.callback(module.register_forward_hook(after_norm).remove)
            self.run(RowEdits([()]))

    def run(self, edits: RowEdits) -> torch.Tensor:
        """Return the logits at the predicting position, a row per row of edits."""
        model = self.model
        ids = self.ids.expand(edits.n_rows, -1)
        predicts = torch.full((1, ids.shape[1]), -1)
        predicts[:, self.at] = 0
        places = Places(predicts, torch.tensor([ids.shape[1]]))
        arguments: dict[str, Any] = {"use_cache": False} if model.is_causal else {}
        if model.is_causal and model.pass_settings().selects_logits:
            arguments["logits_to_keep"] = 1  # the last token predicts the answer
        with evaluating(model.hf_model), edits.applied(model.mlps, places):
            output = model.hf_model(input_ids=ids, attention_mask=torch.ones_like(ids), **arguments)
        return upcast_half(output.logits[:, -1 if model.is_causal else self.at])

    @contextmanager
    def norms_frozen(self) -> Iterator[None]:
        """Give the norms after the last MLP the scale that they have without edits."""
        with ExitStack() as hooks:
            for module, scale in self._norms:
                hooks.callback(module.register_forward_hook(_rescaled([scale])).remove)
            yield

    @contextmanager
    def others_kept(self) -> Iterator[None]:
        """Keep all that the edited layers do not write themselves, but the norms after them."""
        with self._parts_kept() if self._is_post_norm else self._layers_kept():
            yield

    @contextmanager
    def _layers_kept(self) -> Iterator[None]:
        """Let each layer read its own input without edits; add up what its edits change."""
        change: Any = 0

        def keep(clean: torch.Tensor, is_last: bool) -> Callable[..., Any]:
            def after(module: Any, args: Any, output: Any) -> Any:
                nonlocal change
                hidden = _hidden(output)
                change = change + (hidden - clean)
                kept = clean.expand_as(hidden)
                return _with_hidden(output, kept + change if is_last else kept.clone())

            return after

        with ExitStack() as hooks:
            last = len(self._layers) - 1
            for i, (mlp, clean) in enumerate(zip(self.model.mlps, self._layers, strict=True)):
                hooks.callback(mlp.layer.register_forward_hook(keep(clean, i == last)).remove)
            yield

    @contextmanager
    def _parts_kept(self) -> Iterator[None]:
        """Let all projections but those out of the MLPs keep their output, and norms their scale.

        A change of the stream then passes the layers through sums and norms only.
        """
        if not self._parts:
            self._record_parts()
        with ExitStack() as hooks:
            for module, kept in self._parts.items():
                hook = _rescaled(kept) if _is_norm(module) else _returning(kept)
                hooks.callback(module.register_forward_hook(hook).remove)
            yield

    def _record_parts(self) -> None:
        """Store the outputs of projections, and scales of norms, from first to last layer."""
        mlps = self.model.mlps
        outs = {part for mlp in mlps for part in mlp.out.module.modules()}
        after = {module for module, _ in self._norms}
        started = ended = False

        def start(module: Any, args: Any) -> None:
            nonlocal started
            started = True

        def end(module: Any, args: Any, output: Any) -> None:
            nonlocal ended
            ended = True

        def record(module: Any, args: Any, output: Any) -> None:
            if started and not ended:
                kept = _scale(module, args[0]) if _is_norm(module) else output
                self._parts.setdefault(module, []).append(kept)

        with ExitStack() as hooks:
            hooks.callback(mlps[0].layer.register_forward_pre_hook(start).remove)
            hooks.callback(mlps[-1].layer.register_forward_hook(end).remove)
            for module in self.model.hf_model.modules():
                computes = _is_norm(module) or _has_weights(module)
                if computes and module not in outs and module not in after:
                    hooks.callback(module.register_forward_hook(record).remove)
            self.run(RowEdits([()]))


def _hidden(output: Any) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output


def _with_hidden(output: Any, hidden: torch.Tensor) -> Any:
    return (hidden, *output[1:]) if isinstance(output, tuple) else hidden


def _is_norm(module: torch.nn.Module) -> bool:
    return "norm" in type(module).__name__.lower() and not list(module.children())


def _has_weights(module: torch.nn.Module) -> bool:
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return bool(own) and not list(module.children())


def _epsilon(module: torch.nn.Module) -> float:
    for name in ("eps", "variance_epsilon", "epsilon"):
        if isinstance(value := getattr(module, name, None), float):
            return value
    return 1e-5  # as in torch: OLMo's norm has it in its code


def _scale(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the number by which a norm divides each row of its input."""
    x = upcast_half(x)
    if _is_centred(module):
        x = x - x.mean(dim=-1, keepdim=True)
    return (x.square().mean(dim=-1, keepdim=True) + _epsilon(module)).sqrt()


def _is_centred(module: torch.nn.Module) -> bool:
    return "layernorm" in type(module).__name__.lower()


def _rescaled(scales: Sequence[torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Return a hook that gives a norm the scales of its first, second, ... call."""
    following = cycle(scales)

    def after(module: torch.nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        bias = getattr(module, "bias", None)
        bias = 0 if bias is None else upcast_half(bias)
        ratio = _scale(module, args[0])
        ratio = ratio / _for_rows(next(following), ratio)
        return ((upcast_half(output) - bias) * ratio + bias).to(output.dtype)

    return after


def _returning(outputs: Sequence[torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Return a hook that replaces the output of the first, second, ... call of a module."""
    following = cycle(outputs)

    def after(module: torch.nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        return _for_rows(next(following), output)

    return after


def _for_rows(clean: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Repeat an array of one text for all rows; some families flatten rows and tokens."""
    return clean.repeat(len(like) // len(clean), *(1,) * (clean.dim() - 1))
