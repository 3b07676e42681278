"""What neurotopo doctor reports, and when it finds that something is broken."""

from __future__ import annotations

import json
import sys
from importlib import metadata

import pytest

import neurotopo
from neurotopo.cli import main
from neurotopo.commands import doctor
from neurotopo.commands.doctor import Package, diagnose

WANTED = [
    "numpy>=1",
    "scikit-learn>=1",
    "safetensors>=0.1; extra == 'llm'",
    "no-such-package>=2; extra == 'report'",
    "tokenizers<0.0.1; extra == 'tune'",
    "hdbscan>=1; extra == 'bench'",
    "tomli>=1; python_version < '3'",
]


@pytest.fixture
def needs(monkeypatch):
    """Return a function that sets what neurotopo needs, and does not import anything."""
    about = {"Provides-Extra": ["bench", "llm", "report", "tune"]}

    class Metadata:
        def get_all(self, name):
            return about[name]

    def set_up(wanted=WANTED, probe=lambda modules: ([["ok", name] for name in modules], "")):
        monkeypatch.setattr(metadata, "requires", lambda name: wanted)
        monkeypatch.setattr(metadata, "metadata", lambda name: Metadata())
        monkeypatch.setattr(doctor, "_probe", probe)

    return set_up


def test_this_installation_works(capfd):
    status = main(["doctor", "--json"])
    found = json.loads(capfd.readouterr().out)
    assert (status, found["problems"]) == (0, [])
    assert found["neurotopo"] == neurotopo.__version__
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    versions = {each["name"]: each["installed"] for each in found["packages"]}
    assert versions["numpy"] == metadata.version("numpy")
    assert {each["state"] for each in found["packages"] if each["extra"] is None} == {"ok"}
    assert found["threads"]["torch"] >= 1  # torch was imported, in the other process
    assert "cpu" in found["devices"]


def test_states_of_packages_and_extras(needs):
    needs()
    found = diagnose()
    assert {each.name: (each.extra, each.state) for each in found.packages} == {
        "numpy": (None, "ok"),
        "scikit-learn": (None, "ok"),
        "safetensors": ("llm", "ok"),
        "no-such-package": ("report", "missing"),
        "tokenizers": ("tune", "unsupported"),
    }
    assert found.extras == {
        "llm": "installed",
        "report": "missing no-such-package",
        "tune": "broken",
    }
    (problem,) = found.problems  # a missing extra is none
    assert problem.startswith("tokenizers ")
    assert "needs <0.0.1" in problem


def test_a_package_of_the_plain_install_that_is_missing(needs, capsys):
    needs(["no-such-package>=2"])
    assert main(["doctor"]) == 1
    assert "problem: no-such-package is missing: pip install no-such-package." in (
        capsys.readouterr().out
    )


def test_only_the_plain_install_and_torch_are_imported_unless_asked(needs):
    tried = []

    def probe(modules):
        tried.append(modules)
        return [["ok", name] for name in modules], ""

    needs(probe=probe)
    diagnose()
    diagnose(full=True)
    assert tried == [["numpy", "sklearn"], ["numpy", "sklearn", "safetensors", "tokenizers"]]


def test_imports_that_fail_or_end_the_process(needs, tmp_path, monkeypatch):
    (tmp_path / "raises_here.py").write_text("raise ImportError('no\\nsymbol')")
    (tmp_path / "ends_here.py").write_text("import os; os._exit(7)")
    (tmp_path / "works_here.py").write_text("print('hello')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    real = doctor._probe
    names = ("raises_here", "ends_here", "works_here")
    needs([])
    monkeypatch.setattr(doctor, "_probe", real)
    monkeypatch.setattr(
        doctor, "_packages", lambda: (Package(name, "", None, "1", "ok") for name in names)
    )
    found = diagnose()
    assert [each.state for each in found.packages] == ["broken", "broken", "ok"]
    assert found.problems == [
        "import raises_here fails: ImportError: no symbol",
        "import ends_here fails: the process ended with status 7",
    ]


def test_caches_and_variables(needs, tmp_path, monkeypatch):
    needs()
    cache = tmp_path / "cache"
    (cache / "deeper").mkdir(parents=True)
    (cache / "deeper" / "file").write_bytes(bytes(1000))
    monkeypatch.setenv("NEUROTOPO_CACHE", str(cache))
    monkeypatch.setenv("HF_HUB_CACHE", str(cache / "deeper" / "file"))
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # the command line sets it so
    found = diagnose()
    sizes = {each["path"]: (each["bytes"], each["writable"]) for each in found.caches}
    assert sizes == {str(cache): (1000, True), str(cache / "deeper" / "file"): (0, False)}
    assert any("deeper/file cannot be written to" in problem for problem in found.problems)
    assert found.environment["NEUROTOPO_CACHE"] == str(cache)
    assert "secret" not in str(found)
    assert "OMP_WAIT_POLICY" not in found.environment
