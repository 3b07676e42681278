"""Studies by name, from facts to a folder with a report, on models made for the test."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

import neurotopo as nt
from neurotopo._codec import from_text, to_text
from neurotopo.commands.study import options_of
from neurotopo.knowledge.suppression import Suppressions
from neurotopo.models.examples import random_model
from neurotopo.studies import InlineEngine, read_run, seed_for
from neurotopo.studies.acquisition.study import Acquisition, AcquisitionOptions
from neurotopo.studies.facts import facts_for
from neurotopo.studies.groupings import METHODS
from neurotopo.studies.run import report, run
from neurotopo.studies.study import STUDIES, study_named

PROMPTS = (
    "The capital of France is _X_",
    "The capital of Italy is _X_",
    "Ada works for _X_",
    "Bob plays for _X_",
)
ANSWERS = ("Paris", "Rome", "Acme", "Rovers")
FACTS = [nt.Fact(prompt, word, id=word) for prompt, word in zip(PROMPTS, ANSWERS, strict=True)]


@pytest.fixture(scope="module")
def model():
    return random_model("gpt2")


@pytest.fixture(scope="module")
def quick(model, tmp_path_factory):
    return run(
        "acquisition", model=model, facts=FACTS, out=tmp_path_factory.mktemp("run"), quick=True
    )


def test_the_folder_has_all_that_was_promised(quick):
    names = {path.relative_to(quick.out).as_posix() for path in quick.out.rglob("*")}
    assert {"results.sqlite", "run.json", "report.html", "rows.csv"} <= names
    for name in quick.tables:
        assert {f"tables/{name}.{kind}" for kind in ("csv", "md", "tex")} <= names
    for name in quick.figures:
        assert {f"figures/{name}.{kind}" for kind in ("svg", "png")} <= names
    about = read_run(quick.out / "run.json")
    assert about["status"] == "complete"
    assert about["seeds"] == {"seed": 0}
    assert about["options"]["tau2"] == 0.3


def test_rows_say_what_the_finder_says(model, quick):
    """The stored numbers are those of the parts, done one after the other."""
    options = AcquisitionOptions.quick()
    for fact in FACTS:
        attribution = options.amig().attribute(model, fact)
        neurons = attribution.neurons()
        dkn = nt.DKNFinder("kmeans", random_state=seed_for(0, fact.key)).find(model, fact, neurons)
        rows = quick.rows[(quick.rows["fact"] == fact.key) & (quick.rows["method"] == "kmeans")]
        (row,) = rows.to_dict("records")
        assert row["n_knowledge_neurons"] == len(neurons)
        kept = [group for group in dkn.potential if len(group) >= 2]
        dkn = nt.DKNFinder().evaluate(model, fact, kept, neurons=neurons)
        assert row["n"] == dkn.n
        # other sets in a batch round the probabilities otherwise; the jump is a small difference
        np.testing.assert_allclose(row["jump"], dkn.jump, rtol=1e-6, atol=2e-6)
        np.testing.assert_allclose(row["gcr"], dkn.gcr, rtol=1e-3)
        np.testing.assert_allclose(row["probability"], dkn.base_probability, rtol=1e-6)


def test_a_second_call_does_nothing_again(model, quick):
    again = run("acquisition", model=model, facts=FACTS, out=quick.out, quick=True)
    assert again.outcome.n_there == len(FACTS)
    assert again.rows.equals(quick.rows)


def test_the_report_is_made_again_from_the_store(quick):
    before = {p: p.read_bytes() for p in (quick.out / "tables").iterdir()}
    again = report(quick.out)
    assert {p: p.read_bytes() for p in (quick.out / "tables").iterdir()} == before
    assert again.findings == quick.findings


def test_other_options_are_refused_in_the_same_folder(model, quick):
    with pytest.raises(ValueError, match=r"tau2 was 0\.3 and is 0\.5"):
        run("acquisition", model=model, facts=FACTS, out=quick.out, quick=True, tau2=0.5)


def test_another_model_is_refused_in_the_same_folder(quick):
    with pytest.raises(ValueError, match=r"model\.weights was"):
        run(
            "acquisition",
            model=random_model("gpt2", seed=5),
            facts=FACTS,
            out=quick.out,
            quick=True,
        )


@pytest.mark.usefixtures("no_pictures", "few_suffice")
def test_every_method_of_the_study_on_a_model_with_planted_groups():
    model = random_model("gpt2")
    groups = [nt.NeuronSet([(layer, k) for layer in range(3)]) for k in (0, 1)]
    model.planted_groups = groups
    result = run("acquisition", model=model, facts=FACTS[:2])
    assert list(result.rows["method"].cat.categories) == [
        *(each for name in METHODS for each in (name, f"random:{name}")),
        "anywhere",
    ]
    oracle = result.rows[result.rows["method"] == "oracle"]
    assert oracle["n_potential"].tolist() == [2, 2]
    assert "The groups the model was trained to have" in " ".join(result.findings)
    assert set(result.tables["sweep"]["tau1"]) == {0.3, 0.4, 0.5, 0.6, 0.7}


def test_the_sweep_is_the_finder_at_other_thresholds(model):
    work = Acquisition.prepare(model, {"seed": 0})
    for fact in FACTS[:2]:
        sweep = work(fact)["sweep"]
        neurons = nt.AMIG().locate(model, fact)
        for i, (tau1, tau2) in enumerate(zip(sweep["tau1"], sweep["tau2"], strict=True)):
            finder = nt.DKNFinder(nt.NTCClusterer.paper(metric="precomputed", tau=tau1), tau2=tau2)
            expected = finder.find(model, fact, neurons)
            assert sweep["n"][i] == expected.n
            assert sweep["reason"][i] == expected.reason
            np.testing.assert_allclose(sweep["jump"][i], expected.jump, rtol=1e-5)


def test_a_fact_costs_few_calls_of_the_model(model, monkeypatch):
    calls = []
    ask = Suppressions._probabilities
    monkeypatch.setattr(
        Suppressions,
        "_probabilities",
        lambda self, sets: calls.append(len(sets)) or ask(self, sets),
    )
    Acquisition(model, AcquisitionOptions(), 0)(FACTS[0])
    # two for all methods together, and at most two for every other threshold of the filter
    assert len(calls) <= 2 + 2 * 5


@pytest.mark.usefixtures("no_pictures")
def test_results_do_not_depend_on_the_other_facts(model):
    alone = run("acquisition", model=model, facts=FACTS[2:3], quick=True).rows
    among = run("acquisition", model=model, facts=FACTS, quick=True).rows
    some = among[among["fact"] == FACTS[2].key].reset_index(drop=True)
    assert some.equals(alone)


def test_stored_results_survive_as_text(model):
    stages = Acquisition(model, AcquisitionOptions(), 0)(FACTS[0])
    assert to_text(from_text(to_text(stages))) == to_text(stages)


@pytest.mark.usefixtures("no_pictures", "few_suffice")
def test_only_known_leaves_out_what_the_model_does_not_know(model):
    result = run("acquisition", model=model, facts=FACTS, quick=True, only_known=True)
    assert result.rows["method"].isna().all()
    assert "(only_known): 4 facts." in result.summary.tables["exclusions"].note
    assert "No fact was left" in " ".join(result.findings)


@pytest.mark.parametrize(
    ("threshold", "rule", "n"), [(10.0, "absolute", 0), (1, "top", 1)], ids=["none", "one"]
)
@pytest.mark.usefixtures("no_pictures")
def test_facts_with_too_few_neurons(model, threshold, rule, n, tmp_path):
    result = run(
        "acquisition",
        model=model,
        facts=FACTS,
        out=tmp_path,
        quick=True,
        threshold=threshold,
        rule=rule,
    )
    assert (result.rows["n_knowledge_neurons"] == n).all()
    assert result.outcome.n_failed == 0
    reasons = set(result.rows.loc[result.rows["method"] != "oracle", "reason"])
    assert reasons == ({"no neurons"} if n == 0 else {"no potential components"})
    assert (tmp_path / "report.html").is_file()


@pytest.mark.usefixtures("no_pictures")
def test_neurons_of_one_layer_only(tmp_path):
    """A model of one layer: no two neurons are connected."""
    from transformers import GPT2LMHeadModel

    made = random_model("gpt2")
    config = replace_config(made.hf_model.config, n_layer=1)
    model = nt.NeuronModel(GPT2LMHeadModel(config).eval(), made.tokenizer)
    result = run("acquisition", model=model, facts=FACTS, out=tmp_path)
    assert result.outcome.n_failed == 0
    ntc = result.rows[result.rows["method"] == "ntc"]
    assert (ntc["n_potential"] == 0).all()


def replace_config(config, **changes):
    other = type(config)(**{**config.to_dict(), **changes})
    return other


@pytest.mark.usefixtures("no_pictures")
def test_a_fact_that_fails_is_reported(model, tmp_path, monkeypatch):
    work = Acquisition.__call__

    def fails(self, fact):
        if fact.key == "Rome":
            raise ValueError("<script>no</script>")
        return work(self, fact)

    monkeypatch.setattr(Acquisition, "__call__", fails)
    result = run("acquisition", model=model, facts=FACTS, out=tmp_path, quick=True)
    assert result.outcome.failures == {"Rome": "ValueError: <script>no</script>"}
    page = (tmp_path / "report.html").read_text()
    assert "<script>no" not in page
    assert "&lt;script&gt;no" in page
    monkeypatch.undo()
    again = run("acquisition", model=model, facts=FACTS, out=tmp_path, quick=True)
    assert (again.outcome.n_there, again.outcome.n_failed) == (3, 0)


@pytest.mark.usefixtures("no_pictures")
def test_an_interrupted_run_reports_what_there_is(model, tmp_path):
    class Interrupted(InlineEngine):
        def run(self, tasks, prepare):
            for i, finished in enumerate(super().run(tasks, prepare)):
                yield finished
                if i == 1:
                    raise KeyboardInterrupt

    result = run(
        "acquisition", model=model, facts=FACTS, out=tmp_path, engine=Interrupted(), quick=True
    )
    assert result.outcome.interrupted
    assert result.outcome.n_done == 2
    assert read_run(tmp_path / "run.json")["status"] == "interrupted"
    assert set(result.rows["fact"]) == set(ANSWERS[:2])
    assert (tmp_path / "report.html").is_file()


def test_rows_trace_to_the_store(quick):
    """A number of a table is found again with nothing but SQL and json."""
    about = json.loads((quick.out / "run.json").read_text())
    with sqlite3.connect(quick.out / "results.sqlite") as connection:
        found = connection.execute(
            "SELECT fact, payload FROM results WHERE run = ? AND stage = 'methods'", (about["run"],)
        ).fetchall()
    connection.close()
    components = [sum(json.loads(text)["kmeans"]["passed"]) for _, text in found]
    rows = quick.rows[quick.rows["method"] == "kmeans"]
    assert sorted(rows["n"]) == sorted(components)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"study": "acquire"}, "there is no study 'acquire'; studies are: acquisition"),
        ({"taux": 0.5}, "has no option 'taux'; options are: threshold, rule"),
        ({"methods": ["k-means"]}, "there is no method 'k-means'"),
        ({"methods": ["ntc", "ntc"]}, "methods must be different"),
        ({"methods": []}, "methods must be different"),
        ({"tau2": -1.0}, "tau2 must be"),
        ({"sweep_tau2": [0.1, float("nan")]}, "tau2 must be"),
        ({"sweep_tau1": [-0.1]}, "tau"),
        ({"n_pairs": 1}, "n_pairs must be"),
        ({"baseline": "eos"}, "baseline must be one of"),
        ({"length": "log"}, "length"),
        ({"engine": "threads"}, "engine must be one of inline, ray"),
        ({"workers": 2}, "workers is for engine='ray'"),
        ({"facts": []}, "there are no facts"),
        ({"facts": "factworld:x"}, "factworld:N with a whole number"),
        ({"facts": "factworld:99999"}, "asks for 99999 facts, but there are"),
    ],
)
def test_mistakes_are_told_before_any_work(model, given, message):
    given = {"study": "acquisition", "model": model, "facts": FACTS, **given}
    with pytest.raises(ValueError, match=message):
        run(given.pop("study"), **given)


def test_a_file_that_is_not_there(model):
    with pytest.raises(FileNotFoundError, match=r"no file 'facts\.jsonl'"):
        run("acquisition", model=model, facts="facts.jsonl")


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match="not the folder of a run"):
        report(tmp_path)


def test_facts_of_the_test_bed():
    ten = facts_for("factworld:10", "testbed:planted")
    assert [fact.key for fact in ten] == [
        fact.key for fact in facts_for("factworld:10", "testbed:planted")
    ]
    assert ten != facts_for("factworld:10", "testbed:planted", seed=1)
    assert {fact.language for fact in facts_for("factworld", "testbed:gpt2")} == {"en"}
    assert len(facts_for("factworld", "testbed:gpt2")) == 704
    assert len(facts_for("factworld", "testbed:gpt2", most=50)) == 50
    assert len(facts_for("factworld:60", "testbed:gpt2", most=50)) == 60


def test_the_definition():
    found = study_named("acquisition")
    assert found.name == "acquisition"
    assert replace(found.Options(), tau2=0.5).to_dict()["tau2"] == 0.5


@pytest.mark.parametrize("study", STUDIES)
def test_every_option_of_every_study_can_be_written(study):
    """Written as on a command line, a default is read back as what it is."""
    kind = study_named(study).Options
    for name, value in kind().to_dict().items():
        if value is not None:
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            assert options_of(kind, [f"{name}={text}"]) == {name: value}
