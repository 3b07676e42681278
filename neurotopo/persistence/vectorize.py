"""Vectors of persistence diagrams: persistence images (by persim) and landscapes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.persistence.conversions import check_diagram

__all__ = ["persistence_image", "persistence_landscape"]


def persistence_image(
    diagram: ArrayLike,
    *,
    birth_range: tuple[float, float] | None = None,
    persistence_range: tuple[float, float] | None = None,
    pixel_size: float | None = None,
    sigma: float | None = None,
    power: float = 1.0,
    end: float | None = None,
) -> NDArray[np.float64]:
    """Return the persistence image of a diagram, by persim.

    Every bar adds a normal distribution around (birth, persistence), times a power of its
    persistence, integrated over each pixel.

    Parameters
    ----------
    diagram : array-like of shape (n_bars, 2)
        Births and deaths of one dimension.
    birth_range, persistence_range : tuple of float, optional
        The sides of the image. None: from the first to the last birth of the diagram, and from 0
        to its largest persistence. Give both to compare images of several diagrams.
    pixel_size : float, optional
        Side of a square pixel. The ranges are widened to whole pixels. None: a twentieth of the
        larger range.
    sigma : float, optional
        Standard deviation of the normal distributions. None: ``pixel_size``.
    power : float, default=1.0
        Exponent of the persistence in the weight of a bar.
    end : float, optional
        Radius at which bars that never die end. None: these bars are left out.

    Returns
    -------
    ndarray of float64, shape (n_births, n_persistences)
        The image; zeros where the diagram has no bars.

    References
    ----------
    .. [1] H. Adams et al., "Persistence images: a stable vector representation of persistent
       homology", JMLR 18(8), 2017.

    Examples
    --------
    >>> from neurotopo.persistence import persistence_image
    >>> ranges = {"birth_range": (-1, 1), "persistence_range": (0, 3)}
    >>> persistence_image([[0, 1], [0, 2]], **ranges, pixel_size=1).round(2)
    array([[0.21, 0.35, 0.28],
           [0.21, 0.35, 0.28]])
    """
    from persim import PersistenceImager

    bars = _ended(diagram, end)
    length = bars[:, 1] - bars[:, 0]
    sides = {"birth_range": birth_range, "persistence_range": persistence_range}
    for name, side in sides.items():
        if side is not None and not (np.isfinite(side).all() and side[0] < side[1]):
            raise ValueError(f"{name} must be a pair of ascending numbers, got {side}.")
    if persistence_range is None:
        persistence_range = (0.0, float(length.max(initial=0.0)) or 1.0)
    if birth_range is None:
        low, high = (bars[:, 0].min(), bars[:, 0].max()) if len(bars) else (0.0, 0.0)
        birth_range = (low, high if high > low else low + np.ptp(persistence_range))
    if pixel_size is None:
        pixel_size = float(max(np.ptp(birth_range), np.ptp(persistence_range))) / 20
    sigma = pixel_size if sigma is None else sigma
    for name, value in (("pixel_size", pixel_size), ("sigma", sigma)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} must be a positive number, got {value}.")
    imager = PersistenceImager(
        birth_range=birth_range,
        pers_range=persistence_range,
        pixel_size=pixel_size,
        weight="persistence",
        weight_params={"n": power},
        kernel="gaussian",
        kernel_params={"sigma": [[sigma**2, 0.0], [0.0, sigma**2]]},
    )
    if len(bars) == 0:
        return np.zeros(imager.resolution)
    return np.asarray(imager.transform(bars, skew=True), dtype=np.float64)


def persistence_landscape(
    diagram: ArrayLike, radii: ArrayLike, *, n_layers: int = 5, end: float | None = None
) -> NDArray[np.float64]:
    """Return the first landscape functions of a diagram at some radii.

    Layer k at radius r is the (k + 1)-th largest of max(min(r - birth, death - r), 0).

    Parameters
    ----------
    diagram : array-like of shape (n_bars, 2)
        Births and deaths of one dimension.
    radii : array-like of float, shape (n_radii,)
        Where the functions are evaluated.
    n_layers : int, default=5
        Number of functions.
    end : float, optional
        Radius at which bars that never die end. None: these bars are left out.

    Returns
    -------
    ndarray of float64, shape (n_layers, n_radii)
        The values; zeros in layers that the diagram does not reach.

    Notes
    -----
    Computed from this definition: persim's ``PersLandscapeExact`` is wrong where several bars share
    a birth or a death, and its ``PersLandscapeApprox`` rounds both to its grid.

    References
    ----------
    .. [1] P. Bubenik, "Statistical topological data analysis using persistence landscapes", JMLR
       16(3), 2015.

    Examples
    --------
    >>> from neurotopo.persistence import persistence_landscape
    >>> persistence_landscape([[0, 4], [1, 3]], [1, 2, 3.5], n_layers=2)
    array([[1. , 2. , 0.5],
           [0. , 1. , 0. ]])
    """
    if n_layers < 1:
        raise ValueError(f"n_layers must be at least 1, got {n_layers}.")
    at = np.asarray(radii, dtype=np.float64)
    if at.ndim != 1 or not np.isfinite(at).all():
        raise ValueError("radii must be a list of finite numbers.")
    births, deaths = _ended(diagram, end).T[:, :, None]
    heights = np.maximum(np.minimum(at - births, deaths - at), 0.0)
    values = np.zeros((n_layers, len(at)))
    values[: len(heights)] = -np.sort(-heights, axis=0)[:n_layers]
    return values


def _ended(diagram: ArrayLike, end: float | None) -> NDArray[np.float64]:
    """Return the bars of positive length, infinite ones ended or left out."""
    bars = check_diagram(diagram)
    if end is None:
        bars = bars[np.isfinite(bars[:, 1])]
    elif not np.isfinite(end):
        raise ValueError(f"end must be a finite number or None, got {end}.")
    else:
        bars = np.where(np.isinf(bars), end, bars)
    return bars[bars[:, 0] < bars[:, 1]]
