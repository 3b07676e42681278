"""A double of CUDA without a GPU: tensors with real numbers that say they are on ``cuda``.

Each holds a tensor on the CPU, on which its operations run, so results can be compared with those
of the CPU. Autograd, hooks and custom functions see one tensor on one device. As with CUDA, an
operation that mixes devices is a ``RuntimeError``, and NumPy reads only tensors on the CPU.

For torch itself the tensors are on the device ``meta``, which every build of torch supports; the
mode replaces one name by the other. Modes belong to a thread, and so does the double.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from neurotopo.models import opaque
from neurotopo.tuning import rows

FREE = 2**30  # free bytes of a device

# these accept tensors on other devices
_COPIES = ("aten::copy_", "aten::_to_copy")
# positions may be on the CPU
_INDEXED = {"aten::index": 1, "aten::index_put": 1, "aten::index_put_": 1}
_FROM_DATA = (torch.tensor, torch.as_tensor, torch.asarray)

_SUBSCRIPTS = (torch.Tensor.__getitem__, torch.Tensor.__setitem__)


def _with_tensors(subscript):
    """Return a subscript whose lists are tensors: on ``meta``, torch would lose their numbers."""
    if isinstance(subscript, tuple):
        return tuple(map(_with_tensors, subscript))
    return torch.as_tensor(subscript) if isinstance(subscript, list | np.ndarray) else subscript


def _inner(device):
    """Return the device that torch knows for a device of CUDA."""
    device = torch.device(device)
    return torch.device("meta", device.index or 0) if device.type == "cuda" else device


class CudaTensor(torch.Tensor):
    """A tensor on a CUDA device that is not there."""

    @staticmethod
    def __new__(cls, held, index=0):
        self = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device("meta", index),
        )
        self.held, self.index = held, index
        return self

    @property
    def device(self):
        return torch.device("cuda", self.index)

    @property
    def is_cuda(self):
        return True

    @property
    def is_meta(self):
        return False

    def numpy(self, *, force=False):
        raise TypeError(f"can't convert {self.device} device type tensor to numpy")

    def tolist(self):
        return self.cpu().tolist()

    def data_ptr(self):
        return self.held.data_ptr()

    def __repr__(self):
        return f"CudaTensor({self.held!r}, index={self.index})"

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _mapped(function, value):
    """Apply a function to the entries of lists and tuples."""
    if isinstance(value, list | tuple):
        return type(value)(_mapped(function, each) for each in value)
    return function(value)


def _run(func, args, kwargs):
    """Run an operation on the held tensors, if its arguments are on one device."""
    tensors = []

    def held(value):
        if isinstance(value, torch.Tensor):
            tensors.append(value)
        return value.held if isinstance(value, CudaTensor) else value

    inner = _mapped(held, args)
    name = func._schema.name
    kwargs = {key: _mapped(held, value) for key, value in kwargs.items()}
    asked = kwargs.get("device")
    index = _index_of(func, name, args, tensors)
    if asked is not None:
        asked = torch.device(asked)
        index = (asked.index or 0) if asked.type in ("meta", "cuda") else None
        kwargs = {**kwargs, "device": torch.device("cpu")}
    elif not tensors:
        index = None
    generator = kwargs.get("generator")
    if index is not None and generator is not None and generator.device.type == "cpu":
        raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
    if name == "aten::_fused_sdp_choice":
        return 0  # plain products: the other kernels differ from device to device
    wrapped = {id(t.held): t for t in tensors if isinstance(t, CudaTensor)}
    result = func(*inner, **kwargs)

    def wrap(value):
        if not isinstance(value, torch.Tensor) or index is None:
            return value
        known = wrapped.get(id(value))  # an operation in place returns its argument
        return CudaTensor(value, index) if known is None else known

    return _mapped(wrap, result)


def _index_of(func, name, args, tensors):
    """Return the number of the device of the arguments, None for the CPU."""
    if name in _COPIES:
        return args[0].index if isinstance(args[0], CudaTensor) else None
    if name in _INDEXED and isinstance(args[0], CudaTensor):
        tensors = [args[0], *(a for a in args[1] if isinstance(a, CudaTensor)), *args[2:3]]
    places = {t.index if isinstance(t, CudaTensor) else None: t for t in tensors}
    scalars = torch.Tag.pointwise in func.tags or name in (*_INDEXED, "aten::where")
    if scalars and len(places) > 1:  # a number on the CPU goes anywhere
        tensors = [t for t in tensors if isinstance(t, CudaTensor) or t.dim()]
        places = {t.index if isinstance(t, CudaTensor) else None: t for t in tensors}
    if len(places) > 1:
        names = sorted("cpu" if place is None else f"cuda:{place}" for place in places)
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{' and '.join(names)}, in {name}"
        )
    return next(iter(places), None)


class _Factories(TorchDispatchMode):
    """Makes new tensors, and copies of tensors of the CPU, on the devices of the double."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class _Names(TorchFunctionMode):
    """Replaces the name of the device in calls of torch."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.device:
            return func(*args, **kwargs)
        if func in _FROM_DATA and kwargs.get("device") is not None:
            return func(*args, **{**kwargs, "device": None}).to(_inner(kwargs["device"]))
        if func is torch.Tensor.new_tensor:
            raise NotImplementedError("the double of CUDA has no Tensor.new_tensor")
        if func in _SUBSCRIPTS and isinstance(args[0], CudaTensor):
            return func(args[0], _with_tensors(args[1]), *args[2:])
        if func is torch.Tensor.cuda:
            func, args = torch.Tensor.to, (args[0], *(args[1:] or ("cuda",)))

        def named(value):
            if isinstance(value, torch.device) and value.type == "cuda":
                return _inner(value)
            return _inner(value) if isinstance(value, str) and value.startswith("cuda") else value

        return func(*(named(a) for a in args), **{k: named(v) for k, v in kwargs.items()})


_to = torch.nn.Module.to


def _moved(module, *args, **kwargs):
    """Move a module; its parameters are new objects, and shared ones stay shared."""
    shared = {}
    for each in module.modules():
        for name, parameter in each._parameters.items():
            if parameter is not None:
                shared.setdefault(id(parameter), []).append((each._parameters, name))
    _to(module, *args, **kwargs)
    for (first, name), *others in shared.values():
        for place, other in others:
            place[other] = first[name]
    return module


def _done(executor, function, *args, **kwargs):
    """Call a function at once instead of in a thread."""
    future = Future()
    try:
        future.set_result(function(*args, **kwargs))
    except BaseException as error:
        future.set_exception(error)
    return future


@contextmanager
def cuda_double(n_devices=1, free=FREE):
    """Let torch have GPUs for a block, so that the paths for them run."""
    memory = {
        "is_available": lambda: True,
        "device_count": lambda: n_devices,
        "mem_get_info": lambda device=None: (free, 2 * free),
        "memory_reserved": lambda device=None: 0,
        "memory_allocated": lambda device=None: 0,
        "max_memory_allocated": lambda device=None: 1,
        "get_device_name": lambda device=None: "a double",
        "reset_peak_memory_stats": lambda device=None: None,
        "get_rng_state": lambda device=None: torch.get_rng_state(),
        "set_rng_state": lambda state, device=None: None,
    }
    with ExitStack() as stack:
        for name, double in memory.items():
            stack.enter_context(patch.object(torch.cuda, name, double))
        # a class of its own means quantised weights elsewhere
        stack.enter_context(patch.object(opaque, "_TENSORS", (*opaque._TENSORS, CudaTensor)))
        stack.enter_context(patch.object(rows, "_check", lambda tensor, name: None))
        stack.enter_context(patch.object(torch.nn.Module, "to", _moved))
        # modes belong to a thread
        stack.enter_context(patch.object(ThreadPoolExecutor, "submit", _done))
        overwritten = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwritten)
        names = _Names()
        run_backward = torch.autograd._engine_run_backward

        def backward(*args, **kwargs):
            with names:  # torch.autograd.grad is a function of torch, in which no mode is active
                return run_backward(*args, **kwargs)

        stack.enter_context(patch.object(torch.autograd, "_engine_run_backward", backward))
        stack.enter_context(_Factories())
        stack.enter_context(names)
        yield
