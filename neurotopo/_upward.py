"""The two calls from a lower layer into a higher one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

__all__ = ["Explorable", "checkpoint_rows"]


def checkpoint_rows(path: str | Path) -> Any:
    """Open a folder of safetensors as a :class:`~neurotopo.models.CheckpointRows`."""
    return import_module("neurotopo.models.checkpoint").CheckpointRows(path)


class Explorable:
    """Adds the method ``explore`` to a merge tree or a clusterer."""

    def explore(
        self,
        path: str | os.PathLike[str],
        *,
        names: Sequence[Any] | None = None,
        positions: ArrayLike | None = None,
        strata: ArrayLike | None = None,
        title: str | None = None,
    ) -> Path:
        """Write an interactive page that shows the clusters at every radius.

        Parameters
        ----------
        path : path-like
            The page: one HTML file that needs no network.
        names, positions, strata, title
            As for :func:`neurotopo.explore.explorer_data`.

        Returns
        -------
        Path
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
        page: Path = explore(self, path, **given)
        return page
