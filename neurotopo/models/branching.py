"""Forward passes over one text under many edits, each part computed once.

Two rows of a batch with the same tokens and the same edits up to a layer have the same hidden
states there. So a pass starts with one row, and a row splits in two where the edits differ: the
rows are the nodes of a tree, its layers those of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from neurotopo.models.edit_places import Places
from neurotopo.models.evaluation import evaluating
from neurotopo.models.projections import MLP
from neurotopo.models.row_edits import LayerEdits, RowEdits

__all__ = ["Branches", "EditTree", "adding_layers", "branching"]

Branches = Mapping[int, "_Branch"]


@dataclass(frozen=True)
class _Branch:
    """The rows after the split of one layer.

    Attributes
    ----------
    edits : LayerEdits
        Their edits.
    parents : torch.Tensor, shape (n_rows,)
        The rows before the layer that they copy, in ascending order.
    """

    edits: LayerEdits
    parents: torch.Tensor

    def split(self, hidden: torch.Tensor, mlp: MLP) -> torch.Tensor:
        """Return hidden states of the rows after the split."""
        n_before, n_rows = int(self.parents[-1]) + 1, len(self.parents)
        if len(hidden) != n_before:
            raise RuntimeError(
                f"the layer of {mlp.out.name} has {len(hidden)} rows, not {n_before}: the model "
                "changes the rows of its input. Describe it by a Family with fixed_batch=True."
            )
        if n_rows == n_before:
            return hidden
        return hidden.index_select(0, self.parents.to(hidden.device))

    @contextmanager
    def at_entry(self, mlp: MLP, places: Places) -> Iterator[None]:
        """Split the rows before the layer, for any architecture."""

        def enter(module: Any, args: Any, kwargs: Any) -> Any:
            if "hidden_states" in kwargs:
                kwargs["hidden_states"] = self.split(kwargs["hidden_states"], mlp)
            else:
                args = (self.split(args[0], mlp), *args[1:])
            return args, kwargs

        handle = mlp.layer.register_forward_pre_hook(enter, with_kwargs=True)
        try:
            with self.edits.applied(mlp, places):
                yield
        finally:
            handle.remove()

    @contextmanager
    def at_exit(self, mlp: MLP, places: Places) -> Iterator[None]:
        """Split the rows after the layer, which adds the output of its MLP to the rest.

        The layer runs without the edited neurons; their part is added for every row.
        """
        neurons = self.edits.neurons
        held: list[torch.Tensor] = []

        def before_out(module: Any, args: Any) -> Any:
            given, index = args[0], neurons.to(args[0].device)
            held.append(given.index_select(-1, index).reshape(-1, places.n_tokens, len(index)))
            return (given.index_fill(-1, index, 0.0), *args[1:])

        def leave(module: Any, args: Any, output: Any) -> Any:
            if len(held) != 1:
                raise RuntimeError(
                    f"{mlp.out.name} was called {len(held)} times in one pass, not once: the model "
                    "computes its MLP another way."
                )
            hidden = output[0] if isinstance(output, tuple) else output
            values = self.edits.edit(self.split(held.pop(), mlp), places)
            edited = values @ mlp.out.rows(neurons).to(values.dtype)
            hidden = self.split(hidden, mlp) + edited.to(hidden.device)
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        with ExitStack() as hooks:
            for handle in (
                mlp.out.module.register_forward_pre_hook(before_out),
                mlp.layer.register_forward_hook(leave),
            ):
                hooks.callback(handle.remove)
            yield


class EditTree:
    """The tree of the hidden states of one text under the edits of some rows.

    Parameters
    ----------
    edits : RowEdits
    rows : sequence of int
        Rows of the edits; they may repeat.

    Attributes
    ----------
    leaf : ndarray of int, shape (n_rows,)
        The final hidden states of each row. Neighbours share most layers.
    """

    def __init__(self, edits: RowEdits, rows: Sequence[int]) -> None:
        self._edits, self._rows = edits, np.asarray(rows, dtype=np.intp)
        self._nodes: dict[int, NDArray[np.intp]] = {}
        node = np.zeros(len(rows), dtype=np.intp)
        for layer, of_layer in edits.layers.items():
            kinds = of_layer.kinds()[self._rows]
            node = np.unique(node * (kinds.max() + 1) + kinds, return_inverse=True)[1]
            self._nodes[layer] = node
        self.leaf = node

    @property
    def n_leaves(self) -> int:
        """Number of different final hidden states."""
        return int(self.leaf.max()) + 1

    def branches(self, leaves: range) -> Branches:
        """Return the splits of a pass that computes some of the leaves, by layer."""
        _, row_of_leaf = np.unique(self.leaf, return_index=True)
        rows = row_of_leaf[leaves.start : leaves.stop]
        result, before = {}, np.zeros(len(rows), dtype=np.intp)
        for layer, nodes in self._nodes.items():
            _, first, after = np.unique(nodes[rows], return_index=True, return_inverse=True)
            chosen = torch.from_numpy(self._rows[rows[first]])
            edits = self._edits.layers[layer].select(chosen)
            result[layer] = _Branch(edits, torch.from_numpy(before[first]))
            before = after
        return result


@contextmanager
def branching(
    mlps: Sequence[MLP], adding: Sequence[bool], branches: Branches, places: Places
) -> Iterator[None]:
    """Make a forward pass of one row return one row for each leaf, within a block.

    Parameters
    ----------
    mlps : sequence of MLP
        All layers of the model.
    adding : sequence of bool
        From :func:`adding_layers`.
    branches : mapping of int to branch
        From :meth:`EditTree.branches`.
    places : Places
        The tokens of the row.
    """
    with ExitStack() as hooks:
        for layer, branch in branches.items():
            mlp = mlps[layer]
            adds = branch.edits.inputs is None and adding[layer]
            split = branch.at_exit if adds and _is_plain(mlp) else branch.at_entry
            hooks.enter_context(split(mlp, places))
        yield


def adding_layers(hf_model: Any, mlps: Sequence[MLP]) -> tuple[bool, ...]:
    """Return which layers add the output of their MLP to the rest of the hidden states.

    A layer that normalises the sum, or the output, does not. One token is run through the model
    twice, with noise added to the outputs in the second row. All False for models in half
    precision, where a sum of more terms would be rounded more often.
    """
    result = [False] * len(mlps)
    if mlps[0].up.weight.dtype not in (torch.float32, torch.float64):
        return tuple(result)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(mlps[0].up.width, generator=generator)
    size = 1.0  # of the hidden states: smaller noise would drown in their rounding

    def hooks_of(layer: int, mlp: MLP) -> Iterator[Any]:
        added: list[torch.Tensor] = []

        def after_out(module: Any, args: Any, output: Any) -> Any:
            output = output.clone()
            scale = 3 * max(size, float(output.abs().max()))
            added.append((noise * scale).to(output.device, output.dtype))
            output.reshape(2, 1, -1)[1] += added[-1]
            return output

        def after_layer(module: Any, args: Any, output: Any) -> Any:
            nonlocal size
            hidden = (output[0] if isinstance(output, tuple) else output).clone()
            if len(added) == 1:
                expected = added[0].to(hidden.device)
                error = (hidden[1] - hidden[0] - expected).abs().max()
                result[layer] = bool(error < 1e-4 * expected.abs().max())
            hidden[1] = hidden[0]
            size = float(hidden.abs().max()) or 1.0
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        yield mlp.out.module.register_forward_hook(after_out)
        yield mlp.layer.register_forward_hook(after_layer)

    ids = torch.zeros(2, 1, dtype=torch.long, device=hf_model.get_input_embeddings().weight.device)
    with ExitStack() as hooks, evaluating(hf_model):
        for layer, mlp in enumerate(mlps):
            for handle in hooks_of(layer, mlp):
                hooks.callback(handle.remove)
        hf_model.base_model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return tuple(result)


def _is_plain(mlp: MLP) -> bool:
    """Return whether no module of a layer is wrapped or replaced, or has a hook on its output."""
    from transformers.pytorch_utils import Conv1D

    return type(mlp.out.module) in (nn.Linear, Conv1D) and not any(
        module._forward_hooks or "forward" in vars(module) for module in mlp.layer.modules()
    )
