"""The work of the robustness study: faulty prompts, edits in one batch, runs that go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import neurotopo as nt
from neurotopo import Edit, Fact, NeuronSet
from neurotopo._codec import from_text, to_text
from neurotopo.datasets import load_templama
from neurotopo.models.builtin_models import null_model
from neurotopo.models.examples import random_model
from neurotopo.models.recall import recalled
from neurotopo.studies.facts import facts_for
from neurotopo.studies.neurons import NeuronFinder, size_matched
from neurotopo.studies.robustness.frames import collect
from neurotopo.studies.robustness.study import Robustness, RobustnessOptions
from neurotopo.studies.rows import Row
from neurotopo.studies.study import seed_for

pytestmark = pytest.mark.usefixtures("few_suffice")

FAST = {"quadrature": "gauss-legendre", "steps": 8}
ARMS = {"dkn", "kn", "kn_random", "random", "random_layers"}


@pytest.fixture(scope="module")
def model():
    return nt.load_model("testbed:gpt2", device="cpu")


@pytest.fixture(scope="module")
def facts():
    return list(facts_for("factworld:12", "testbed:gpt2"))


@pytest.fixture(scope="module")
def results(model, facts):
    work = Robustness(model, RobustnessOptions(doses=(0.5, 1.0), **FAST), 0)
    return {fact.key: work(fact) for fact in facts}


@pytest.fixture(scope="module")
def compared(results):
    """A fact with degenerate neurons, and its results."""
    return next((key, each) for key, each in results.items() if each["arms"])


def test_every_arm_is_asked_under_every_edit(results, compared):
    _, result = compared
    assert set(result["arms"]) == ARMS
    n = 1 + len(result["fact"]["prompts"])
    for own in result["arms"].values():
        assert list(zip(own["where"], own["scale"], strict=True)) == [
            ("values", 0.0),
            ("values", 0.5),
            ("values", 2.0),
            ("weights", 2.0),
        ]
        assert np.shape(own["probability"]) == np.shape(own["right"]) == (4, n)
    for each in results.values():
        assert to_text(from_text(to_text(each))) == to_text(each)
        assert bool(each["arms"]) == (each["fact"]["reason"] is None)


def test_the_batch_is_every_edit_by_itself(model, facts, compared):
    key, result = compared
    fact = next(each for each in facts if each.key == key)
    found = NeuronFinder(model, RobustnessOptions(**FAST)).find(fact)
    rng = np.random.default_rng([seed_for(0, key), 0])
    sets = size_matched(
        found.degenerate, found.others, rng, n_layers=model.n_layers, n_neurons=model.n_neurons
    ).neurons
    prompts = [Fact(text, fact.answers) for text in (fact.prompt, *result["fact"]["prompts"])]
    for arm, own in result["arms"].items():
        for where, scale, p, right in zip(
            own["where"], own["scale"], own["probability"], own["right"], strict=True
        ):
            with model.edited(Edit(sets[arm], scale=scale, where=where)):
                np.testing.assert_allclose(
                    model.answer_probabilities(prompts), p, rtol=1e-4, atol=1e-7
                )
                assert recalled(model, prompts, ends=False).tolist() == list(right)
    np.testing.assert_allclose(
        model.answer_probabilities(prompts), result["fact"]["probability"], rtol=1e-4
    )


def test_faulty_prompts_are_different_ones(results):
    for result in results.values():
        about = result["fact"]
        assert len(set(about["prompts"])) >= len(about["prompts"]) - 1
        assert len(about["kinds"]) == len(about["prompts"]) <= 9
        for kind, prompt in zip(about["kinds"], about["prompts"], strict=True):
            assert ("[replace]" in prompt) == (kind == "replace")
            assert ("[add]" in prompt) == (kind == "add")


def test_the_subject_can_be_kept_and_marks_chosen(model, facts):
    options = RobustnessOptions(
        keep_subject=True, replace_mark="<r>", add_mark="<a>", doses=(), **FAST
    )
    work = Robustness(model, options, 0)
    prompts, kinds, _ = work._prompts(facts[0])
    assert all(facts[0].subject in prompt.prompt for prompt in prompts)
    assert any("<r>" in prompt.prompt for prompt in prompts)
    assert set(kinds) == {"replace", "add", "delete"}
    with pytest.raises(ValueError, match="keep_subject needs field 'subject'"):
        work(Fact("Paris is the capital of _X_", "France"))


def test_a_prompt_that_is_too_short_is_counted(model):
    work = Robustness(model, RobustnessOptions(only_known=False, doses=(), **FAST), 0)
    result = work(Fact("Kira _X_", "Dornik"))
    assert result["fact"]["too_short"] == ["delete"]
    assert set(result["fact"]["kinds"]) == {"replace", "add"}
    row = Row("a", {}, from_text(to_text(result)), None, 0.1)
    assert collect([row]).facts["too_short"].tolist() == ["delete"]


def test_facts_that_are_not_known_are_left_out_unless_wanted(facts):
    wrong = [
        Fact(fact.prompt, facts[i - 1].answers, fact.relation, id=f"wrong-{i}")
        for i, fact in enumerate(facts[:4])
    ]
    result = nt.studies.run("robustness", model="testbed:gpt2", facts=wrong, quick=True)
    assert result.outcome.n_done == 4
    table = result.tables["exclusions"].set_index("what")["facts"]
    assert table["no comparison: not known"] == 4
    assert not len(result.rows["dprob"].dropna())
    shown = nt.studies.run(
        "robustness", model="testbed:gpt2", facts=wrong, quick=True, only_known=False
    )
    table = shown.tables["exclusions"].set_index("what")["facts"]
    assert "no comparison: not known" not in table
    assert shown.claims == ()


def test_what_was_planted_is_shown_in_numbers():
    result = nt.studies.run("robustness", model="testbed:planted", facts="factworld:14", quick=True)
    rows = result.tables["subset_tests"].set_index(["grouping", "prompt"])
    own = rows.loc[("oracle", "Q")]
    assert own["all"] > 90
    assert own["largest proper"] < 30
    assert own["largest proper, random"] > own["largest proper"] + 30
    (claim,) = (each for each in result.claims if "trained to have, after the clean" in each)
    assert f"{own['all']:.1f} %" in claim
    assert f"{own['largest proper']:.1f} %" in claim


@pytest.mark.parametrize("only_known", [True, False])
def test_nothing_is_claimed_of_a_random_model(only_known):
    tokenizer = nt.load_model("testbed:null").tokenizer
    result = nt.studies.run(
        "robustness",
        model=nt.NeuronModel(null_model(3), tokenizer),
        facts="factworld:16",
        quick=True,
        only_known=only_known,
    )
    assert result.outcome.n_done == 16
    assert not result.outcome.failures
    assert result.claims == ()


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_other_architectures(kind):
    own = random_model(kind)
    work = Robustness(own, RobustnessOptions(draws=1, doses=(), only_known=False, **FAST), 0)
    facts = [Fact(f"The capital of {name} is _X_", "Paris") for name in ("France", "Italy")]
    neurons = NeuronSet([(0, 1), (1, 2), (2, 3), (2, 4)])
    (result,) = work._arms(facts, {"dkn": neurons}).values()
    for row, (where, scale) in enumerate(zip(result["where"], result["scale"], strict=True)):
        with own.edited(Edit(neurons, scale=scale, where=where)):
            np.testing.assert_allclose(
                own.answer_probabilities(facts), result["probability"][row], rtol=1e-4
            )
    assert set(work(facts[0])) == {"fact", "arms", "subsets"}


@pytest.mark.slow
def test_a_run_goes_on_where_it_was(facts, tmp_path):
    def run(some, out):
        return nt.studies.run(
            "robustness", model="testbed:gpt2", facts=some, out=out, quick=True, device="cpu"
        )

    run(facts[:2], tmp_path)
    more = run(facts[:5], tmp_path)
    assert (more.outcome.n_there, more.outcome.n_done) == (2, 5)
    again = run(facts[:5], tmp_path)
    assert again.outcome.n_there == 5
    whole = run(facts[:5], None)
    assert whole.findings == more.findings == again.findings
    for name, frame in whole.tables.items():
        assert frame.to_csv() == more.tables[name].to_csv() == again.tables[name].to_csv()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"draws": 0}, "draws must be a whole number"),
        ({"draws": 1.5}, "draws must be a whole number"),
        ({"replace_mark": " "}, "replace_mark must be a text"),
        ({"doses": [-1.0]}, "doses must be finite numbers"),
        ({"doses": [float("inf")]}, "doses must be finite numbers"),
        ({"doses": [2.0, 2.0]}, "doses must be different"),
        ({"max_exact": 0}, "max_exact must be"),
        ({"n_samples": 0}, "n_samples must be"),
        ({"tau2": -1.0}, "tau2 must be"),
        ({"replace_mark": "_X_"}, "without a placeholder"),
    ],
)
def test_options_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        RobustnessOptions(**given)


def test_quick_is_smaller_and_can_be_overruled():
    quick = RobustnessOptions.quick(draws=2)
    assert (quick.draws, quick.doses, quick.scales) == (2, (), (0.0, 2.0))
    assert RobustnessOptions().scales == (0.0, 0.25, 0.5, 0.75, 1.5, 2.0, 3.0)


def test_summaries_need_no_torch():
    modules = ("study", "frames", "report", "pictures")
    code = (
        "import sys\n"
        + "\n".join(f"import neurotopo.studies.robustness.{name}" for name in modules)
        + "\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


TEMPLAMA = os.environ.get("NEUROTOPO_TEMPLAMA")


@pytest.mark.skipif(
    TEMPLAMA is None, reason="NEUROTOPO_TEMPLAMA does not name the folder of TempLAMA"
)
def test_templama_from_the_file():
    from neurotopo.models.examples import word_tokenizer

    facts = list(load_templama(Path(str(TEMPLAMA)) / "train.jsonl"))[::3000][:12]
    words = [w for fact in facts for w in (fact.prompt, *fact.answers)]
    model = random_model()
    spaced = " ".join(words).replace(".", " . ").replace(",", " , ").replace("_X_", " ")
    tokenizer = word_tokenizer(spaced)
    assert model.hf_model.resize_token_embeddings(len(tokenizer)) is not None
    result = nt.studies.run(
        "robustness",
        model=nt.NeuronModel(model.hf_model, tokenizer),
        facts=facts,
        quick=True,
        only_known=False,
        threshold=0.05,
        tau2=0.0,
    )
    assert result.outcome.n_done == len(facts)
    assert result.claims == ()
