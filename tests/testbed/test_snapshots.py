"""Snapshots of a training: which there are, and that an interruption loses or repeats none."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from neurotopo import load_model
from neurotopo.testbed.snapshots import Snapshots, snapshot_steps, snapshots_of, step_of
from neurotopo.testbed.train import train_model
from tests.support.training import Killed, KilledAt, lessons, tiny, weights_of

RECIPE = tiny(epochs=12, dropout=0.3)  # 24 steps
STEPS = (8, 16, 24)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return train_model(RECIPE, lessons(), folder, seed=5, snapshots=3)


def same(a, b):
    first, second = weights_of(a), weights_of(b)
    return all(np.array_equal(first[name], second[name]) for name in first | second)


@pytest.mark.parametrize(
    ("n_steps", "n", "expected"),
    [(100, 4, (25, 50, 75, 100)), (7, 3, (2, 5, 7)), (3, 3, (1, 2, 3)), (9, 1, (9,)), (9, 0, ())],
)
def test_they_are_evenly_spread(n_steps, n, expected):
    assert snapshot_steps(n_steps, n) == expected


@pytest.mark.parametrize("n", [-1, 10])
def test_there_cannot_be_more_than_steps(n):
    with pytest.raises(ValueError, match="from 0 to the number of steps, 9"):
        snapshot_steps(9, n)


def test_each_is_a_whole_model(whole):
    places = snapshots_of(whole.folder)
    assert list(whole.snapshots) == places
    assert [place.name for place in places] == ["step-000008", "step-000016", "step-000024"]
    assert [step_of(place) for place in places] == list(STEPS)
    assert {file.name for file in (whole.folder / "snapshots").iterdir()} == {
        place.name for place in places
    }
    assert (whole.folder / "facts.jsonl").is_file()
    for place in places:
        assert load_model(place, device="cpu").answer_probability(lessons().trained[0]) > 0
        about = json.loads((place / "recipe.json").read_text())
        assert (about["step"], about["n_steps"]) == (step_of(place), 24)
    assert same(places[-1], whole.folder)
    assert not same(places[0], places[1])
    assert snapshots_of(whole.folder / "nowhere") == []


def test_they_change_nothing(whole, tmp_path):
    plain = train_model(RECIPE, lessons(), tmp_path, seed=5)
    assert same(plain.folder, whole.folder)
    assert not (tmp_path / "snapshots").exists()
    assert plain.snapshots == ()


@pytest.mark.parametrize("kill_at", [1, 8, 15, 16, 23])
@pytest.mark.parametrize("save_every", [0.0, 1000.0])
def test_an_interruption_loses_none_and_repeats_none(kill_at, save_every, whole, tmp_path):
    folder = tmp_path / "model"
    with pytest.raises(Killed):
        train_model(
            RECIPE,
            lessons(),
            folder,
            seed=5,
            objective=KilledAt(kill_at),
            snapshots=3,
            save_every=save_every,
        )
    there = snapshots_of(folder)
    assert [step_of(place) for place in there] == [step for step in STEPS if step <= kill_at]
    written = {place: (place / "recipe.json").stat().st_mtime_ns for place in there}
    done = train_model(RECIPE, lessons(), folder, seed=5, snapshots=3)
    assert [step_of(place) for place in done.snapshots] == list(STEPS)
    for place, time in written.items():
        assert (place / "recipe.json").stat().st_mtime_ns == time
    for place in snapshots_of(whole.folder):
        assert same(place, folder / "snapshots" / place.name)


def test_killed_while_one_is_written(whole, tmp_path, monkeypatch):
    folder = tmp_path / "model"

    def killed(source, target):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.rename", killed)
        with pytest.raises(Killed):
            train_model(RECIPE, lessons(), folder, seed=5, snapshots=3, save_every=0)
    assert snapshots_of(folder) == []
    assert os.listdir(folder / "snapshots")  # what the kill left
    train_model(RECIPE, lessons(), folder, seed=5, snapshots=3)
    assert len(snapshots_of(folder)) == len(os.listdir(folder / "snapshots")) == 3
    assert all(
        same(place, folder / "snapshots" / place.name) for place in snapshots_of(whole.folder)
    )


def test_a_training_begun_without_begins_anew(whole, tmp_path, caplog):
    with pytest.raises(Killed):
        train_model(RECIPE, lessons(), tmp_path, seed=5, objective=KilledAt(12), save_every=0)
    done = train_model(RECIPE, lessons(), tmp_path, seed=5, snapshots=3)
    assert "later than step 8, whose snapshot is missing" in caplog.text
    assert [step_of(place) for place in done.snapshots] == list(STEPS)
    assert same(tmp_path, whole.folder)


def test_a_finished_model_has_them_or_not(whole, tmp_path):
    again = train_model(RECIPE, lessons(), whole.folder, seed=5, snapshots=3)
    assert (again.seconds, again.snapshots) == (0.0, whole.snapshots)
    assert train_model(RECIPE, lessons(), whole.folder, seed=5).snapshots == ()
    with pytest.raises(ValueError, match="not the snapshots"):
        train_model(RECIPE, lessons(), whole.folder, seed=5, snapshots=5)


def test_those_of_another_training_are_not_mixed_in(tmp_path):
    recipe = tiny(epochs=2)
    with pytest.raises(Killed):
        train_model(
            recipe, lessons(), tmp_path, seed=1, objective=KilledAt(3), snapshots=2, save_every=1000
        )
    with pytest.raises(ValueError, match="is a snapshot of another training"):
        train_model(recipe, lessons(), tmp_path, seed=2, snapshots=4)
    done = train_model(recipe, lessons(), tmp_path, seed=2, snapshots=4, overwrite=True)
    names = {json.loads((p / "recipe.json").read_text())["fingerprint"] for p in done.snapshots}
    assert len(names) == 1
    assert [step_of(place) for place in done.snapshots] == [1, 2, 3, 4]


def test_a_snapshot_without_its_record_belongs_to_nobody(tmp_path):
    place = tmp_path / "snapshots" / "step-000001"
    place.mkdir(parents=True)
    kept = Snapshots(tmp_path, "a name", (1,), lambda place, step: None)
    with pytest.raises(ValueError, match="another training"):
        kept.clear(overwrite=False)
    kept.clear(overwrite=True)
    assert kept.missing(1) == [1]
