"""NeuronTuner: training of the rows of given neurons only."""

from __future__ import annotations

import os
import warnings
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from neurotopo.models.evaluation import upcast_half
from neurotopo.models.fingerprint import Fingerprint, fingerprint
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.neurons import NeuronSet
from neurotopo.tuning.attachment import NAME, Attachment, TunedNeurons, check_free
from neurotopo.tuning.tuner_files import Saved, check_fit, check_shape, read_saved, write_saved

__all__ = ["NeuronTuner"]


class NeuronTuner:
    """Train the in-rows, biases and out-rows of given neurons; the rest cannot change.

    The rows are separate, small parameters; the matrices are frozen. So optimizers have state for
    the chosen rows only, and weight decay or momentum cannot change other weights. The forward
    pass uses the whole matrices, with the rows written into them.

    Parameters
    ----------
    model : NeuronModel
        The model. Its other parameters are frozen until :meth:`remove` or :meth:`merge`. A tuner
        that is deleted before restores the model, and its rows are lost, with a warning.
    neurons : NeuronSet or iterable of (layer, index)
        The neurons, at least one.
    bias : bool, default=True
        Also train the neurons' biases in the in-projections, if the model has them.

    Raises
    ------
    ValueError
        If there are no neurons, if one does not exist, and for weights that are quantised,
        sharded or not in memory.
    RuntimeError
        If another tuner is attached to the model.

    Notes
    -----
    The matrices hold the new rows directly after ``optimizer.step()`` of a PyTorch optimizer, and
    after any other change at the next run of the model. After changes through ``tensor.data``
    outside an optimizer call :meth:`sync`.

    For ``transformers.Trainer`` pass ``tuner.model.hf_model``: the rows are among its parameters
    while the tuner is attached, and its checkpoints are those of an ordinary model with the
    trained rows. With reentrant gradient checkpointing call
    ``hf_model.enable_input_require_grads()``, as for every model with frozen embeddings.

    Examples
    --------
    >>> import torch
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.tuning import NeuronTuner
    >>> model = random_model("gpt2")
    >>> tokens = torch.tensor([[4, 5, 6, 7, 8]])
    >>> with NeuronTuner(model, [(0, 3), (2, 1)]) as tuner:
    ...     optimizer = torch.optim.AdamW(tuner.parameters(), lr=0.01)
    ...     model.hf_model(tokens, labels=tokens).loss.backward()
    ...     optimizer.step()
    ...     tuner
    ...     tuner.difference()["layer_0.up.weight"].shape
    NeuronTuner(2 neurons, 50 parameters, enabled)
    torch.Size([1, 12])
    """

    def __init__(self, model: NeuronModel, neurons: Any, *, bias: bool = True) -> None:
        self.model = model
        self.neurons = neurons if isinstance(neurons, NeuronSet) else NeuronSet(neurons)
        if not len(self.neurons):
            raise ValueError("neurons must hold at least one neuron: there is nothing to train.")
        self.neurons.check(model.n_layers, model.n_neurons)
        check_free(model.hf_model)
        if getattr(model.hf_model.config, "slow_but_exact", False):
            reason = "computes the MLP without calling its out-projection"
            raise ValueError(f"config.slow_but_exact=True {reason}; its rows cannot be trained.")
        self._bias = bias
        self._tuned = TunedNeurons(model.mlps, self.neurons, bias=bias)
        self._base: Fingerprint | None = None
        self._state: Literal["attached", "merged", "removed"] = "attached"
        self._attach()

    def __repr__(self) -> str:
        state = self._state
        word = ("enabled" if self.enabled else "disabled") if state == "attached" else state
        return f"NeuronTuner({len(self.neurons)} neurons, {self.n_parameters} parameters, {word})"

    def __enter__(self) -> NeuronTuner:
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove the tuner, unless it was merged."""
        if self._state == "attached":
            self.remove()

    def _attach(self) -> None:
        self._attachment = Attachment(self.model.hf_model, self._tuned)
        # a tuner that is deleted while attached restores the model
        self._finalizer = weakref.finalize(self, _restore, self._attachment, self._tuned)
        self._finalizer.atexit = False

    # Parameters

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield the compact rows and biases, for an optimizer.

        Yields
        ------
        Parameter
        """
        return self._tuned.parameters()

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield them with names like ``layer_3.up.weight``.

        Yields
        ------
        tuple of (str, Parameter)
        """
        return self._tuned.named_parameters()

    @property
    def n_parameters(self) -> int:
        """Number of trained parameters."""
        return sum(each.numel() for each in self.parameters())

    def state(self) -> dict[str, torch.Tensor]:
        """Return a copy of the trained rows, by name.

        Returns
        -------
        dict of str to Tensor
        """
        return {name: each.detach().clone() for name, each in self.named_parameters()}

    @torch.no_grad()
    def set_state(self, state: Mapping[str, torch.Tensor]) -> None:
        """Set the rows to a result of :meth:`state`.

        Parameters
        ----------
        state : mapping of str to torch.Tensor
            One tensor for every parameter.
        """
        self._check_attached("take other rows")
        parameters = dict(self.named_parameters())
        if set(state) != set(parameters):
            odd = sorted(set(state) ^ set(parameters))[0]
            raise ValueError(f"state and tuner do not have the same rows: {odd} is only in one.")
        for name, value in state.items():
            expected, shape = tuple(parameters[name].shape), tuple(value.shape)
            if shape != expected:
                raise ValueError(f"{name} must have the shape {expected}, got {shape}.")
        for name, value in state.items():
            parameters[name].copy_(value)
        self._tuned.sync()

    def difference(self) -> dict[str, torch.Tensor]:
        """Return the change of the rows, by name, in at least single precision.

        Returns
        -------
        dict of str to Tensor
        """
        base = dict(self._tuned.named_buffers())
        result = {}
        for name, value in self.state().items():
            where, _, kind = name.rpartition(".")
            result[name] = upcast_half(value) - upcast_half(base[f"{where}.base_{kind}"])
        return result

    # On and off

    @property
    def enabled(self) -> bool:
        """Whether the model has the trained rows, not the first ones."""
        return self._state != "removed" and all(part.is_active for part in self._tuned.parts())

    def enable(self) -> None:
        """Put the trained rows into the model."""
        self._check_attached("be enabled")
        self._tuned.sync(active=True)

    def disable(self) -> None:
        """Put the first rows into the model; the tuner keeps the trained ones."""
        self._check_attached("be disabled")
        self._tuned.sync(active=False)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Disable the tuner within a block of code."""
        before = self.enabled
        self.disable()
        try:
            yield
        finally:
            if self._state == "attached":
                self._tuned.sync(active=before)

    def sync(self) -> None:
        """Write the rows into the matrices now; needed after changes through ``tensor.data``."""
        self._check_attached("be written")
        if self.enabled:
            self._tuned.sync(force=True)

    def merge(self) -> None:
        """Leave the trained rows in the model and remove everything else."""
        self._check_attached("be merged")
        self._tuned.sync(active=True)
        self._detach()
        self._state = "merged"

    def unmerge(self) -> None:
        """Attach the tuner again, as it was before :meth:`merge`."""
        if self._state != "merged":
            raise RuntimeError("the tuner is not merged, so it cannot be unmerged.")
        self._attach()
        self._state = "attached"

    def remove(self) -> None:
        """Restore the model bit for bit; the trained rows stay readable."""
        if self._state == "removed":
            return
        if self._state == "merged":
            check_free(self.model.hf_model)
        self._tuned.sync(active=False)
        if self._state == "attached":
            self._detach()
        self._state = "removed"

    def _detach(self) -> None:
        self._finalizer.detach()
        self._attachment.detach()

    def _check_attached(self, what: str) -> None:
        if self._state == "merged":
            raise RuntimeError(f"the tuner is merged and cannot {what}; call unmerge() first.")
        if self._state == "removed":
            raise RuntimeError(f"the tuner is removed from the model and cannot {what}.")

    # Files

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the rows, their neurons and the fingerprint of the model.

        Parameters
        ----------
        folder : path-like
            Folder for ``rows.safetensors`` and ``config.json``.
        """
        base = self._base_fingerprint()
        saved = Saved.describe(self.model, base, self.neurons, self._bias)
        write_saved(Path(folder), saved, self.state())

    def load(self, folder: str | os.PathLike[str]) -> None:
        """Set the rows to those saved by another tuner of the same neurons and model.

        Parameters
        ----------
        folder : path-like
            A folder of :meth:`save`.

        Raises
        ------
        FileNotFoundError
            If a file is missing.
        ValueError
            If a file is broken, or is for other neurons or another model.
        """
        self._check_attached("load rows")
        saved, rows = read_saved(Path(folder))
        self._take(saved, rows)

    def _take(self, saved: Saved, rows: Mapping[str, torch.Tensor]) -> None:
        check_shape(saved, self.model)
        if saved.neurons != self.neurons:
            raise ValueError(
                f"the saved rows are of {len(saved.neurons)} neurons and the tuner trains "
                f"{len(self.neurons)}, of which {len(saved.neurons & self.neurons)} are the same."
            )
        if saved.bias != self._bias:
            raise ValueError(
                f"the rows were saved with bias={saved.bias} and the tuner has bias={self._bias}."
            )
        check_fit(saved, self._base_fingerprint())
        self.set_state(rows)

    @classmethod
    def from_folder(cls, model: NeuronModel, folder: str | os.PathLike[str]) -> NeuronTuner:
        """Attach a tuner with the neurons and rows of a folder.

        Parameters
        ----------
        model : NeuronModel
            The model before the training.
        folder : path-like
            A folder of :meth:`save`.

        Returns
        -------
        NeuronTuner

        Examples
        --------
        >>> import tempfile
        >>> from neurotopo.models.examples import random_model
        >>> from neurotopo.tuning import NeuronTuner
        >>> folder = tempfile.mkdtemp()
        >>> with NeuronTuner(random_model("llama"), [(0, 3), (2, 1)]) as tuner:
        ...     tuner.save(folder)
        >>> again = NeuronTuner.from_folder(random_model("llama"), folder)
        >>> again.neurons
        NeuronSet([(0, 3), (2, 1)])
        >>> again.merge()
        """
        saved, rows = read_saved(Path(folder))
        check_shape(saved, model)
        tuner = cls(model, saved.neurons, bias=saved.bias)
        try:
            tuner._take(saved, rows)
        except BaseException:
            tuner.remove()
            raise
        return tuner

    def _base_fingerprint(self) -> Fingerprint:
        """Return the fingerprint of the model before training."""
        if self._base is None:
            active, hf_model = self.enabled, self.model.hf_model
            attached = self._state == "attached"
            if active:
                self._tuned.sync(active=False)
            if attached:
                delattr(hf_model, NAME)  # the fingerprint does not include its parameters
            try:
                self._base = fingerprint(self.model)
            finally:
                if attached:
                    hf_model.add_module(NAME, self._tuned)
                if active:
                    self._tuned.sync(active=True)
        return self._base


def _restore(attachment: Attachment, tuned: TunedNeurons) -> None:
    """Restore the model of a tuner that was deleted while attached."""
    try:
        tuned.sync(active=False)
    finally:
        attachment.detach()
    warnings.warn(
        "a NeuronTuner was deleted while attached: its model is restored and the trained rows are "
        "lost. Keep a reference to the tuner, and call merge(), remove() or save().",
        RuntimeWarning,
        stacklevel=2,
    )
