"""Shells complete commands, options, studies and the options of a study."""

from __future__ import annotations

import pytest

from neurotopo.cli import main

LINES = {"bash": "COMP_WORDS", "zsh": "_TYPER_COMPLETE_ARGS", "fish": "_TYPER_COMPLETE_ARGS"}


def completed(shell, line, monkeypatch, capfd):
    monkeypatch.setenv("_NEUROTOPO_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv(LINES[shell], line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    return capfd.readouterr().out


@pytest.mark.parametrize("shell", LINES)
@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("neurotopo expl", "explore"),
        ("neurotopo explore --standa", "--standardize"),
        ("neurotopo run acq", "acquisition"),
        ("neurotopo run acquisition --tau2", "--tau2"),
        ("neurotopo check gpt2 --study det", "detection"),
    ],
)
def test_words_are_completed(shell, line, word, monkeypatch, capfd):
    assert word in completed(shell, line, monkeypatch, capfd)


@pytest.mark.parametrize("shell", LINES)
def test_the_script_of_a_shell(shell, monkeypatch, capfd):
    monkeypatch.setenv("_NEUROTOPO_COMPLETE", f"source_{shell}")
    with pytest.raises(SystemExit):
        main([])
    assert f"_NEUROTOPO_COMPLETE=complete_{shell}" in capfd.readouterr().out
