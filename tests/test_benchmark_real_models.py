"""The measurements on real models, on a small model that answers some questions."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import real_models

from neurotopo.models.builtin_models import find

FACTS = find("llama") / "facts.jsonl"


def run(out: Path, *arguments: str) -> dict[str, object]:
    real_models.main([*arguments, "--models", "tiny=testbed:llama", "--out", str(out)])
    record: dict[str, object] = json.loads(out.read_text())
    return record


def test_a_measurement_agrees_with_the_slow_way_and_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "record.json"
    arguments = (
        "slow-amig",
        "attribution-value",
        "edits",
        "completeness",
        "--facts",
        str(FACTS),
        "--n",
        "2",
    )
    found = run(out, *arguments)["models"]["tiny"]  # type: ignore[index]
    assert len(found["facts"]) == 2
    slow = found["measures"]["slow-amig"]["float32"]
    assert len(slow) == 2
    assert all(row["difference"] < 1e-5 < row["largest"] for row in slow.values())
    value = found["measures"]["attribution-value"]
    assert set(value) == {"float32", "bfloat16"}
    assert all(row["difference"] < 1e-5 for row in value["float32"].values())
    gaps = found["measures"]["completeness"]["float32"].values()
    assert all(row["gap"] < 1e-2 for row in gaps)
    edits = found["measures"]["edits"]["float32"].values()
    assert all(max(row.values()) < 1e-4 for row in edits)
    assert "| tiny | float32 | 2 |" in capsys.readouterr().out

    other = dataclasses.replace(
        real_models.MEASURES["slow-amig"], of=lambda model, facts: pytest.fail("measured again")
    )
    monkeypatch.setitem(real_models.MEASURES, "slow-amig", other)
    assert run(out, *arguments)["models"]["tiny"] == found  # type: ignore[index]
    with pytest.raises(pytest.fail.Exception, match="measured again"):
        run(out, *arguments[:-1], "3")


def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NEUROTOPO_PARAREL", raising=False)
    with pytest.raises(SystemExit):
        run(Path("unused"))
    assert "NEUROTOPO_PARAREL" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run(Path("unused"), "amig", "--facts", str(FACTS))
    assert "attribution-value" in capsys.readouterr().err


def test_agreement_with_single_neurons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = run(tmp_path / "record.json", "relp", "--facts", str(FACTS), "--n", "2")
    rows = found["models"]["tiny"]["measures"]["relp"]["float32"].values()  # type: ignore[index]
    assert len(rows) == 2
    for row in rows:
        assert 80 <= row["n"] <= 200
        assert row["AMIG"]["with AMIG"] == 1
        for name in real_models.METHODS:
            assert -1 <= row[name]["drawn"] <= 1
            assert row[name]["log p"] > 0.3  # scores are about the effect of a neuron
    assert "gradient x value" in capsys.readouterr().out
