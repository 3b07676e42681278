"""DKN: the degenerate knowledge neurons of one fact, with all measurements."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurotopo._upward import Displayed
from neurotopo.knowledge.dkn_file import read_dkn, write_dkn
from neurotopo.knowledge.gcr import gcr, jump, partial_spread, straight_line_gcr
from neurotopo.knowledge.suppression import SuppressionCurve, relative_drops
from neurotopo.neurons import NeuronSet
from neurotopo.neurons.files import PathLike

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DKN"]

REASONS = (
    "probability zero",
    "no neurons",
    "no potential components",
    "no component passed",
    "extreme change",
    "one component",
    "no spread",
)


# Attributes of to_dict.
_MEASURED = (
    *("passed", "potential_probabilities", "potential_without", "active_probabilities"),
    *("base_probability", "all_suppressed_probability", "potential_suppressed_probability"),
    *("curve", "n_subsets"),
)
_DERIVED = (
    *("gcr", "gcr_floor", "sigma", "jump", "potential_jump", "eq2_gap", "satisfies_eq2"),
    *("eq3_ratio", "satisfies_eq3", "excluded", "reason"),
)


@dataclass(frozen=True, eq=False)
class DKN(Displayed):
    r"""Components that each express a fact alone, and the effect of their suppression.

    Result of :meth:`neurotopo.DKNFinder.find`. Every change of a probability is
    :math:`\Delta Prob = (before - after) / before`: a fall is positive and at most 1, a rise is
    negative.

    Attributes
    ----------
    neurons : NeuronSet
        The knowledge neurons.
    potential : list of NeuronSet
        The potential components, in the order of the clusterer.
    potential_probabilities : ndarray of float64, shape (len(potential),)
        Prob(B): the probability of the answer with all other potential components suppressed.
    potential_without : ndarray of float64, shape (len(potential),)
        The probability with only B suppressed.
    passed : ndarray of bool, shape (len(potential),)
        Which potential components passed the functional filter; these are the components.
    base_probability : float
        Prob(D): the probability with nothing suppressed.
    all_suppressed_probability : float
        Prob of the empty set: all components suppressed. ``base_probability`` without components.
    potential_suppressed_probability : float
        The probability with all potential components suppressed.
    active_probabilities : ndarray of float64, shape (n,)
        The probability with all other components suppressed. It differs from ``probabilities`` if
        a potential component did not pass.
    suppression : SuppressionCurve
        The probability under suppression of every subset of the components, or of a sample.
    tolerance, contrast, max_change : float
        The limits of Eq 2, Eq 3 and Eq 18.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, sections 2 and 3, appendix A.2.

    Examples
    --------
    >>> from neurotopo import AMIG, DKNFinder, Fact
    >>> from neurotopo.models.examples import random_model
    >>> model, fact = random_model("gpt2"), Fact("The capital of France is _X_", "Paris")
    >>> dkn = DKNFinder("kmeans").find(model, fact, AMIG.fast().locate(model, fact))
    >>> dkn
    DKN(n_components=2 of 2, gcr=...)
    >>> dkn.curve.shape, len(dkn.to_pandas())
    ((2,), 2)
    """

    neurons: NeuronSet
    potential: list[NeuronSet]
    potential_probabilities: NDArray[np.float64]
    potential_without: NDArray[np.float64]
    passed: NDArray[np.bool_]
    base_probability: float
    all_suppressed_probability: float
    potential_suppressed_probability: float
    active_probabilities: NDArray[np.float64]
    suppression: SuppressionCurve
    tolerance: float = 0.2
    contrast: float = 0.5
    max_change: float = 9.0

    def __repr__(self) -> str:
        return f"DKN(n_components={self.n} of {len(self.potential)}, gcr={self.gcr:.4g})"

    def __len__(self) -> int:
        return self.n

    @property
    def n(self) -> int:
        """Number of components."""
        return int(self.passed.sum())

    @property
    def components(self) -> list[NeuronSet]:
        """The base degenerate components: the potential ones that passed, in their order."""
        return [group for group, kept in zip(self.potential, self.passed, strict=True) if kept]

    @property
    def union(self) -> NeuronSet:
        """All neurons of the components."""
        return NeuronSet(pair for group in self.components for pair in group)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Prob(B) of the components, ``potential_probabilities`` of those that passed."""
        return self.potential_probabilities[self.passed]

    # Degeneracy

    @property
    def is_defined(self) -> bool:
        """Whether the answer has a positive probability; if not, drops are nan."""
        return self.base_probability > 0

    @property
    def curve(self) -> NDArray[np.float64]:
        """Mean dProb with 1, ..., n components suppressed, shape (n,)."""
        return self.suppression.mean

    @property
    def n_subsets(self) -> NDArray[np.int64]:
        """Number of subsets behind each value of the curve."""
        return self.suppression.n_subsets

    @property
    def gcr(self) -> float:
        """The Generalized Curvature Ratio of the curve, Eq 11; nan where it is undefined."""
        return gcr(self.curve)

    @property
    def gcr_floor(self) -> float:
        """The GCR of a straight line with as many components; nan for fewer than three."""
        return straight_line_gcr(self.n)

    @property
    def sigma(self) -> float:
        """The denominator of the GCR; nan for fewer than three components."""
        return partial_spread(self.curve)

    @property
    def jump(self) -> float:
        """The last step of the curve, dProb_n - dProb_(n-1); nan for fewer than two components."""
        return jump(self.curve)

    @property
    def potential_jump(self) -> float:
        """The last step of the curve of all potential components; nan for fewer than two.

        It does not depend on the filter, which selects by effect also among random groups.
        """
        if len(self.potential) < 2 or not self.is_defined:
            return math.nan
        left = float(self.potential_probabilities.mean()) - self.potential_suppressed_probability
        with np.errstate(over="ignore"):  # the probability may be tiny
            return float(np.float64(left) / self.base_probability)

    @property
    def potential_excluded(self) -> bool:
        """Whether a change in ``potential_jump`` exceeds the limit of Eq 18 or is undefined."""
        after = np.append(self.potential_probabilities, self.potential_suppressed_probability)
        changes = relative_drops(self.base_probability, after)
        return not bool((np.abs(changes) <= self.max_change).all())

    # The functional definition

    @property
    def eq2_gap(self) -> float:
        """Eq 2: greatest relative distance of a component alone from Prob(D); nan for none."""
        if not self.n or not self.is_defined:
            return math.nan
        return float(np.abs(relative_drops(self.base_probability, self.active_probabilities)).max())

    @property
    def satisfies_eq2(self) -> bool:
        """Whether ``eq2_gap <= tolerance``; False without components."""
        return bool(self.eq2_gap <= self.tolerance)

    @property
    def eq3_ratio(self) -> float:
        """Eq 3: the probability with all suppressed, relative to the least of a component alone.

        nan without components; ``inf`` where a component gives 0 and the empty set more.
        """
        if not self.n:
            return math.nan
        least = float(self.active_probabilities.min())
        if least > 0:
            with np.errstate(over="ignore"):
                return float(np.float64(self.all_suppressed_probability) / least)
        return math.inf if self.all_suppressed_probability > 0 else math.nan

    @property
    def satisfies_eq3(self) -> bool:
        """Whether ``eq3_ratio <= contrast``; False without components."""
        return bool(self.eq3_ratio <= self.contrast)

    # Exclusion

    @property
    def largest_change(self) -> float:
        """Largest absolute dProb of the curve; 0 without components, nan where undefined."""
        if not self.is_defined:
            return math.nan
        return float(np.abs(self.curve).max(initial=0.0))

    @property
    def excluded(self) -> bool:
        """Whether means exclude the fact, because the model does not know it.

        True for a probability of 0, or a change of the curve by more than ``max_change`` (Eq 18).
        """
        return self.reason in ("probability zero", "extreme change")

    @property
    def reason(self) -> str | None:
        """Why there is no GCR; None if there is one.

        The first that applies: ``"probability zero"``, ``"no neurons"``, ``"no potential
        components"``, ``"no component passed"``, ``"extreme change"`` (Eq 18), ``"one
        component"``, ``"no spread"`` (sigma is 0).
        """
        applies = (
            not self.is_defined,
            not len(self.neurons),
            not self.potential,
            not self.n,
            self.largest_change > self.max_change,
            self.n == 1,
            math.isnan(self.gcr),
        )
        return next((reason for reason, true in zip(REASONS, applies, strict=True) if true), None)

    # Tables

    def to_frame(self, of: Literal["components", "neurons"] = "components") -> pd.DataFrame:
        """Return a row for each potential component, or for each neuron of each of them.

        Columns of both: ``component``, its number; ``probability``, with all others suppressed;
        ``without``, with only this one suppressed; ``drop_without``, dProb of the latter;
        ``passed``. Of components also ``n_neurons``, ``first_layer`` and ``last_layer``; of neurons
        ``layer`` and ``index``.

        Parameters
        ----------
        of : {"components", "neurons"}, default="components"
            Meaning of the rows.

        Returns
        -------
        DataFrame

        Examples
        --------
        >>> from neurotopo import DKNFinder, Fact
        >>> from neurotopo.models.examples import random_model
        >>> model, fact = random_model("gpt2"), Fact("The capital of France is _X_", "Paris")
        >>> dkn = DKNFinder().evaluate(model, fact, [[(0, 5), (1, 2)], [(2, 7)]])
        >>> dkn.to_frame()[["component", "n_neurons", "first_layer", "last_layer"]]
           component  n_neurons  first_layer  last_layer
        0          0          2            0           1
        1          1          1            2           2
        >>> dkn.to_frame("neurons")[["component", "layer", "index"]]
           component  layer  index
        0          0      0      5
        1          0      1      2
        2          1      2      7
        """
        import pandas as pd

        if of not in ("components", "neurons"):
            raise ValueError(f"of must be 'components' or 'neurons', got {of!r}.")
        sizes = np.array([len(group) for group in self.potential], dtype=np.int64)
        component = np.arange(len(self.potential))
        measured = {
            "probability": self.potential_probabilities,
            "without": self.potential_without,
            "drop_without": relative_drops(self.base_probability, self.potential_without),
            "passed": self.passed,
        }
        if of == "neurons":
            pairs = [group.to_array() for group in self.potential]
            layer, index = np.concatenate([np.empty((0, 2), np.int64), *pairs]).T
            columns = {name: np.repeat(values, sizes) for name, values in measured.items()}
            number = np.repeat(component, sizes)
            return pd.DataFrame({"component": number, "layer": layer, "index": index, **columns})
        layers = [group.layers if len(group) else np.array([-1]) for group in self.potential]
        return pd.DataFrame(
            {
                "component": component,
                "n_neurons": sizes,
                "first_layer": np.array([of_group[0] for of_group in layers], dtype=np.int64),
                "last_layer": np.array([of_group[-1] for of_group in layers], dtype=np.int64),
                **measured,
            }
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return a row for each potential component, as :meth:`to_frame`.

        Returns
        -------
        DataFrame
        """
        return self.to_frame()

    def save(self, path: PathLike) -> None:
        """Write the neurons, components and all measurements to a JSON or CSV file.

        Numbers keep every digit. An existing file is replaced only after everything is written.

        Parameters
        ----------
        path : path-like
            The file. Its name ends in ``.json``, or in ``.csv`` for a table with the columns
            ``field``, ``component``, ``layer``, ``index`` and ``value``. Components have their
            number among the potential ones; a row of the field ``suppressed`` lists the suppressed
            components, separated by spaces, and the probability of the answer.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from neurotopo import DKN, DKNFinder, Fact
        >>> from neurotopo.models.examples import random_model
        >>> model, fact = random_model("gpt2"), Fact("The capital of France is _X_", "Paris")
        >>> dkn = DKNFinder().evaluate(model, fact, [[(0, 5), (1, 2)], [(2, 7)]])
        >>> path = Path(tempfile.mkdtemp()) / "dkn.json"
        >>> dkn.save(path)
        >>> DKN.load(path).to_frame().equals(dkn.to_frame())
        True
        """
        write_dkn(path, {field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: PathLike) -> DKN:
        """Read a file of :meth:`save`.

        Parameters
        ----------
        path : path-like
            The file. Its name ends in ``.json`` or ``.csv``.

        Returns
        -------
        DKN

        Raises
        ------
        ValueError
            If the file has another format or an invalid entry. The message names file, line and
            field.
        """
        return cls(**read_dkn(path))

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the single subsets as JSON values.

        nan and infinite numbers become None.

        Returns
        -------
        dict
        """
        values = {
            "n_neurons": len(self.neurons),
            "n_potential": len(self.potential),
            "n_components": self.n,
            "potential": [[list(pair) for pair in group] for group in self.potential],
            **{name: getattr(self, name) for name in _MEASURED},
            "exact": self.suppression.is_exact,
            **{name: getattr(self, name) for name in _DERIVED},
        }
        return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Replace arrays with lists, and numbers that JSON lacks with None."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
