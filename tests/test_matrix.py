"""The matrix of Pythons and versions: what it installs, counts and keeps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.reference import script

ROOT = Path(__file__).parents[1]
HERE = "{}.{}".format(*sys.version_info)


@pytest.fixture(scope="module")
def matrix():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield script(ROOT / "scripts" / "matrix.py")


def test_the_lowest_versions_are_those_of_the_project(matrix):
    pins = matrix.lowest(["torch==2.13.0"])
    assert "numpy==1.26" in pins
    assert "scikit-learn==1.6" in pins
    assert not [pin for pin in pins if pin.startswith("torch")]  # it has a pin
    assert "torch==2.6" in matrix.lowest()


@pytest.fixture
def ran(matrix, monkeypatch):
    """Let pip do nothing, and pytest print one line; collect what they are called with."""
    calls = []
    answer = SimpleNamespace(
        stdout="== 2 failed, 7 passed, 1 error in 3s ==", stderr="", returncode=1
    )

    def run(words, folder):
        calls.append([*map(str, words)])

    def call(words, **_):
        calls.append([*map(str, words)])
        if "list" in words:
            return SimpleNamespace(stdout='[{"name": "NumPy", "version": "1.26"}]', returncode=0)
        return answer

    monkeypatch.setattr(matrix, "run", run)
    monkeypatch.setattr(
        matrix, "interpreter", lambda version: "python" if version != "3.12" else None
    )
    monkeypatch.setattr(matrix.subprocess, "run", call)
    return SimpleNamespace(calls=calls, answer=answer)


def test_failures_and_errors_are_counted(matrix, ran, tmp_path, capsys):
    assert matrix.main(["--python", "3.11", "3.12", "--json", str(tmp_path / "m.json")]) == 1
    (row,) = matrix.read(tmp_path / "m.json")
    assert (row.passed, row.failed, row.installed) == (7, 3, {"numpy": "1.26"})
    told = capsys.readouterr().out
    assert "| 3.11 | newest | 2 failed, 7 passed, 1 error | numpy 1.26 |" in told
    assert "not run: Python 3.12" in told


def test_a_failed_install_is_a_failure(matrix, ran, monkeypatch, capsys):
    def run(words, folder):
        raise subprocess.CalledProcessError(1, words, "no such version")

    monkeypatch.setattr(matrix, "run", run)
    assert matrix.main(["--python", "3.11"]) == 1
    assert "no such version" in capsys.readouterr().out


def test_the_lowest_versions_run_on_the_first_python_and_rows_are_kept(matrix, ran, tmp_path):
    ran.answer.stdout, ran.answer.returncode = "9 passed in 3s", 0
    place = tmp_path / "m.json"
    assert matrix.main(["--python", "3.13", "--json", str(place)]) == 0
    assert matrix.main(["--python", "3.10", "--json", str(place)]) == 0
    cases = [(row.python, row.versions) for row in matrix.read(place)]
    assert cases == [("3.10", "newest"), ("3.10", "lowest"), ("3.13", "newest")]
    assert matrix.main(["--python", "3.12"]) == 1  # nothing ran


def test_the_tests_that_run_exist(matrix):
    assert all((ROOT / name).exists() for name in matrix.SMOKE)
