"""Draw a picture of every study for the documentation, from a run of a few facts.

They show the contents of a report; the runs are too small for conclusions.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

import neurotopo as nt

LADDER = [f"testbed:ladder-{size}" for size in (1, 2, 3)]

# study: (pictures, model, facts, options)
RUNS: dict[str, tuple[tuple[str, ...], Any, Any, dict[str, Any]]] = {
    "acquisition": (("figure4", "controls"), "testbed:planted", 20, {}),
    "audit": (("forest", "nulls"), "testbed:planted", 24, {"groups": "oracle", "ablation": "zero"}),
    "robustness": (("figure6a",), "testbed:gpt2", 24, {}),
    "detection": (("roc",), "testbed:planted", 120, {"n_resamples": 400}),
    "complexity": (("components",), LADDER, 24, {}),
    "crosslingual": (("overlap",), "testbed:gpt2", 20, {"methods": ["ntc", "kmeans"]}),
    "critique": (("shift",), "testbed:gpt2", 24, {"n_pairs": 24, "n_edits": 2, "edit_tries": 1}),
    "choices": (("agreement",), "testbed:gpt2", 20, {"choices": ["distance", "neurons"]}),
    "learning": (
        ("figure5",),
        "testbed:ladder-1",
        24,
        {"arms": ["dkn", "kn", "random", "all"], "n_seeds": 1, "epochs": 5},
    ),
}


def main(out: Path) -> None:
    """Run the studies and write their pictures into a folder."""
    for study, (names, model, n_facts, options) in RUNS.items():
        facts = f"factworld:{n_facts}"
        result = nt.studies.run(study, model=model, facts=facts, quick=True, **options)
        _write(out, study, names, result.figures)
    _write(out, "development", ("matching",), _development())


def _write(out: Path, study: str, names: tuple[str, ...], figures: dict[str, Figure]) -> None:
    with mpl.rc_context({"svg.hashsalt": "neurotopo"}):
        for name in names:
            figures[name].savefig(out / f"study_{study}_{name}.svg", metadata={"Date": None})


def _development() -> dict[str, Figure]:
    """Train a very small model on a few facts, in seconds, and compare its snapshots."""
    from neurotopo.testbed import make_world
    from neurotopo.testbed.corpus import fact_lessons
    from neurotopo.testbed.recipe import recipe_for
    from neurotopo.testbed.train import train_model

    facts = make_world().core_facts("en").sample(24, seed=0)
    recipe = recipe_for("ladder-1").changed(name="small", epochs=60)
    with tempfile.TemporaryDirectory() as folder:
        trained = train_model(recipe, fact_lessons(facts), folder, snapshots=5)
        given: dict[str, Any] = {"model": [str(place) for place in trained.snapshots]}
        return nt.studies.run("development", facts=facts, quick=True, **given).figures


if __name__ == "__main__":
    main(Path(__file__).parent / "figures")
