"""Which data set a file is, and FactWorld as one."""

from __future__ import annotations

import subprocess
import sys

import pytest

import neurotopo
from neurotopo.datasets import FORMATS, format_of, load_facts, load_factworld, wrong_facts
from tests.datasets.files import (
    ISLAND,
    PATTERNS,
    TEMPLAMA_ROWS,
    TEMPLATES,
    TRIPLES,
    blimp_pair,
    counterfact_case,
    triple,
    write_lines,
)


@pytest.fixture
def files(tmp_path):
    rows = {
        "templama": TEMPLAMA_ROWS,
        "counterfact": [counterfact_case()],
        "blimp": [blimp_pair()],
        "mlama": [triple("Zunia", "Peko", template="[X]: [Y]", language="en", predicate_id="P36")],
        "jsonl": [{"prompt": "a", "answers": ["b"]}],
    }
    for name, records in rows.items():
        write_lines(tmp_path / f"{name}.jsonl", [{"other": 1}, *records])
    (tmp_path / "csv.jsonl").write_text("prompt,answers\na,b\n")
    (tmp_path / "csv.jsonl").rename(tmp_path / "table.csv")
    return tmp_path


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "pararel"])
def test_a_file_is_known_by_its_rows(name, files):
    path = files / ("table.csv" if name == "csv" else f"{name}.jsonl")
    assert format_of(path) == name
    facts = load_facts(path, on_error="skip")
    assert len(facts) in (1, 3)
    assert len(facts.skipped) == (name != "csv")
    assert load_facts(path, name, "skip") == facts
    if name != "csv":
        with pytest.raises(ValueError, match=r"line 1: (field|unknown field)"):
            load_facts(path)


def test_a_folder_is_known_by_its_files(files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folders")
    for name in ("templama", "blimp"):
        write_lines(
            folder / name / "a.jsonl", {"templama": TEMPLAMA_ROWS, "blimp": [blimp_pair()]}[name]
        )
        assert format_of(folder / name) == name
    write_lines(folder / "mlama" / "en" / "templates.jsonl", TEMPLATES["en"])
    write_lines(folder / "mlama" / "en" / "P36.jsonl", TRIPLES["en"]["P36"])
    assert format_of(folder / "mlama") == format_of(folder / "mlama" / "en") == "mlama"
    assert len(load_facts(folder / "mlama")) == 3
    write_lines(folder / "para" / "pattern_data" / "graphs_json" / "P36.jsonl", PATTERNS)
    write_lines(folder / "para" / "trex_lms_vocab" / "P36.jsonl", TRIPLES["en"]["P36"])
    assert format_of(folder / "para") == "pararel"
    assert len(load_facts(folder / "para")) == 3
    write_lines(folder / "lines" / "a.jsonl", [{"prompt": "a", "answers": ["b"]}])
    for unknown in (files, folder, folder / "lines"):
        with pytest.raises(ValueError, match="in none of the known formats"):
            format_of(unknown)


def test_what_is_not_known_is_an_error(tmp_path):
    write_lines(tmp_path / "f.jsonl", [{"a": 1}])
    with pytest.raises(ValueError, match=r"f\.jsonl is in none of the known formats \(templama, "):
        load_facts(tmp_path / "f.jsonl")
    with pytest.raises(ValueError, match="format must be 'auto' or one of templama"):
        load_facts(tmp_path / "f.jsonl", "xml")
    with pytest.raises(FileNotFoundError):
        load_facts(tmp_path / "g.jsonl")
    write_lines(tmp_path / "b.jsonl", [ISLAND])
    with pytest.raises(ValueError, match="no pair where one word decides"):
        load_facts(tmp_path / "b.jsonl")


# The package -------------------------------------------------------------------------------------


def test_the_readers_are_an_attribute_of_the_package():
    assert neurotopo.datasets.load_templama.__name__ == "load_templama"
    assert "datasets" in dir(neurotopo)
    for name in neurotopo.datasets.__all__:
        assert hasattr(neurotopo.datasets, name)


def test_importing_the_readers_loads_nothing_heavy():
    script = "import neurotopo as nt\nnt.datasets.load_templama\nimport sys\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert not loaded & {"torch", "transformers", "sklearn", "scipy", "pandas", "matplotlib"}


# FactWorld ---------------------------------------------------------------------------------------


def test_factworld_as_a_data_set():
    from neurotopo.testbed.world import make_world

    world = make_world(seed=0)
    facts = load_factworld(["en", "fr"])
    assert list(facts) == [*world.facts("en"), *world.facts("fr")]
    assert load_factworld() == world.facts("en")
    assert load_factworld(core=True) == world.core_facts("en")
    assert load_factworld("fr", "capital") == world.facts("fr", relation="capital")
    one_date = load_factworld(date="2014")
    assert one_date == world.facts("en", date="2014")
    assert load_factworld(seed=1) != facts
    with pytest.raises(ValueError, match="no facts of relation 'P999' and date None"):
        load_factworld(relation="P999")


def test_no_wrong_fact_of_factworld_is_true():
    from neurotopo.testbed.world import make_world

    for language in ("en", "fr"):
        everything = make_world(seed=0).facts(language)
        facts = load_factworld(language, date="2014")
        for fact, wrong in zip(facts, wrong_facts(facts), strict=True):
            true = {
                answer
                for other in everything
                if (other.subject, other.relation) == (fact.subject, fact.relation)
                for answer in other.answers
            }
            assert set(fact.answers) <= true
            assert wrong.answers[0] not in true
