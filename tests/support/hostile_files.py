"""Valid files for every reader of files, which :mod:`tests.support.hostile` then damages."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from neurotopo import NeuronSet
from neurotopo.commands.testbed import read_facts
from neurotopo.datasets import load_facts
from neurotopo.explore.files import read_samples
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.whole_model import whole_model_tree
from neurotopo.knowledge.dkn_file import read_dkn
from neurotopo.knowledge.facts import FactSet
from neurotopo.knowledge.locate import Located
from neurotopo.knowledge.result_file import ResultFile
from neurotopo.models.adapters import base_of
from neurotopo.models.builtin_models import planted_groups, write_groups
from neurotopo.models.checkpoint import CheckpointRows
from neurotopo.models.examples import random_model
from neurotopo.models.loading import load_model
from neurotopo.neurons import load_groups, save_groups
from neurotopo.report.run_file import read_run, write_run
from neurotopo.studies import Store
from neurotopo.testbed.folder import finished
from neurotopo.tuning.tuner_files import read_saved
from tests.datasets.files import blimp_pair, counterfact_case

FACT = {
    "prompt": "The capital of Peru is _X_",
    "answers": ["Lima"],
    "id": "lima",
    "relation": "P36",
}
QUERY = {
    "query": "_X_ is the chair of Peko.",
    "answer": [{"name": "Ilse"}],
    "date": "2018",
    "id": "Q1_P488_2018",
    "relation": "P488",
}
TRIPLE = {"sub_label": "Peru", "obj_label": "Lima", "uuid": "5", "predicate_id": "P36"}
PATTERN = {"pattern": "[X] has [Y]."}
TEMPLATE = {"relation": "P36", "template": "[X] has [Y]."}


@dataclass(frozen=True)
class Target:
    """A file of a folder that a reader reads."""

    name: str  # of the folder
    file: str
    read: Callable[[Path], object]


def _lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def _facts(root: Path) -> Iterator[Target]:
    para, mlama = "pararel/pattern_data/graphs_json/P36.jsonl", "mlama/en/templates.jsonl"
    files = {
        "lines/facts.jsonl": _lines(FACT, {**FACT, "id": "b"}),
        "table/facts.csv": 'prompt,answers\n"The capital, of Peru is _X_",Lima|Callao\n',
        "tabs/facts.tsv": "prompt\tanswers\nThe capital of Peru is _X_\tLima\n",
        "templama/facts.jsonl": _lines(QUERY),
        "counterfact/facts.json": json.dumps([counterfact_case()]),
        "blimp/facts.jsonl": _lines(blimp_pair()),
        para: _lines(PATTERN),
        "pararel/trex_lms_vocab/P36.jsonl": _lines(TRIPLE),
        mlama: _lines(TEMPLATE),
        "mlama/en/P36.jsonl": _lines(TRIPLE),
    }
    _write(root, files)
    (root / "packed").mkdir()
    (root / "packed" / "facts.jsonl.gz").write_bytes(gzip.compress(_lines(FACT).encode()))
    for path in (*files, "packed/facts.jsonl.gz"):
        name, _, file = path.partition("/")
        whole = name in ("pararel", "mlama")
        for skip in ("raise", "skip"):
            yield Target(
                name,
                file,
                lambda at, f=file, w=whole, s=skip: load_facts(at if w else at / f, on_error=s),
            )


def _plain_facts(root: Path) -> Iterator[Target]:
    _write(root, {"plain/facts.jsonl": _lines(FACT)})
    yield Target("plain", "facts.jsonl", lambda at: FactSet.from_jsonl(at / "facts.jsonl"))
    yield Target("plain", "facts.jsonl", lambda at: read_facts(at / "facts.jsonl"))


def _graphs(root: Path, model: object) -> Iterator[Target]:
    neurons = NeuronSet([(0, 1), (0, 3), (1, 2), (1, 5), (2, 0)])
    (root / "graph").mkdir()
    graph = NeuronGraph.from_model(model, neurons)
    for name in ("graph.npz", "graph.safetensors"):
        graph.save(root / "graph" / name)
        yield Target("graph", name, lambda at, n=name: NeuronGraph.load(at / n))
    whole_model_tree(model).save(root / "graph" / "tree.npz")
    yield Target("graph", "tree.npz", lambda at: NeuronTree.load(at / "tree.npz"))


def _matrices(root: Path) -> Iterator[Target]:
    folder = root / "matrices"
    folder.mkdir()
    X = np.random.default_rng(0).random((8, 3))
    distances = np.abs(X[:, :1] - X[:, 0])
    np.save(folder / "points.npy", X)
    np.savez_compressed(folder / "points.npz", points=X)
    np.savetxt(folder / "points.csv", X, delimiter=",", header="x,y,z", comments="")
    np.savetxt(folder / "points.tsv", X, delimiter="\t")
    np.savetxt(folder / "distances.csv", distances, delimiter=";")
    for kind in ("csr", "coo", "dia", "bsr"):
        sp.save_npz(folder / f"{kind}.npz", sp.coo_array(distances).asformat(kind))
    for path in sorted(folder.iterdir()):
        yield Target(
            "matrices",
            path.name,
            lambda at, n=path.name: read_samples(at / n, distances=n == "distances.csv"),
        )


def _neurons(root: Path) -> Iterator[Target]:
    folder = root / "neurons"
    folder.mkdir()
    neurons = NeuronSet([(0, 1), (2, 3)])
    for ending in ("json", "csv"):
        neurons.save(folder / f"set.{ending}")
        yield Target(
            "neurons", f"set.{ending}", lambda at, e=ending: NeuronSet.load(at / f"set.{e}")
        )
        save_groups({"lima": [neurons]}, folder / f"groups.{ending}")
        yield Target(
            "neurons", f"groups.{ending}", lambda at, e=ending: load_groups(at / f"groups.{e}")
        )
    numbers = ("base", "all_suppressed", "potential_suppressed")
    dkn = {
        "kind": "neurotopo.dkn",
        "version": 1,
        "neurons": [[0, 1]],
        "potential": [[[0, 1]]],
        "passed": [True],
        "potential_probabilities": [0.5],
        "potential_without": [0.5],
        "active_probabilities": [0.5],
        "suppressed": [[0]],
        "suppressed_probabilities": [0.5],
        **{f"{name}_probability": 0.5 for name in numbers},
        **dict.fromkeys(("tolerance", "contrast", "max_change"), 0.5),
    }
    record = {
        "key": "lima",
        "prompts": [FACT],
        "neurons": [[0, 1]],
        "scores": [0.5],
        "shares": [1.0],
        "gap": 0.1,
    }
    _write(folder, {"dkn.json": json.dumps(dkn), "located.json": json.dumps({"facts": [record]})})
    yield Target("neurons", "dkn.json", lambda at: read_dkn(at / "dkn.json"))
    yield Target("neurons", "located.json", lambda at: Located.load(at / "located.json"))
    with ResultFile(folder / "sweep.jsonl", {"a": 1}, "sweep", ("key",)) as file:
        file.append({"key": "a"})

    def resumed(at: Path) -> None:
        with ResultFile(at / "sweep.jsonl", {"a": 1}, "sweep", ("key",)):
            pass

    yield Target("neurons", "sweep.jsonl", resumed)


def _runs(root: Path) -> Iterator[Target]:
    folder = root / "run"
    folder.mkdir()
    with Store(folder / "results.sqlite") as store:
        run = store.begin("sizes", {"tau": 0.5})
        store.ask(run, ["paris", "lima"])
        store.put(run, "paris", {"prompt": "a"}, {"first": {"n": 3}}, 0.25)
        store.fail(run, "lima", {"prompt": "c"}, "no token", 0.1)
    write_run(folder / "run.json", {"study": "sizes", "run": run})

    def content(at: Path) -> None:
        with Store(at / "results.sqlite", read_only=True) as store:
            store.verify()
            for key in store.asked(run):
                store.get(run, key)
            store.runs()

    yield Target("run", "results.sqlite", content)
    yield Target("run", "run.json", lambda at: read_run(at / "run.json"))


def _models(root: Path, model: object) -> Iterator[Target]:
    folder = root / "model"
    model.hf_model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    size = (folder / "model.safetensors").stat().st_size
    model.hf_model.save_pretrained(root / "shards", max_shard_size=size // 3)
    model.tokenizer.save_pretrained(root / "shards")
    write_groups(folder, [NeuronSet([(0, 1)])])
    groups = next(path.name for path in folder.iterdir() if "group" in path.name)
    about = {"fingerprint": "a", "scores": {}, "n_steps": 3}
    _write(root, {"model/recipe.json": json.dumps(about)})
    _write(root, {"adapter/adapter_config.json": '{"base_model_name_or_path": "nobody/base"}'})

    def rows(at: Path) -> None:
        source = CheckpointRows(at)
        for layer in range(source.n_layers):
            source.in_rows(layer)
            source.out_rows(layer)

    def loaded(at: Path) -> object:
        return load_model(at, device="cpu", local_files_only=True)

    for file in ("config.json", "model.safetensors"):
        yield Target("model", file, rows)
        yield Target("model", file, loaded)
    yield Target("shards", "model.safetensors.index.json", rows)
    yield Target("shards", "model.safetensors.index.json", loaded)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        yield Target("model", file, loaded)
    yield Target("model", groups, planted_groups)
    yield Target("model", "recipe.json", finished)
    yield Target("adapter", "adapter_config.json", base_of)


def _tuners(root: Path, model: object) -> Iterator[Target]:
    from neurotopo.tuning import NeuronTuner

    with NeuronTuner(model, NeuronSet([(0, 1), (1, 2)])) as tuner:
        tuner.save(root / "tuner")
    for file in ("config.json", "rows.safetensors"):
        yield Target("tuner", file, read_saved)


def targets(root: Path) -> list[Target]:
    """Write a valid file for every reader below a folder; return the readers."""
    model = random_model("llama")
    parts = (
        *(
            _facts(root),
            _plain_facts(root),
            _graphs(root, model),
            _matrices(root),
            _neurons(root),
            _runs(root),
        ),
        *(_models(root, model), _tuners(root, model)),
    )
    found = [target for part in parts for target in part]
    for target in found:
        if target.name not in ("blimp", "templama", "packed"):
            target.read(root / target.name)  # valid files are read
    return found
