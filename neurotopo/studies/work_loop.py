"""The loop of a run: what engines yield is stored, and shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

from neurotopo.studies.engines import Finished, reason_of
from neurotopo.studies.store import Store

__all__ = ["FactError", "store_all"]


class FactError(ValueError):
    """A fact failed, and the run was to stop at the first that does.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies import FactError, Study, run_study
    >>> def prepare(model, options):
    ...     return lambda fact: {"n": 1 / 0}
    >>> study = Study("broken", prepare, lambda rows: None)
    >>> try:
    ...     run_study(study, [Fact("The capital of Peru is", "Lima", id="peru")], stop=True)
    ... except FactError as error:
    ...     print(error)
    fact 'peru' failed: ZeroDivisionError: division by zero
    """


def store_all(
    store: Store,
    run: str,
    staged: Callable[[Any], dict[str, Mapping[str, Any]]],
    finished: Iterator[Finished],
    stop: bool,
    bar: tuple[str, int, int, str] | None,
) -> None:
    """Store what comes of every task.

    Parameters
    ----------
    store : Store
        Where to.
    run : str
        The run.
    staged : callable
        Returns the payload by stages, or says what is wrong with it.
    finished : iterator of Finished
        What an engine yields; it is closed whatever happens.
    stop : bool
        Raise a :class:`FactError` at the first fact that fails.
    bar : tuple of (str, int, int, str) or None
        Name, length, start and unit of a progress bar.
    """
    with ExitStack() as stack:
        close = getattr(finished, "close", None)
        if close is not None:
            stack.callback(close)
        shown: Any = None
        if bar is not None:
            from tqdm.auto import tqdm

            name, total, initial, unit = bar
            shown = stack.enter_context(
                tqdm(desc=name, total=total, initial=initial, unit=unit, dynamic_ncols=True)
            )
        n_failed = 0
        for each in finished:
            error = _stored(store, run, staged, each)
            if error is not None:
                n_failed += 1
                if shown is not None:
                    shown.set_postfix(failed=n_failed, refresh=False)
                if stop:
                    raise FactError(f"fact {each.task.fact.key!r} failed: {error}")
            if shown is not None:
                shown.update()


def _stored(
    store: Store,
    run: str,
    staged: Callable[[Any], dict[str, Mapping[str, Any]]],
    finished: Finished,
) -> str | None:
    """Store what came of a fact, and return why it failed."""
    fact, error = finished.task.fact, finished.error
    if error is None:
        try:
            stages = staged(finished.payload)
            store.put(run, fact.key, fact.to_dict(), stages, finished.seconds)
        except (TypeError, ValueError) as reason:  # JSON cannot hold it: no fault of the store
            error = reason_of(reason)
    if error is not None:
        store.fail(run, fact.key, fact.to_dict(), error, finished.seconds)
    return error
