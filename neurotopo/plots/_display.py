"""Base of all displays: axes, construction with drawing, shared parts of docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from textwrap import indent
from typing import Any, TypeVar

from matplotlib.axes import Axes

__all__ = ["Display", "axes_for"]

_D = TypeVar("_D", bound="Display")

# A line of a docstring that is one of these names in braces stands for the text.
_PARTS = {
    "ax": "ax : matplotlib Axes, optional\n    Where to draw. None: a new figure.",
    "ax_": "ax_ : matplotlib Axes\n    The axes.\n"
    "figure_ : matplotlib Figure\n    The figure of ``ax_``.",
    "panels_ax_": "ax_ : matplotlib Axes\n    The axes, invisible: the panels take their place.\n"
    "figure_ : matplotlib Figure\n    The figure of ``ax_``.",
    "cmap": 'cmap : str or Colormap, default="viridis"\n    Colours.',
    "estimator": "estimator : NTCClusterer\n    A fitted clusterer.",
    "kwargs": "**kwargs\n    Passed to :meth:`plot`.",
    "label": "label : str\n    Label of the horizontal axis.",
    "legend": "legend : bool, default=True\n    Whether to draw a legend.",
    "legend_": "legend_ : matplotlib Legend or None\n    The legend.",
    "log": "log : bool, optional\n"
    "    Logarithmic axis. None: if the scale of the persistence is logarithmic.",
    "kept": "threshold : float, optional\n"
    "    Persistence above which clusters were kept; it is marked.",
    "labels": "labels : array-like of int, shape (n,), optional\n"
    "    Colour of each interval, -1 for grey (not chosen).",
    "classes": "names : list of str, optional\n    Names of the labels in the legend.",
    "unit": "unit : float, default=0.0\n"
    "    Smaller births count as this one on the logarithmic scale.",
    "names": "names : sequence of str, optional\n    Names of the samples.",
    "note_": "note_ : matplotlib Text or None\n    A remark, if there is nothing to draw.",
    "notes_": "notes_ : list of matplotlib Text\n    Remarks where a value is missing.",
    "pos": "pos : array-like, shape (n_samples, 2), optional\n    Positions of the samples.",
    "strata": "strata : array-like, shape (n_samples,), optional\n"
    "    Layer of each sample, drawn from left to right. None: the layers given to ``fit``;\n"
    "    without any, points are drawn by their first two columns and graphs by classical\n"
    "    scaling of their shortest paths.",
    "tree": "tree : MergeTree\n    The tree, as :func:`neurotopo.merge_tree` returns it.",
    "xylabel": 'xlabel, ylabel : str, default=""\n    Labels of the axes.',
    "paper": '.. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of\n'
    '   Degenerate Knowledge Neurons in Large Language Models", ACL 2025.',
}


class Display:
    """Base of all displays.

    A subclass fills in its docstrings: a line ``{ax}`` stands for a shared text. ``plot`` and the
    methods ``from_*`` get a section on what they return, and those without a section of
    parameters get one too. A method ``from_*`` that takes ``*args`` has the parameters of the
    constructor.
    """

    ax_: Axes
    figure_: Any
    # artists; the docstring of each display lists those it has
    bands_: Any
    bars_: Any
    colorbars_: Any
    edges_: Any
    errors_: Any
    legend_: Any
    lines_: Any
    nodes_: Any
    note_: Any
    shades_: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__doc__ = _filled(cls.__doc__)
        for name, value in vars(cls).items():
            if name == "plot" or name.startswith("from_"):
                _document(cls, getattr(value, "__func__", value))

    def plot(self: _D, *args: Any, **kwargs: Any) -> _D:
        """Draw the picture."""
        raise NotImplementedError

    @classmethod
    def _drawn(cls: type[_D], *args: Any, ax: Any = None, **kwargs: Any) -> _D:
        """Make a display and draw it; keywords of :meth:`plot` are passed to it."""
        of_plot = kwargs.keys() & inspect.signature(cls.plot).parameters
        options = {name: kwargs.pop(name) for name in of_plot}
        return cls(*args, **kwargs).plot(ax=ax, **options)

    def _start(self, ax: Any, size: tuple[float, float] | None = None) -> Axes:
        """Set the axes to draw on; those of a new figure have a size in inches."""
        self.ax_ = ax = axes_for(ax, size)
        self.figure_ = ax.figure
        return ax


def axes_for(ax: Any, size: tuple[float, float] | None = None) -> Axes:
    """Return the given axes, or those of a new figure of a size in inches."""
    if ax is None:
        import matplotlib.pyplot as plt  # chooses a backend: only when a figure is needed

        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be one matplotlib Axes or None, got {type(ax).__name__}.")
    return ax


def _filled(doc: str | None) -> str:
    """Return a docstring with the shared texts in place of their names."""
    return re.sub(
        r"^( *)\{(\w+)\}$",
        lambda match: indent(_PARTS[match[2]], match[1]),
        inspect.cleandoc(doc or ""),
        flags=re.MULTILINE,
    )


def _document(cls: type[Display], method: Callable[..., Any]) -> None:
    """Complete the docstring of a method, and the signature of one that takes ``*args``."""
    doc = inspect.cleandoc(method.__doc__ or "")
    draws = method.__name__ == "plot"
    signature = inspect.signature(method)
    parameters = [*signature.parameters.values()]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        options = [*inspect.signature(cls.plot).parameters][2:]
        given = [*inspect.signature(cls.__init__).parameters.values()][1:]
        last = parameters[-1:] if options else []
        ax = inspect.Parameter("ax", inspect.Parameter.KEYWORD_ONLY, default=None)
        new = signature.replace(parameters=[parameters[0], *given, ax, *last])
        method.__signature__ = new  # type: ignore[attr-defined]
        names = ", ".join(each.name for each in given)
        kwargs = "\n{kwargs}" if options else ""
        doc += f"\n\nParameters\n----------\n{names}\n    As for the class.\n{{ax}}{kwargs}"
    elif "Parameters\n---" not in doc:
        doc += "\n\nParameters\n----------\n{ax}"
    doc += f"\n\nReturns\n-------\n{'self' if draws else 'display'} : {cls.__name__}"
    method.__doc__ = _filled(doc)
