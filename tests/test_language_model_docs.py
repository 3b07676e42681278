"""What the documentation says of language models and cannot be run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import neurotopo
from neurotopo.models.examples import random_model
from neurotopo.models.families import BUILT_IN

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]
# Blocks marked `py` need the hub; those marked `python` and `pycon` are run by test_docs.py.
BLOCK = re.compile(r"^```py\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FROM_THE_HUB = [
    pytest.param(code, id=f"{page.name} {number}")
    for page in PAGES
    for number, code in enumerate(BLOCK.findall(page.read_text(encoding="utf-8")))
]


def test_every_family_is_in_the_table():
    text = (DOCS / "language_models.md").read_text(encoding="utf-8")
    table = text[text.index("| family |") :].split("\n\n")[0].splitlines()[2:]
    rows = [
        [cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in table
    ]
    expected = [
        [
            family.name,
            ", ".join(family.model_types),
            family.kind,
            "fused" if family.fused else "gated" if family.is_gated else "plain",
            "by the variant" if callable(family.norm) else family.norm or "none",
        ]
        for family in BUILT_IN
    ]
    assert rows == expected


@pytest.mark.parametrize("code", FROM_THE_HUB)
def test_examples_with_a_model_of_the_hub_run_with_any_other(code, monkeypatch, capsys):
    asked = []

    def load_model(
        name, *, device=None, dtype=None, device_map=None, adapter=None, prompting="completion"
    ):
        asked.append(name)
        return random_model("gpt2")

    monkeypatch.setattr(neurotopo, "load_model", load_model)
    exec(compile(code, "example", "exec"), {})
    assert asked
    for number in capsys.readouterr().out.split():
        assert 0 <= float(number) <= 1
