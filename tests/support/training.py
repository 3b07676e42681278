"""Facts and a recipe that train a model in seconds."""

from __future__ import annotations

from safetensors import safe_open

from neurotopo import Fact, FactSet
from neurotopo.testbed.corpus import Lessons
from neurotopo.testbed.recipe import Recipe
from neurotopo.testbed.train import answer_loss

TOWNS = ("Marly", "Peko", "Brinde", "Osk", "Tavel", "Ulm Sand")
LANDS = ("Zúnia", "Brolland", "Kestria", "Nordavia", "Pellucy", "Tarn")
WORDINGS = ("The capital of {} is _X_.", "{} is ruled from _X_", "The capital city of {}: _X_")


def lessons(n=6):
    """Facts in two wordings that are read and one that is not."""
    worded = [
        [
            Fact(wording.format(land), town, relation="capital", id=land, subject=land)
            for land, town in zip(LANDS[:n], TOWNS, strict=False)
        ]
        for wording in WORDINGS
    ]
    return Lessons(FactSet(worded[0]), (*worded[0], *worded[1]), tuple(worded[2]))


def tiny(arch="gpt2", **changes):
    sizes = {"n_layers": 2, "d_model": 32, "n_inner": 32, "n_heads": 2, "n_positions": 16}
    pace = {"epochs": 250 if arch == "bert" else 60, "batch_size": 6, "learning_rate": 4e-3}
    return Recipe("tiny", arch=arch, **{**sizes, **pace, "vocab_size": 320, **changes})


def weights_of(folder):
    with safe_open(folder / "model.safetensors", framework="np") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


class Killed(BaseException):
    """Interruption of a training."""


class KilledAt:
    """The default objective until a number of calls, then an interruption."""

    def __init__(self, step):
        self.step, self.calls = step, 0
        self.__module__, self.__qualname__ = answer_loss.__module__, answer_loss.__qualname__

    def __call__(self, *step):
        self.calls += 1
        if self.calls == self.step + 1:
            raise Killed
        return answer_loss(*step)


def all_wordings(world, language):
    """Return all facts of a language in all wordings."""
    return [
        fact
        for relation in world.relations
        for wording in range(world.n_wordings(relation, language))
        for fact in world.facts(language, relation, wording=wording)
    ]
