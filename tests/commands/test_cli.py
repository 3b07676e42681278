"""The command line as a whole: exceptions, help, missing packages, cost of the import."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import neurotopo
from neurotopo.cli import main
from neurotopo.commands import cluster as command


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 2, "there is not enough memory"),
        (MemoryError("Unable to allocate 9 TiB"), 2, "9 TiB"),
        (ValueError("two\nlines "), 2, "two lines."),
        (PermissionError(13, "Permission denied", "config.json"), 2, "denied (config.json)."),
        (ModuleNotFoundError("no torch", name="torch"), 2, "torch: pip install 'neurotopo[llm]'"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_ends_in_a_sentence(error, status, said, monkeypatch, capsys):
    def fail(options):
        raise error

    monkeypatch.setattr(command, "cluster_model", fail)
    assert main(["cluster", "model"]) == status
    message = capsys.readouterr().err.strip()
    assert said in message
    assert message.count("\n") == 0


@pytest.mark.parametrize("error", [KeyError("x"), AttributeError("x"), ImportError, RuntimeError])
def test_a_defect_keeps_its_traceback(error, monkeypatch):
    def fail(options):
        raise ModuleNotFoundError("x", name="neurotopo.x") if error is ImportError else error

    monkeypatch.setattr(command, "cluster_model", fail)
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        main(["cluster", "model"])


def test_the_version_and_the_help(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"neurotopo {neurotopo.__version__}\n"
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("cluster", "demo", "--version"))
    for name in ("cluster", "demo"):
        assert main([name, "--help"]) == 0
        printed = capsys.readouterr().out
        examples = printed[printed.index("Examples:") :].splitlines()[1:]
        assert examples[0].strip().startswith(f"neurotopo {name}")


@pytest.mark.parametrize("words", [[], ["clutser"], ["cluster"], ["demo", "--seed", "x"], ["--no"]])
def test_no_work_done_is_no_success(words, capsys):
    assert main(words) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_demo_of_a_generated_graph(tmp_path, capsys):
    assert main(["demo", "--graph", "--out", str(tmp_path / "demo"), "--seed", "1"]) == 0
    assert (tmp_path / "demo" / "clusters.csv").exists()
    assert "clusters found" in capsys.readouterr().out
    assert main(["demo", "--out", str(tmp_path / "demo" / "clusters.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


_WITHOUT = """
import sys


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {missing}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Missing())
from neurotopo.cli import main
sys.exit(main({words}))
"""


@pytest.mark.parametrize(
    ("missing", "words", "status", "said"),
    [
        (["torch", "transformers"], ["demo", "--out", "made"], 0, ""),
        pytest.param(
            *(["torch", "transformers"], ["demo", "--graph", "--out", "made"], 0, ""),
            marks=pytest.mark.slow,
        ),
        (["torch", "transformers"], ["explore", "--help"], 0, ""),
        (["typer"], ["--version"], 0, ""),
        (["torch"], ["cluster", "gpt2"], 2, "needs torch: pip install 'neurotopo[llm]'"),
    ],
)
def test_without_the_packages_of_the_extra(missing, words, status, said, tmp_path):
    script = _WITHOUT.format(missing=missing, words=words)
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == status, run.stderr
    assert said in run.stderr
    assert run.stderr.count("\n") == (1 if status else 0)
    assert (tmp_path / "made").exists() == (status == 0 and "demo" in words)


def test_the_command_line_costs_no_torch_until_it_is_needed():
    script = "import neurotopo.cli, neurotopo.commands.app, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "typer" in loaded
    assert not loaded & {"torch", "transformers", "matplotlib", "pandas", "scipy"}


def test_the_command_is_installed():
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="neurotopo")
    assert entry.load() is main
