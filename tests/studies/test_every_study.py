"""What holds of every study: it survives a kill, and claims nothing of a random model."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import neurotopo as nt
from neurotopo.cli import main
from neurotopo.models.builtin_models import null_model
from neurotopo.studies import STUDIES, read_run
from neurotopo.studies.study import study_named
from neurotopo.testbed.architectures import new_model
from neurotopo.testbed.recipe import RECIPES

ROOT = Path(nt.__file__).parents[1]
LADDER = "testbed:ladder-1,testbed:ladder-2"
SETTINGS = {
    "acquisition": (),
    "audit": (),
    "robustness": (),
    "detection": (),
    "complexity": ("--model", LADDER),
    "development": ("--model", LADDER),
    "crosslingual": (),
    "critique": ("--option", "n_edits=2", "--option", "n_pairs=20"),
    "choices": (),
    "learning": ("--option", "arms=dkn,random", "--option", "epochs=1", "--option", "n_seeds=2"),
}
SEEDS = range(5)


def words(study, out, n=24):
    given = ["--facts", f"factworld:{n}", "--device", "cpu", "--out", str(out), "--quick"]
    more = SETTINGS[study]
    model = () if "--model" in more else ("--model", "testbed:gpt2")
    return ["run", study, *model, *given, "--quiet", *more]


def test_every_study_is_here():
    assert set(SETTINGS) == set(STUDIES)


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_is_documented(study, capsys):
    assert study_named(study).title
    page = ROOT / "docs" / f"{study}.md"
    inside = {"acquisition": "studies.md", "audit": "degenerate.md", "learning": "training.md"}
    assert page.is_file() or study in inside
    assert study in (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    assert main(["run", "--help"]) == 0
    assert study in capsys.readouterr().out


def n_stored(out):
    path = out / "results.sqlite"
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM facts").fetchone()[0])
    except sqlite3.OperationalError:  # there is no such file, or no table yet
        return 0


def run_to(n, arguments, out):
    """Start a command line and kill it when n results are stored."""
    process = subprocess.Popen(
        [sys.executable, "-m", "neurotopo", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    end = time.monotonic() + 300
    while n_stored(out) < n and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def contents(out):
    """Return all tables, without what is measured in seconds."""
    tables = {}
    for file in [*sorted((out / "tables").glob("*.csv")), out / "rows.csv"]:
        if file.stem not in ("table11", "trials"):  # of learning: seconds and memory
            tables[file.name] = file.read_bytes()
    return tables


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
@pytest.mark.parametrize("study", STUDIES)
def test_killed_a_study_comes_to_the_same_files(study, tmp_path):
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums depend on the number of threads
    try:
        assert main(words(study, tmp_path / "whole")) == 0
        n = read_run(tmp_path / "whole" / "run.json")["n_done"]
        assert n >= 2
        out = tmp_path / "killed"
        run_to(max(n // 3, 1), words(study, out), out)
        there = n_stored(out)
        assert 1 <= there < n
        assert main(words(study, out)) == 0
        assert read_run(out / "run.json")["n_there"] == there
    finally:
        torch.set_num_threads(threads)
    assert contents(out) == contents(tmp_path / "whole")


def random_models(study, seed):
    """Return models with random weights: one, or several of rising size."""
    tokenizer = nt.load_model("testbed:null").tokenizer
    if not study_named(study).several:
        return nt.NeuronModel(null_model(seed), tokenizer)
    recipes = [RECIPES[f"ladder-{i}"] for i in (1, 2, 3)]
    return [
        nt.NeuronModel(new_model(recipe, tokenizer, seed=seed).eval(), tokenizer)
        for recipe in recipes
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("study", [study for study in STUDIES if study != "learning"])
def test_nothing_is_claimed_of_a_random_model(study, seed):
    # learning teaches the model before it asks, so that there is none with random weights
    result = nt.studies.run(
        study, model=random_models(study, seed), facts="factworld:60", seed=seed
    )
    assert result.outcome.n_done
    assert not result.outcome.failures
    assert result.claims == (), result.findings


def test_the_seed_of_a_random_model_counts():
    a, b = (null_model(seed).get_input_embeddings().weight.detach().numpy() for seed in (0, 1))
    assert not np.allclose(a, b)
