"""Runs over many facts: resumed, with other options, and with facts that fail."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

import neurotopo
from neurotopo import Fact
from neurotopo.studies import (
    FactError,
    Finished,
    InlineEngine,
    Task,
    read_run,
    run_study,
    write_run,
)
from tests.support.studies import Counted, Item, items, raises, study_of


def test_a_run_keeps_the_order_of_the_facts(tmp_path):
    counted = Counted()
    outcome = run_study(counted.study, items(20), out=tmp_path, options={"seed": 1}, model="m")
    assert [key for key, _ in outcome.summary] == [item.key for item in items(20)]
    assert [payload["square"] for _, payload in outcome.summary] == [i**2 for i in range(20)]
    assert counted.calls == [item.key for item in items(20)]
    assert counted.prepared == [("m", {"seed": 1})]
    assert (outcome.n_there, outcome.n_done, outcome.n_failed) == (0, 20, 0)
    assert outcome.complete
    assert not outcome.interrupted
    assert str(outcome) == "counted: 20 of 20 facts done."
    assert sorted(each.name for each in tmp_path.iterdir()) == ["results.sqlite", "run.json"]


def test_in_memory_it_gives_the_same(tmp_path):
    there = run_study(Counted().study, items(5), out=tmp_path)
    assert run_study(Counted().study, items(5)).summary == there.summary


def test_a_second_run_does_nothing_again_and_says_so(tmp_path):
    first = run_study(Counted().study, items(10), out=tmp_path)
    counted, said = Counted(), []
    outcome = run_study(counted.study, items(15), out=tmp_path, tell=said.append)
    assert said == ["counted: 10 of 15 facts have results already."]
    assert counted.calls == [item.key for item in items(15, 10)]
    assert outcome.summary[:10] == first.summary
    assert outcome.run == first.run
    assert str(outcome) == "counted: 15 of 15 facts done, 10 of them before."
    counted = Counted()
    few = run_study(counted.study, items(3), out=tmp_path)
    assert few.summary == first.summary[:3]
    assert counted.prepared == []  # no model is loaded for nothing
    assert few.n_facts == few.n_there == few.n_done == 3


def test_other_options_are_refused_or_kept_apart(tmp_path):
    def run(version=1, **given):
        return run_study(Counted(version=version).study, items(3), out=tmp_path, **given)

    first = run(options={"tau2": 0.3}, model="m")
    for given, message in (
        ({"options": {"tau2": 0.4}, "model": "m"}, "tau2 was 0.3 and is 0.4"),
        ({"options": {"tau2": 0.3}, "model": "n"}, "model was 'm' and is 'n'"),
        ({"options": {"tau2": 0.3}, "identity": {"weights": "x"}}, "model was 'm' and is"),
        ({"options": {"tau2": 0.3, "a": 1}, "model": "m"}, "a was not given and is 1"),
        (
            {"options": {"tau2": 0.3}, "model": "m", "seeds": {"s": 1}},
            "seeds.s was not given and is 1",
        ),
        ({"options": {"tau2": 0.3}, "model": "m", "version": 2}, "study_version was 1 and is 2"),
    ):
        with pytest.raises(ValueError, match=f"made with other options .{message}"):
            run(**given)
    assert read_run(tmp_path / "run.json")["options"] == {"tau2": 0.3}
    other = run(options={"tau2": 0.4}, model="m", alone=False)
    assert (other.n_there, other.n_done) == (0, 3)
    assert other.run != first.run
    same = run(options={"tau2": 0.3}, model="m", alone=False, settings={"batch_size": 9})
    assert (same.n_there, same.run) == (3, first.run)


def test_another_fact_under_the_same_key_is_refused(tmp_path):
    run_study(Counted().study, [Item("a", 1)], out=tmp_path)
    with pytest.raises(ValueError, match=r"another fact 'a' \(value was 1 and is 2\)"):
        run_study(Counted().study, [Item("a", 2)], out=tmp_path)


def test_what_is_no_fact_is_refused():
    study = Counted().study
    with pytest.raises(ValueError, match=r"facts\[1\] has the key 'a' of an earlier one"):
        run_study(study, [Item("a", 1), Item("a", 2)])
    with pytest.raises(TypeError, match=r"facts\[0\] must have a key and a to_dict, got 'a'"):
        run_study(study, "a")
    with pytest.raises(ValueError, match=r"facts\[0\] has a key that is no text"):
        run_study(study, [Item("\ud800", 1)])
    with pytest.raises(ValueError, match="'seed' cannot be used among the settings"):
        run_study(study, [], options={"seed": 1}, settings={"seed": 2})
    with pytest.raises(TypeError, match=r"options.*is a object"):
        run_study(study, [], options={"seed": object()})


def test_no_facts_at_all():
    outcome = run_study(Counted().study, [])
    assert (outcome.summary, outcome.n_facts, outcome.complete) == ([], 0, True)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (raises(ValueError("no neurons")), "ValueError: no neurons"),
        (raises(MemoryError()), "MemoryError"),
        (lambda: {"a": {1}}, r"TypeError: result['a'] is a set, which JSON cannot hold."),
        (lambda: None, "TypeError: result must be a mapping, got NoneType."),
    ],
)
def test_a_fact_that_fails_is_recorded_and_counted(tmp_path, what, message):
    outcome = run_study(Counted(3, what).study, items(6), out=tmp_path)
    key = items(6)[3].key
    assert outcome.failures == {key: message}
    assert [name for name, _ in outcome.summary] == [i.key for i in items(6) if i.key != key]
    assert outcome.complete
    assert str(outcome) == "counted: 5 of 6 facts done, 1 failed."
    assert read_run(tmp_path / "run.json")["n_failed"] == 1
    counted = Counted(3, what)
    again = run_study(counted.study, items(6), out=tmp_path, retry=False)
    assert (counted.calls, again.failures, again.n_done) == ([], outcome.failures, 5)
    counted = Counted()
    retried = run_study(counted.study, items(6), out=tmp_path)
    assert counted.calls == [key]
    assert retried.summary == run_study(Counted().study, items(6)).summary
    assert not retried.failures


def test_it_can_stop_at_the_first_fact_that_fails(tmp_path):
    counted = Counted(3, raises(ValueError("no neurons")))
    key = items(6)[3].key
    with pytest.raises(FactError, match=f"fact '{key}' failed: ValueError: no neurons"):
        run_study(counted.study, items(6), out=tmp_path, stop=True)
    assert len(counted.calls) == 4
    assert read_run(tmp_path / "run.json")["status"] == "stopped"
    assert run_study(Counted().study, items(6), out=tmp_path).n_there == 3


def test_a_model_that_cannot_be_loaded_ends_the_run(tmp_path):
    study = study_of("s", lambda model, options: raises(OSError("no such model"))(), list)
    with pytest.raises(OSError, match="no such model"):
        run_study(study, items(2), out=tmp_path)


def test_stages_are_stored_apart(tmp_path):
    def study(payload):
        return study_of("s", lambda model, options: lambda fact: payload, list, ("one", "two"))

    outcome = run_study(study({"one": {"a": 1}, "two": {"b": 2}}), items(1), out=tmp_path)
    assert outcome.summary[0].stages == {"one": {"a": 1}, "two": {"b": 2}}
    for payload, message in (
        ({"one": {}}, "must return an entry for each of one, two"),
        ({"one": {}, "two": 3}, "two must be a mapping, got int"),
    ):
        failed = run_study(study(payload), items(1))
        assert message in failed.failures["fact-000"]


def test_engines_may_finish_in_any_order_and_are_closed(tmp_path):
    closed = []

    class Backwards:
        def run(self, tasks, prepare):
            try:
                work = prepare()
                for task in reversed(list(tasks)):
                    yield Finished(task, work(task.fact), None, 0.0)
            finally:
                closed.append(True)

    outcome = run_study(Counted().study, items(6), engine=Backwards())
    assert outcome.summary == run_study(Counted().study, items(6)).summary
    stopped = Counted(4, dict)  # an empty mapping is a result too
    assert run_study(stopped.study, items(6), engine=Backwards()).n_failed == 0
    with pytest.raises(KeyError):
        run_study(Counted(2, raises(KeyError("x"))).study, items(6), engine=Backwards())
    assert len(closed) == 3


def test_tasks_are_taken_as_they_are_finished():
    taken = []

    def tasks():
        for i, item in enumerate(items(10)):
            taken.append(i)
            yield Task(i, item)

    finished = InlineEngine().run(tasks(), lambda: lambda fact: {"n": fact.value})
    assert next(finished).payload == {"n": 0}
    assert taken == [0]


def test_what_was_prepared_is_kept_for_an_equal_call():
    made = []

    def prepare(model, options):
        made.append(options)
        return lambda fact: options

    def asked(engine, *arguments, **given):
        return engine.ask(partial(prepare, *arguments, **given), lambda work: work(None))

    array = np.arange(2)
    with InlineEngine() as engine:
        assert asked(engine, "m", {"a": [1, 2]}) == {"a": [1, 2]}
        task = Task(0, Item("a", 1))
        (finished,) = engine.run([task], partial(prepare, "m", {"a": [1, 2]}))
        assert finished.payload == {"a": [1, 2]}
        assert len(made) == 1
        for i, other in enumerate(({"a": [1, True]}, {"a": [1]}, {"b": 1}, {"b": 1.0}, array)):
            assert asked(engine, "m", other) is other
            assert len(made) == i + 2
        asked(engine, "m", array)
        assert len(made) == 6  # the same array
        asked(engine, "m", np.arange(2))
        asked(engine, "n", array)
        asked(engine, "n", options=array)
        assert len(made) == 9
    engine.close()
    asked(engine, "n", options=array)
    assert len(made) == 10


def test_the_identity_may_be_asked_of_the_prepared_work(tmp_path):
    counted, asked = Counted(), []

    def identity(work):
        asked.append(work(Item("a", 3)))
        return {"nine": asked[-1]["square"]}

    first = run_study(counted.study, items(4), model=object(), identity=identity, out=tmp_path)
    assert len(counted.prepared) == len(asked) == 1
    assert read_run(tmp_path / "run.json")["model"] == {"nine": 9}
    plain = run_study(Counted().study, items(4), identity={"nine": 9}, out=tmp_path)
    assert (plain.run, plain.n_there) == (first.run, 4)
    with pytest.raises(ValueError, match=r"model was .* and is 'other'"):
        run_study(Counted().study, items(4), identity=lambda work: "other", out=tmp_path)
    study = study_of("s", lambda model, options: raises(OSError("no such model"))(), list)
    with pytest.raises(OSError, match="no such model"):
        run_study(study, [], identity=lambda work: "x", out=tmp_path / "none")


def test_an_engine_that_was_lent_is_left_open(tmp_path):
    closed = []

    class Lent(InlineEngine):
        def close(self):
            closed.append(True)
            super().close()

    counted = Counted()
    with Lent() as engine:
        run_study(counted.study, items(2), engine=engine, model="m", out=tmp_path)
        run_study(counted.study, items(4), engine=engine, model="m", out=tmp_path)
        assert not closed
    assert closed
    assert len(counted.prepared) == 1


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot make the folder"):
        run_study(Counted().study, items(1), out=tmp_path / "file" / "run")


def test_the_progress_bar_shows_what_was_there_and_what_failed(tmp_path, capsys):
    run_study(Counted().study, items(4), out=tmp_path, progress=True)
    capsys.readouterr()
    failing = Counted(5, raises(ValueError("no")))
    run_study(failing.study, items(8), out=tmp_path, progress=True)
    shown = capsys.readouterr()
    assert not shown.out
    assert "counted:  50%" in shown.err
    assert "8/8" in shown.err
    assert "fact/s" in shown.err
    assert "failed=1" in shown.err


def test_facts_are_items():
    study = study_of("s", lambda model, options: lambda fact: {"n": len(fact.prompt)}, list)
    facts = [Fact("Who owns it?", "Ada"), Fact("Who owns the other?", "Ada")]
    assert [row.payload["n"] for row in run_study(study, facts).summary] == [12, 19]


def test_the_run_file_says_what_it_was_made_with(tmp_path):
    given = {
        "options": {"tau2": 0.3, "limit": float("inf")},
        "settings": {"workers": 2},
        "seeds": {"random": 7},
        "identity": {"weights": "abc"},
    }
    outcome = run_study(Counted().study, items(3), out=tmp_path, **given)
    about = read_run(tmp_path / "run.json")
    assert about["status"] == "complete"
    assert about["run"] == outcome.run
    assert (about["n_facts"], about["n_there"], about["n_done"]) == (3, 0, 3)
    assert about["model"] == given["identity"]
    assert {name: about[name] for name in ("options", "settings", "seeds")} == {
        name: given[name] for name in ("options", "settings", "seeds")
    }
    assert about["versions"]["neurotopo"] == neurotopo.__version__
    assert about["started"] <= about["written"]
    json.loads((tmp_path / "run.json").read_text(), parse_constant=pytest.fail)


def test_a_run_file_is_written_at_once_or_not_at_all(tmp_path):
    path = tmp_path / "run.json"
    write_run(path, {"study": "one"})
    with pytest.raises(TypeError, match=r"run\['study'\] is a object"):
        write_run(path, {"study": object()})
    assert read_run(path)["study"] == "one"
    with pytest.raises(OSError, match="cannot write to"):
        write_run(tmp_path / "none" / "run.json", {})
    for text in ("", "{}", "[1]", '{"kind": "neurotopo.run", "version": 9}'):
        path.write_text(text)
        with pytest.raises(ValueError, match="was not written by a study"):
            read_run(path)
