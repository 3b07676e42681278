"""The worker processes of :class:`~neurotopo.studies.RayEngine` and their exceptions."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neurotopo.studies.engines import Task, Work, reason_of, work_on

__all__ = ["Raised", "Worker", "pickler"]

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def pickler() -> Any:
    """Return Ray's pickle module; the standard one cannot pickle every function."""
    return importlib.import_module("ray.cloudpickle")


@dataclass(frozen=True)
class Raised:
    """An exception that is sent to another process."""

    whole: bytes | None  # the pickled exception, if it can be pickled
    kind: type[Exception]  # the nearest built-in base class
    message: str
    where: str  # the traceback

    @classmethod
    def of(cls, error: Exception) -> Raised:
        """Pack an exception."""
        message = str(error)
        try:
            whole = pickler().dumps(error)
            back = pickler().loads(whole)
            if type(back) is not type(error) or str(back) != message:
                whole = None
        except Exception:  # some exceptions can be pickled but not read
            whole = None
        where = "".join(traceback.format_exception(error))
        return cls(whole, _nearest(type(error), message), message, where)

    def error(self) -> Exception:
        """Return the exception."""
        if self.whole is not None:
            try:
                error: Exception = pickler().loads(self.whole)
                return error
            except Exception:  # its module is not here
                pass
        return self.kind(self.message)


class Worker:
    """A process that prepares the work once and calls it, with a number of threads, for facts."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._work: Work | None = None
        for name in _THREADS:  # later imports read these
            os.environ[name] = str(threads)

    def prepare(self, pickled: bytes) -> Raised | None:
        """Prepare the work; return the exception, if there is one."""
        try:
            prepare = _read(pickled)
            self._limit_threads()  # the function may have imported torch
            self._work = prepare()
            self._limit_threads()
        except Exception as error:
            return Raised.of(error)
        return None

    def ask(self, pickled: bytes) -> bytes | Raised:
        """Return the answer to a question, pickled."""
        try:
            answer: bytes = pickler().dumps(_read(pickled)(self._work))
            return answer
        except Exception as error:
            return Raised.of(error)

    def do(self, pickled: bytes) -> tuple[bytes | None, str | None, float]:
        """Work on a fact; return the payload, pickled, or the error, and the seconds."""
        assert self._work is not None
        try:
            task = Task(0, pickler().loads(pickled))
        except Exception as error:
            return None, f"the worker cannot read the fact ({reason_of(error)})", 0.0
        done = work_on(task, self._work)
        if done.error is not None:
            return None, done.error, done.seconds
        try:
            return pickler().dumps(done.payload), None, done.seconds
        except Exception as error:
            return None, f"the result cannot be pickled ({reason_of(error)})", done.seconds

    def _limit_threads(self) -> None:
        torch = sys.modules.get("torch")
        if torch is not None and torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)


def _read(pickled: bytes) -> Callable[..., Any]:
    try:
        function: Callable[..., Any] = pickler().loads(pickled)
        return function
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"a worker cannot find the study ({error}): it must be in a module that is installed "
            "on every machine."
        ) from error


def _nearest(kind: type[Exception], message: str) -> type[Exception]:
    for base in kind.__mro__:
        if base.__module__ == "builtins" and issubclass(base, Exception):
            try:
                if str(base(message)) == message:
                    return base
            except TypeError:  # its arguments are not one message
                continue
    return RuntimeError
