"""The calls from a lower layer into a higher one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from neurotopo.explore.inline import InlinePage

__all__ = ["Displayed", "Explorable", "checkpoint_rows", "html_of"]


def checkpoint_rows(path: str | Path) -> Any:
    """Open a folder of safetensors as a :class:`~neurotopo.models.CheckpointRows`."""
    return import_module("neurotopo.models.checkpoint").CheckpointRows(path)


def html_of(what: Any) -> str:
    """Return the HTML by which a notebook shows an object."""
    html: str = import_module("neurotopo.report.inline").html_of(what)
    return html


class Displayed:
    """Adds the HTML by which notebooks show an object."""

    def _repr_html_(self) -> str:
        return html_of(self)


class Explorable:
    """Adds the method ``explore`` to a merge tree or a clusterer."""

    def explore(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        names: Sequence[Any] | None = None,
        positions: ArrayLike | None = None,
        strata: ArrayLike | None = None,
        title: str | None = None,
    ) -> Path | InlinePage:
        """Show the clusters at every radius: an interactive page, in a file or in a notebook.

        Parameters
        ----------
        path : path-like, optional
            The page: one HTML file that needs no network. None: notebooks show it below the cell.
        names, positions, strata, title
            As for :func:`neurotopo.explore.explorer_data`.

        Returns
        -------
        Path or InlinePage
            The page.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from neurotopo import merge_tree
        >>> page = Path(tempfile.mkdtemp()) / "clusters.html"
        >>> merge_tree([[0.0], [1.0], [3.0]], metric="euclidean").explore(page).name
        'clusters.html'
        """
        explore = import_module("neurotopo.explore").explore
        given = {"names": names, "positions": positions, "strata": strata, "title": title}
        page: Path | InlinePage = explore(self, path, **given)
        return page
