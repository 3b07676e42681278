"""The base classes of studies and their options, and the registry of studies."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from neurotopo._extras import llm_packages_for
from neurotopo._registry import add_entry
from neurotopo.report.summary import Picture, Summary, Table

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import Fact
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.studies.engines import Item
    from neurotopo.studies.rows import Row

__all__ = [
    "MODEL_SETTINGS",
    "STUDIES",
    "SUBJECTS",
    "Picture",
    "Study",
    "StudyOptions",
    "Summary",
    "Table",
    "digest_of",
    "identity_of",
    "identity_of_model",
    "model_for",
    "register_study",
    "registered",
    "seed_for",
    "study_named",
]

SUBJECTS = {
    "acquisition": "which way of grouping a fact's neurons finds degenerate ones",
    "audit": "do groups of neurons each carry a fact",
    "learning": "does training them teach new facts and keep the old ones",
    "robustness": "do they make a model robust against faulty prompts",
    "detection": "do they tell true statements from false ones",
    "complexity": "is there more degeneracy in larger models",
    "crosslingual": "are they the same in several languages",
    "critique": "what the critics of knowledge neurons ask, asked of these",
    "choices": "which choice of the method matters",
    "development": "how components form while a model is trained",
}
"""The question of each built-in study. The module ``neurotopo.studies.NAME.study`` has its class
under the name ``STUDY``."""

STUDIES = tuple(SUBJECTS)
"""The names of the built-in studies."""

_registered: dict[str, type[Study]] = {}

Own = TypeVar("Own", bound="StudyOptions")
MakeTable: TypeAlias = Callable[[Any], "Table | None"]
MakePicture: TypeAlias = Callable[[Any, Mapping[str, Table]], "Picture | None"]


@dataclass(frozen=True)
class StudyOptions:
    """Base of the dataclasses of options.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from neurotopo.studies.study import StudyOptions
    >>> @dataclass(frozen=True)
    ... class Options(StudyOptions):
    ...     tau: float = 0.5
    >>> Options.of({"tau": 0.2, "seed": 0}).to_dict()
    {'tau': 0.2}
    """

    QUICK: ClassVar[Mapping[str, Any]] = {}
    """The values of :meth:`quick`."""

    PAPER: ClassVar[Mapping[str, Any]] = {}
    """The values of ``preset="paper"``, where the defaults differ from the paper's."""

    @classmethod
    def of(cls: type[Own], given: Mapping[str, Any]) -> Own:
        """Return the options among all values given to a study."""
        names = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in given.items() if name in names})

    @classmethod
    def chosen(
        cls: type[Own], given: Mapping[str, Any], *, quick: bool = False, preset: str | None = None
    ) -> Own:
        """Return the given options with a preset for the others; ``quick`` as :meth:`quick`."""
        names = [field.name for field in fields(cls)]
        values = dict(cls.QUICK) if quick else {}
        if preset == "paper":
            values |= cls.PAPER
        elif preset is not None and "preset" not in names:
            raise ValueError(f"preset must be 'paper' or None, got {preset!r}.")
        if preset is not None and "preset" in names:
            values["preset"] = preset
        return cls(**{**values, **given})

    @classmethod
    def quick(cls: type[Own], **given: Any) -> Own:
        """Return a fast preset that keeps every control; ``given`` options win."""
        return cls(**{**cls.QUICK, **given})

    def check_whole(self, **fewest: int) -> None:
        """Raise a ValueError unless each named option is a whole number of at least a minimum."""
        for name, least in fewest.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value}.")

    def check_choice(self, **known: Sequence[str]) -> None:
        """Raise a ValueError unless each named option is one of the known values."""
        for name, values in known.items():
            if (value := getattr(self, name)) not in values:
                raise ValueError(f"{name} must be one of {', '.join(values)}, got {value!r}.")

    def to_dict(self) -> dict[str, Any]:
        """Return all options in types that JSON can hold."""
        values = asdict(self)
        return {k: list(v) if isinstance(v, tuple | list) else v for k, v in values.items()}


class Study:
    """Base class of the studies: the measurement of items and the report of the results.

    A subclass sets the class attributes and implements :meth:`measure`, :meth:`frames` and
    :meth:`findings`. :meth:`setup` prepares what all items need.

    Parameters
    ----------
    model : NeuronModel, optional
        The loaded model; a list of names where ``several`` is True.
    options : StudyOptions, optional
        The options.
    seed : int, default=0
        Seed of the run; see :func:`seed_for`.
    given : mapping, optional
        Options, settings and seeds of the run in one mapping.

    Attributes
    ----------
    name : str
        The name, as in ``neurotopo run NAME``.
    title : str
        The question, one line.
    notes : tuple of str
        Notes on all tables.
    Options : type
        The dataclass of options.
    stages : tuple of str
        Names under which results are stored. With several names, :meth:`measure` returns a
        mapping with an entry for each.
    version : int
        Raised when :meth:`measure` changes, so that old and new results never mix.
    unit : str
        Name of an item, in the singular.
    several : bool
        Whether the study compares several models.
    timed : bool
        Whether the check before a run may measure a few items to estimate the time.
    tables : mapping of str to callable
        ``tables[name](frames)`` returns a :class:`Table`, or None to leave it out.
    pictures : mapping of str to callable
        ``pictures[name](frames, tables)`` returns a :class:`Picture`, or None to leave it out.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo import Fact
    >>> from neurotopo.studies import Study, Table, run_study
    >>> class Words(Study):
    ...     name, title = "words", "How long are prompts?"
    ...     tables = {"mean": lambda frame: Table(frame[["words"]].mean().to_frame("mean"), "Mean")}
    ...
    ...     def measure(self, fact):
    ...         return {"words": len(fact.prompt.split())}
    ...
    ...     def findings(self, frame, tables):
    ...         return (f"A prompt has {frame['words'].mean():.0f} words.",)
    >>> run_study(Words(), [Fact("The capital of Peru is _X_", "Lima")]).summary.findings
    ('A prompt has 6 words.',)
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    notes: ClassVar[tuple[str, ...]] = ()
    Options: ClassVar[Any] = StudyOptions
    stages: ClassVar[tuple[str, ...]] = ("result",)
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "fact"
    several: ClassVar[bool] = False
    timed: ClassVar[bool] = True
    tables: ClassVar[Mapping[str, MakeTable]] = {}
    pictures: ClassVar[Mapping[str, MakePicture]] = {}

    def __init__(
        self,
        model: Any = None,
        options: Any = None,
        seed: int = 0,
        given: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.options, self.seed = model, options, seed
        self.given = dict(given or {})
        if options is not None:
            self.setup()

    @classmethod
    def prepare(cls, model: Any, given: Mapping[str, Any]) -> Any:
        """Load the model and return the study ready to be called with items."""
        options = cls.Options.of(given)
        loaded = model if cls.several or model is None else model_for(model, given)
        return cls(loaded, options, int(given.get("seed", 0)), given)

    def setup(self) -> None:
        """Prepare what all items need; called once, after loading."""

    def load(
        self, facts: Any, model: Any = None, *, most: int | None = None, seed: int = 0
    ) -> list[Fact]:
        """Return the facts; see :func:`~neurotopo.studies.facts.facts_for`."""
        from neurotopo.studies.facts import facts_for

        return facts_for(facts, model, most=most, seed=seed)

    def check(self, facts: Sequence[Fact], options: Any, seed: int) -> tuple[str, ...]:
        """Return remarks on facts that the study can use in part only, one sentence each.

        A ValueError refuses facts that it cannot use, before a model is loaded.
        """
        return ()

    def items(self, facts: Sequence[Fact], options: Any, seed: int, model: Any) -> Sequence[Item]:
        """Return the items to measure: the facts, unless a subclass makes others from them."""
        return facts

    def measure(self, item: Any) -> Mapping[str, Any]:
        """Return the results about one item, in types that JSON can hold."""
        raise NotImplementedError

    def __call__(self, item: Any) -> Mapping[str, Any]:
        """Call :meth:`measure`."""
        return self.measure(item)

    def frames(self, rows: Iterable[Row]) -> Any:
        """Return the stored rows as frames. Rows may have failed, and there may be none."""
        import pandas as pd

        return pd.DataFrame([{"fact": r.fact, **r.payload} for r in rows if r.error is None])

    def findings(self, frames: Any, tables: Mapping[str, Table]) -> tuple[str, ...]:
        """Return the findings, also the negative ones, one sentence each."""
        return ()

    def draw(self, frames: Any, tables: Mapping[str, Table]) -> dict[str, Picture]:
        """Return the pictures by name."""
        drawn = {name: make(frames, tables) for name, make in self.pictures.items()}
        return {name: picture for name, picture in drawn.items() if picture is not None}

    def rows(self, frames: Any) -> Any:
        """Return the frame that is written to ``rows.csv``."""
        return frames

    def notes_for(self, frames: Any) -> tuple[str, ...]:
        """Return the notes of the report."""
        return self.notes

    def explorer(self, rows: Sequence[Row]) -> dict[str, Any] | None:
        """Return the data of the page that shows the run fact by fact, if the study has one."""
        return None

    def summary(self, rows: Iterable[Row]) -> Any:
        """Return findings, tables and pictures of the stored rows."""
        listed = list(rows)
        return self.summary_of(self.frames(listed), listed)

    def summary_of(self, frames: Any, rows: Sequence[Row]) -> Summary:
        """Return findings, tables and pictures of the frames of some rows."""
        tables = {name: table for name, make in self.tables.items() if (table := make(frames))}
        return Summary(
            title=self.title,
            findings=self.findings(frames, tables),
            tables=tables,
            pictures=self.draw(frames, tables),
            rows=self.rows(frames),
            notes=self.notes_for(frames),
            explorer=self.explorer(rows),
        )

    def staged(self, payload: Any) -> dict[str, Mapping[str, Any]]:
        """Return the results of an item by stage.

        Raises
        ------
        TypeError, ValueError
            If the stages are not those of the study.
        """
        staged = {self.stages[0]: payload} if len(self.stages) == 1 else payload
        if not isinstance(staged, Mapping) or set(staged) != set(self.stages):
            raise ValueError(f"the work must return an entry for each of {', '.join(self.stages)}.")
        for name in self.stages:
            if not isinstance(staged[name], Mapping):
                raise TypeError(f"{name} must be a mapping, got {type(staged[name]).__name__}.")
        return {name: staged[name] for name in self.stages}


def register_study(study: type[Study]) -> type[Study]:
    """Register a study under its name, so that :func:`neurotopo.studies.run` finds it.

    Examples
    --------
    >>> from neurotopo.studies import Study
    >>> from neurotopo.studies.study import register_study, study_named
    >>> @register_study
    ... class Sizes(Study):
    ...     name = "sizes"
    >>> study_named("sizes") is Sizes
    True
    """
    add_entry(_registered, "study", study.name, study, reserved=SUBJECTS)
    return study


def registered() -> tuple[str, ...]:
    """Return the names of the registered studies."""
    return tuple(_registered)


def study_named(name: str) -> type[Study]:
    """Return the class of a study.

    Examples
    --------
    >>> from neurotopo.studies.study import study_named
    >>> study_named("acquisition").stages
    ('fact', 'graph', 'methods', 'sweep')
    """
    if name in _registered:
        return _registered[name]
    if name not in SUBJECTS:
        names = ", ".join([*SUBJECTS, *_registered])
        raise ValueError(f"there is no study {name!r}; studies are: {names}.")
    with llm_packages_for("studies need"):
        study: type[Study] = importlib.import_module(f"neurotopo.studies.{name}.study").STUDY
    return study


def seed_for(seed: int, key: str) -> int:
    """Return the seed of one item. It does not depend on the other items or on the process.

    Examples
    --------
    >>> from neurotopo.studies import seed_for
    >>> seed_for(0, "paris") == seed_for(0, "paris"), seed_for(0, "paris") == seed_for(1, "paris")
    (True, False)
    """
    digest = hashlib.sha256(f"{int(seed)}:{key}".encode()).digest()
    return int.from_bytes(digest[:4], "big")


def digest_of(content: Any) -> str:
    """Return a short hash of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


MODEL_SETTINGS = (
    *("device", "dtype", "device_map", "batch_size", "adapter", "quantization", "revision"),
    *("token", "trust_remote_code", "prompting"),
)
"""The settings for loading a model, arguments of :func:`neurotopo.load_model`."""

SECRET = "token"
"""The setting that no file may hold."""


def model_for(model: Any, given: Mapping[str, Any]) -> NeuronModel:
    """Return the model of a study; load it, with the settings among ``given``, if it is a name."""
    from neurotopo.models.loading import load_model
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.models.quiet import quiet_transformers

    if isinstance(model, NeuronModel):
        return model
    settings = {name: given[name] for name in MODEL_SETTINGS if given.get(name) is not None}
    with quiet_transformers(False):
        return load_model(model, **settings)


def identity_of(work: Any) -> dict[str, Any]:
    """Return the identity of the model of some work; it does not depend on the source.

    Work with several models has a method ``identity``.
    """
    own = getattr(work, "identity", None)
    if own is not None:
        return dict(own())
    return identity_of_model(work.model)


def identity_of_model(model: NeuronModel) -> dict[str, Any]:
    """Return the identity of a model."""
    from neurotopo.models.fingerprint import fingerprint

    identity = fingerprint(model).to_dict()
    if model.source:
        identity["source"] = dict(model.source)
    if model.chat is not None:
        identity["chat"] = model.chat.to_dict()
    if model.planted_groups is not None:
        groups = [group.to_array().tolist() for group in model.planted_groups]
        identity["planted"] = hashlib.sha256(json.dumps(groups).encode()).hexdigest()[:16]
    return identity
