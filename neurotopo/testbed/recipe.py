"""Recipes: settings of the architecture and training of testbed models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

__all__ = ["ARCHITECTURES", "LADDER", "RECIPES", "Recipe", "recipe_for"]

ARCHITECTURES = ("gpt2", "llama", "bert")


@dataclass(frozen=True)
class Recipe:
    """Settings of a model and its training. Equal recipes and seeds give equal models.

    Parameters
    ----------
    name : str
        Name of the recipe and of the model.
    arch : {"gpt2", "llama", "bert"}, default="gpt2"
        The architecture.
    n_layers, d_model, n_inner, n_heads : int
        Number of layers, width of the residual stream, neurons per layer, attention heads.
    n_positions : int, default=64
        Longest sequence; longer facts raise it.
    vocab_size : int, default=4096
        Size of the byte-level BPE, special tokens included.
    languages : tuple of str
        Languages of the world that are learned.
    epochs, batch_size : int
        Number of passes over every wording of every fact, and wordings per step.
    learning_rate, warmup, weight_decay, dropout : float
        Settings of AdamW. The rate rises for the share ``warmup`` of the steps, then falls as a
        cosine.
    init_std, embedding_std : float
        Standard deviation of the first weights and of the first embeddings.
    noise_share, noise_rate : float
        In this share of the sequences, each token of the prompt is deleted or replaced at this
        rate. The noise makes models generalise to new wordings.
    prompt_loss : float
        Share of the prompt tokens that are predicted in addition to the answers.

    Examples
    --------
    >>> from neurotopo.testbed.recipe import RECIPES
    >>> RECIPES["gpt2"].arch
    'gpt2'
    >>> RECIPES["gpt2"].changed(epochs=2).epochs
    2
    """

    name: str
    arch: str = "gpt2"
    n_layers: int = 8
    d_model: int = 112
    n_inner: int = 112
    n_heads: int = 4
    n_positions: int = 64
    vocab_size: int = 4096
    languages: tuple[str, ...] = ("en", "fr")
    epochs: int = 16
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup: float = 0.05
    weight_decay: float = 0.01
    dropout: float = 0.05
    init_std: float = 0.02
    embedding_std: float = 0.15
    noise_share: float = 0.5
    noise_rate: float = 0.2
    prompt_loss: float = 0.2

    def __post_init__(self) -> None:
        if self.arch not in ARCHITECTURES:
            raise ValueError(f"arch must be one of {', '.join(ARCHITECTURES)}, got {self.arch!r}.")
        sizes = ("n_layers", "d_model", "n_inner", "n_heads", "n_positions", "vocab_size")
        for name in (*sizes, "epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("noise_share", "noise_rate", "prompt_loss", "warmup", "dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}.")
        if self.d_model % self.n_heads:
            got = f"{self.d_model} and {self.n_heads}"
            raise ValueError(f"d_model must be a multiple of n_heads, got {got}.")
        object.__setattr__(self, "languages", tuple(self.languages))

    @property
    def is_causal(self) -> bool:
        """Whether the model predicts the next token, not masked tokens."""
        return self.arch != "bert"

    def changed(self, **values: Any) -> Recipe:
        """Return a copy with other values of these fields."""
        return replace(self, **values)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**asdict(self), "languages": list(self.languages)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe of a dictionary from :meth:`to_dict`."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(values.keys() - known)
        if unknown:
            raise ValueError(f"a recipe has no field {unknown[0]!r}.")
        return cls(**values)


# With large first weights and narrow MLPs, knowledge neurons are in all layers, not only in the
# first. Small batches learn most from a sequence.
_SIZE = {"n_layers": 6, "d_model": 128, "n_inner": 128}
_PACE = {"init_std": 0.08, "epochs": 20, "batch_size": 32, "noise_rate": 0.1, "dropout": 0.0}
_BASE = Recipe("base").changed(**_SIZE, **_PACE)
# BERT normalises after each sum and diverges at the learning rate of the others.
_BERT_SIZE = {"n_layers": 5, "d_model": 112, "n_inner": 112}
_BERT_PACE = {"init_std": 0.09, "epochs": 24, "learning_rate": 8e-4, "warmup": 0.1}
_NATURAL = (
    _BASE.changed(name="gpt2", n_inner=96, init_std=0.1, epochs=26),
    _BASE.changed(name="llama", arch="llama"),
    _BASE.changed(name="bert", arch="bert", **_BERT_SIZE, **_BERT_PACE),
)

_RUNGS = ((3, 64, 2), (4, 96, 4), (6, 128, 4), (8, 160, 4))
_LADDER = tuple(
    _BASE.changed(name=f"ladder-{i}", n_layers=layers, d_model=d, n_inner=d, n_heads=heads)
    for i, (layers, d, heads) in enumerate(_RUNGS, start=1)
)

LADDER = tuple(recipe.name for recipe in _LADDER)
"""Four sizes of one recipe, the smallest first; all but the largest are shipped."""

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*_NATURAL, *_LADDER)}
"""The recipes by name, without those of :mod:`neurotopo.testbed.planted`."""


def recipe_for(
    name: str | None = None, arch: str | None = None, recipes: Mapping[str, Recipe] | None = None
) -> Recipe:
    """Return a recipe by its name, by its architecture, or by name with another architecture.

    Parameters
    ----------
    name : str or None, default=None
        Name of the recipe. None: that of the architecture.
    arch : {"gpt2", "llama", "bert"} or None, default=None
        Replaces the architecture and the learning rate of the recipe. None: those of the recipe,
        or ``"gpt2"``.
    recipes : mapping of str to Recipe or None, default=None
        The recipes. None: :data:`RECIPES`.

    Returns
    -------
    Recipe

    Examples
    --------
    >>> from neurotopo.testbed.recipe import recipe_for
    >>> recipe_for(arch="bert").name, recipe_for("ladder-1", "llama").arch
    ('bert', 'llama')
    """
    known = RECIPES if recipes is None else recipes
    wanted = name or arch or "gpt2"
    if wanted not in known:
        raise ValueError(f"there is no recipe {wanted!r}; there are {', '.join(known)}.")
    recipe = known[wanted]
    if arch is None or arch == recipe.arch:
        return recipe
    pace = RECIPES.get(arch, recipe)
    return recipe.changed(arch=arch, learning_rate=pace.learning_rate, warmup=pace.warmup)
