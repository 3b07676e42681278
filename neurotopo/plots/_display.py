"""Base of all displays: axes, construction with drawing, shared parts of docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from textwrap import indent
from typing import Any, Protocol, TypeVar, cast

from matplotlib.axes import Axes

__all__ = ["Display", "axes_for", "constructor"]

_D = TypeVar("_D", bound="Display")

# Descriptions of parameters and attributes. A line of a docstring that is one of these names in
# braces stands for the text; methods get those of their parameters.
_PARTS = {
    "ax": "ax : matplotlib Axes, optional\n    Where to draw. None: a new figure.",
    "ax_": "ax_ : matplotlib Axes\n    The axes.",
    "panels_ax_": "ax_ : matplotlib Axes\n    The axes, invisible: the panels take their place.",
    "figure_": "figure_ : matplotlib Figure\n    The figure of ``ax_``.",
    "cmap": 'cmap : str or Colormap, default="viridis"\n    Colours.',
    "estimator": "estimator : NTCClusterer\n    A fitted clusterer.",
    "intervals": "diagram : array-like, shape (n, 2)\n"
    "    Births and deaths, ``inf`` for intervals that never end.\n"
    "labels : array-like of int, shape (n,), optional\n"
    "    Colour of each interval, -1 for grey (not chosen).\n"
    "sizes : array-like of int, shape (n,), optional\n    Samples in each cluster.\n"
    "names : list of str, optional\n    Names of the labels in the legend.\n"
    "threshold : float, optional\n"
    "    Persistence above which clusters were kept; it is marked.\n"
    'scale : {"difference", "log"}, default="difference"\n    Scale of the persistence.\n'
    "unit : float, default=0.0\n"
    "    Smaller births count as this one on the logarithmic scale.\n"
    "end_of_observation : float, optional\n"
    "    Radius up to which infinite intervals are counted. None: the largest finite one.",
    "kwargs": "**kwargs\n    Passed to :meth:`plot`.",
    "label": "label : str\n    Label of the horizontal axis.",
    "legend": "legend : bool, default=True\n    Whether to draw a legend.",
    "legend_": "legend_ : matplotlib Legend or None\n    The legend.",
    "log": "log : bool, optional\n"
    "    Logarithmic axis. None: if the scale of the persistence is logarithmic.",
    "names": "names : sequence of str, optional\n    Names of the samples.",
    "note_": "note_ : matplotlib Text or None\n    A remark, if there is nothing to draw.",
    "notes_": "notes_ : list of matplotlib Text\n    Remarks where a value is missing.",
    "pos": "pos : array-like, shape (n_samples, 2), optional\n    Positions of the samples.",
    "radii": "radii : array-like, optional\n"
    "    Radii of the panels. None: births and deaths of the chosen clusters.",
    "strata": "strata : array-like, shape (n_samples,), optional\n"
    "    Layer of each sample, drawn from left to right. None: the layers given to ``fit``;\n"
    "    without any, points are drawn by their columns, or by the first two principal\n"
    "    components of more than two, and graphs by classical scaling of their shortest paths.",
    "tree": "tree : MergeTree\n    The tree, as :func:`neurotopo.merge_tree` returns it.",
    "xylabel": 'xlabel, ylabel : str, default=""\n    Labels of the axes.',
    "paper": "References\n----------\n"
    '.. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of\n'
    '   Degenerate Knowledge Neurons in Large Language Models", ACL 2025.',
}
_PARAMETERS, _ATTRIBUTES = "Parameters\n----------\n", "Attributes\n----------\n"


class Display:
    """Base of all displays.

    Docstrings of subclasses are completed. A line ``{name}`` stands for a shared text. The class
    gets a sentence on its methods ``from_*`` and the attributes ``ax_`` and ``figure_``. Those
    methods and ``plot`` get shared descriptions of parameters, and a section on what they return.
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
        for name, value in vars(cls).items():
            if name == "plot" or name.startswith("from_"):
                method = getattr(value, "__func__", value)
                method.__name__, method.__module__ = name, cls.__module__
                method.__qualname__ = f"{cls.__qualname__}.{name}"
                _document(cls, method)
        doc = inspect.cleandoc(cls.__doc__ or "")
        links = [f":meth:`{name}`" for name in dir(cls) if name.startswith("from_")]
        if links:
            use = f"Use {', '.join(links[:-1])}{' or ' * (len(links) > 1)}{links[-1]}."
            doc = doc.replace(_PARAMETERS, f"{use}\n\n{_PARAMETERS}", 1)
        axes = "{panels_ax_}" if "\npanels_ :" in doc else "{ax_}"
        doc = doc.replace(_ATTRIBUTES, f"{_ATTRIBUTES}{axes}\n{{figure_}}\n")
        cls.__doc__ = _filled(doc)

    def plot(self: _D, *args: Any, **kwargs: Any) -> _D:
        """Draw the picture."""
        raise NotImplementedError

    def _start(self, ax: Any, size: tuple[float, float] | None = None) -> Axes:
        """Set the axes to draw on; those of a new figure have a size in inches."""
        self.ax_ = ax = axes_for(ax, size)
        self.figure_ = ax.figure
        return ax


class _Constructor(Protocol):
    def __get__(self, display: Any, cls: type[_D]) -> Callable[..., _D]: ...


def constructor(summary: str) -> _Constructor:
    """Return a class method that makes a display with the arguments of the class and draws it.

    Keywords of :meth:`Display.plot` are passed to it.
    """

    def method(cls: type[_D], /, *args: Any, ax: Any = None, **kwargs: Any) -> _D:
        of_plot = kwargs.keys() & inspect.signature(cls.plot).parameters
        options = {name: kwargs.pop(name) for name in of_plot}
        return cls(*args, **kwargs).plot(ax=ax, **options)

    method.__doc__ = summary
    return cast(_Constructor, classmethod(method))


def axes_for(ax: Any, size: tuple[float, float] | None = None) -> Axes:
    """Return the given axes, or those of a new figure of a size in inches."""
    if ax is None:
        import matplotlib.pyplot as plt  # chooses a backend: only when a figure is needed

        return plt.subplots(figsize=size, layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be one matplotlib Axes or None, got {type(ax).__name__}.")
    return ax


def _filled(doc: str) -> str:
    """Return a docstring with the shared texts in place of their names."""
    return re.sub(
        r"^( *)\{(\w+)\}$",
        lambda match: indent(_PARTS[match[2]], match[1]),
        doc,
        flags=re.MULTILINE,
    )


def _document(cls: type[Display], method: Callable[..., Any]) -> None:
    """Complete the docstring of a method, and the signature of a :func:`constructor`."""
    doc = inspect.cleandoc(method.__doc__ or "")
    doc, _, described = doc.partition(_PARAMETERS)
    signature = inspect.signature(method)
    first, *parameters = signature.parameters.values()
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        options = [*inspect.signature(cls.plot).parameters][2:]
        given = [*inspect.signature(cls.__init__).parameters.values()][1:]
        parameters = [*given, *parameters[1 : 3 if options else 2]]
        new = signature.replace(parameters=[first, *parameters], return_annotation=cls.__name__)
        method.__signature__ = new  # type: ignore[attr-defined]
        described = f"{', '.join(each.name for each in given)}\n    As for the class."
    heads = " ".join(re.findall(r"^\S.*?(?=$| :)", described, re.MULTILINE))
    listed = set(re.findall(r"\w+", heads))
    shared = [f"{{{each.name}}}" * (each.name not in listed) for each in parameters]
    first_listed = shared.index("") if "" in shared else len(shared)
    parts = [*shared[:first_listed], described.rstrip(), *shared[first_listed:]]
    result = "self" if method.__name__ == "plot" else "display"
    method.__doc__ = _filled(
        f"{doc.rstrip()}\n\n{_PARAMETERS}{chr(10).join(filter(None, parts))}\n\n"
        f"Returns\n-------\n{result} : {cls.__name__}"
    )
