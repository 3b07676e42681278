"""A copy of a real model in which each of three groups of neurons stores invented facts alone.

The positive control of the replication: groups that are known to be redundant, at the scale of a
real model. :func:`plant` changes only the rows of the neurons that matter least on ordinary texts,
in late layers. The rows are set in closed form (:mod:`planting_rows`): each group writes the
answer, strongly, so the effects of the groups do not add up. A part of a group does harm.

Training (``steps``) refines the rows, from the first planted layer on; what comes before does not
change and is computed once. Copies of the last token of each prompt, which do not see each other,
have other neurons ablated:

answered
    None, all groups but one, or one group, by zero, mean and counterfactual values (those of
    another subject in the same sentence). The target is the answer, with the same contrast.
lost
    All groups, or one or two thirds of the neurons drawn at random over the groups. The target is
    the distribution of the original model.

Ordinary texts, known facts, and the same sentences about other subjects keep the distribution of
the original model. Groups in one layer cannot correct each other, so against the counterfactual
values of two groups the third one does not keep the answer: that needs training in two layers.

A regression with too little silence fires on texts that it was not fitted to: on SmolLM2-135M the
perplexity went from 33 to millions. With too small a weight of other facts, the neurons of all
facts of a relation fire in its sentences: with 10 only 37 of 72 facts are redundant where the
others are 0, with 100 there are 68, at a perplexity of 110. With the defaults (30) there are 57,
27 where the others have mean values, and 4 where they have counterfactual values. The perplexity
goes from 33.0 to 40.6, and 181 of 200 known facts that were not fitted stay. ``planting.json`` has
these numbers for every copy.

Examples
--------
python -m replication.planting smollm2 planted --old known.jsonl
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import neurotopo as nt
from neurotopo import Edit, Fact, NeuronSet
from neurotopo._files import atomic_write
from neurotopo.datasets import Reworded, load_facts
from neurotopo.knowledge.seeding import seeded
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.models.recall import recalled
from neurotopo.neurons import save_groups
from neurotopo.redundancy import RelationValues
from neurotopo.testbed import make_world
from neurotopo.tuning import NeuronTuner
from replication.planting_training import KINDS, PlantingSettings, Training, tokens

logger = logging.getLogger(__name__)

SUBJECT = "{s}"
RELATIONS: dict[str, dict[str, list[str]]] = json.loads(
    Path(__file__).with_name("invented.json").read_text(encoding="utf-8")
)
"""Answers and wordings of the invented relations; each subject has one fact."""

_FOR_CHOICE = 24
_OPENERS = (
    "The",
    "In",
    "A",
    "When",
    "It",
    "This",
    "For",
    "As",
    "At",
    "On",
    "He",
    "She",
    "They",
    "We",
)


@dataclass(frozen=True)
class PlantedReport:
    """The result of :func:`plant`: the folder, and the content of ``planting.json``."""

    folder: Path
    record: dict[str, Any]

    @property
    def n_redundant(self) -> int:
        """Number of facts that each group answers alone by every ablation, and none does not."""
        return int(self.record["after"]["n_redundant"])


def invented_facts(model: NeuronModel, seed: int = 0) -> Reworded:
    """Return facts about fictional people in several wordings, with answers of one token.

    The people are those of FactWorld. Within a relation all answers differ.
    """
    rng = seeded(seed, "invented", "facts")
    people = [entity.name("en") for entity in make_world(seed).entities if entity.kind == "person"]
    order = iter(rng.permutation(len(people)).tolist())
    wordings: dict[str, tuple[Fact, ...]] = {}
    for relation, about in RELATIONS.items():
        for answer in about["answers"]:
            subject = people[next(order)]
            key = f"{relation}:{subject}"
            facts = tuple(
                Fact(
                    text.replace(SUBJECT, subject),
                    answer,
                    relation=relation,
                    id=key + (f"#{number}" if number else ""),
                    subject=subject,
                )
                for number, text in enumerate(about["wordings"])
            )
            if all(len(model.encode(fact).answers[0]) == 1 for fact in facts):
                wordings[key] = facts
    return Reworded(wordings)


def sampled_texts(model: NeuronModel, n: int = 60, length: int = 40, seed: int = 0) -> list[str]:
    """Return texts that the model writes itself, by sampling."""
    tokenizer = model.tokenizer
    texts: list[str] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for start in range(0, n, len(_OPENERS)):
            openers = _OPENERS[: n - start]
            ids = torch.tensor([tokenizer(opener)["input_ids"][:1] for opener in openers])
            made = model.hf_model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                top_k=0,
                max_new_tokens=length,
                pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id,
            )
            texts += tokenizer.batch_decode(made, skip_special_tokens=True)
    return texts


def prose(n: int = 40, seed: int = 0) -> list[str]:
    """Return paragraphs of English that people wrote: of Python's own manual."""
    from pydoc_data.topics import topics

    paragraphs = [
        " ".join(part.split())
        for topic in topics.values()
        for part in topic.split("\n\n")
        if part[:1].isupper() and len(part.split()) >= 30 and "::=" not in part
    ]
    chosen = np.random.default_rng(seed).permutation(len(paragraphs))[:n]
    return [paragraphs[i] for i in chosen]


def plant(
    model: NeuronModel,
    out: str | Path,
    *,
    facts: Reworded,
    texts: Sequence[str],
    old: Sequence[Fact] = (),
    settings: PlantingSettings | None = None,
    save_every: float = 60.0,
    tell: Callable[[str], None] = logger.info,
    tell_every: int = 10,
) -> PlantedReport:
    """Train a copy of a model that knows new facts by each of several groups of neurons.

    Parameters
    ----------
    model : NeuronModel
        A causal model of the LLaMA family, in single precision. It keeps its weights.
    out : path-like
        Folder of the copy: the model, ``groups.json``, ``facts.jsonl`` and ``planting.json``. A
        call with the same arguments continues an interrupted one.
    facts : Reworded
        The new facts in at least two wordings, with answers of one token.
    texts : sequence of str
        Ordinary texts. The last fifth is for perplexity only.
    old : sequence of Fact
        Facts that the model knows. The second half, at most 200 of them, is for the check only.
    settings : PlantingSettings, optional
    save_every : float, default=60
        Seconds between two saved states.
    tell : callable
        Called with messages, every ``tell_every`` steps.

    Returns
    -------
    PlantedReport
    """
    settings = settings or PlantingSettings()
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / "planting.json"
    name = _fingerprint(model, facts, texts, old, settings)
    if final.exists():
        record = json.loads(final.read_text(encoding="utf-8"))
        if record["fingerprint"] != name:
            raise ValueError(f"{folder} holds another planted model; choose another folder.")
        return PlantedReport(folder, record)
    _check(model, facts, settings)
    n_read = math.ceil(0.8 * len(texts))
    unread, texts = list(texts[n_read:]), list(texts[:n_read])
    n_old = min(200, len(old) // 2)
    trained_old, asked_old = list(old[: len(old) - n_old]), list(old[len(old) - n_old :])
    groups = chosen_groups(model, texts, settings)
    started = time.monotonic()
    with NeuronTuner(model, NeuronSet(pair for group in groups for pair in group)) as tuner:
        with tuner.disabled():
            before = {"perplexity": perplexity(model, unread), **_old_before(model, asked_old)}
            training = Training(model, tuner, groups, facts, texts, trained_old, settings)
        losses = training.run(folder / "state.pt", name, save_every, tell, tell_every)
        after = checks(model, facts, groups, unread, asked_old, before.pop("old_log_p", None))
        model.hf_model.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
    facts.to_jsonl(folder / "facts.jsonl")
    save_groups(dict.fromkeys((fact.key for fact in facts), groups), folder / "groups.json")
    record = {
        "fingerprint": name,
        "settings": asdict(settings),
        "n_facts": len(facts),
        "n_texts": [len(texts), len(unread)],
        "n_old": [len(trained_old), len(asked_old)],
        "n_parameters": tuner.n_parameters,
        "seconds": time.monotonic() - started,
        "losses": losses,
        "before": before,
        "after": after,
    }
    with atomic_write(final) as file:
        file.write(json.dumps(record, indent=1).encode() + b"\n")
    (folder / "state.pt").unlink(missing_ok=True)
    return PlantedReport(folder, record)


def chosen_groups(
    model: NeuronModel, texts: Sequence[str], settings: PlantingSettings
) -> list[NeuronSet]:
    """Return groups of the neurons that add least to the hidden states of ordinary texts.

    The measure is the mean size of the value times the norm of the out-row.
    """
    sums = {layer: torch.zeros(model.n_neurons) for layer in settings.layers}

    def hook(layer: int) -> Callable[..., None]:
        def read(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
            sums[layer] += args[0].detach().abs().float().sum(dim=(0, 1))

        return read

    with ExitStack() as hooks, torch.no_grad():
        for layer in settings.layers:
            module = model.mlps[layer].out.module
            hooks.callback(module.register_forward_pre_hook(hook(layer)).remove)
        for ids in tokens(model, texts[:_FOR_CHOICE]):
            model.hf_model.model(torch.tensor([ids]))
    rng = np.random.default_rng([settings.seed, 1])
    pairs: list[list[tuple[int, int]]] = [[] for _ in range(settings.n_groups)]
    for layer, total in sums.items():
        out = model.mlps[layer].out
        norms = out.weight.detach().float().norm(dim=1 - out.neuron_axis)
        n = settings.n_neurons * settings.n_groups
        least = torch.argsort(total * norms, stable=True)[:n].tolist()
        for place, which in enumerate(rng.permutation(n).tolist()):
            pairs[place % settings.n_groups].append((layer, least[which]))
    return [NeuronSet(group) for group in pairs]


def _check(model: NeuronModel, facts: Reworded, settings: PlantingSettings) -> None:
    if not hasattr(getattr(model.hf_model, "model", None), "rotary_emb"):
        name = type(model.hf_model).__name__
        raise ValueError(f"the model must be of the LLaMA family, got {name}.")
    if model.dtype != torch.float32:
        raise ValueError(f"the model must be in float32, got {model.dtype}; load it with dtype.")
    for key, wordings in facts.wordings.items():
        if len(wordings) <= settings.n_held_out:
            need = settings.n_held_out + 1
            raise ValueError(f"fact {key!r} needs at least {need} wordings, got {len(wordings)}.")
        for fact in wordings:
            n = len(model.encode(fact).answers[0])
            if n != 1:
                raise ValueError(
                    f"fact {fact.key!r}: the answer {fact.answers[0]!r} has {n} tokens, and only "
                    "answers of one token can be planted; leave the fact out."
                )


def perplexity(model: NeuronModel, texts: Sequence[str]) -> float:
    """Return the perplexity of texts, of at most 40 tokens each."""
    total, n = 0.0, 0
    with torch.no_grad():
        for ids in tokens(model, texts):
            row = torch.tensor([ids])
            log_p = model.hf_model(row).logits[0, :-1].float().log_softmax(dim=-1)
            total -= float(log_p.gather(-1, row[0, 1:, None]).sum())
            n += len(ids) - 1
    return math.exp(total / n) if n else math.nan


def _old_before(model: NeuronModel, old: Sequence[Fact]) -> dict[str, Any]:
    if not old:
        return {}
    return {
        "old_known": float(recalled(model, old, ends=False).mean()),
        "old_log_p": model.answer_probabilities(old, log=True),
    }


def checks(
    model: NeuronModel,
    facts: Reworded,
    groups: Sequence[NeuronSet],
    unread: Sequence[str],
    old: Sequence[Fact],
    old_log_p: np.ndarray | None = None,
) -> dict[str, Any]:
    """Return what the copy answers, with which groups, and what it has kept."""
    table = answered(model, facts, groups)
    passed = {kind: table[f"{kind}:alone"].all(axis=1) & ~table[f"{kind}:all"] for kind in KINDS}
    every = np.all([table["intact"], *passed.values()], axis=0)
    found: dict[str, Any] = {
        "n_redundant": int(every.sum()),
        "redundant": [fact.key for fact, good in zip(facts, every, strict=True) if good],
        "n_redundant_by": {
            kind: int((good & table["intact"]).sum()) for kind, good in passed.items()
        },
        "share_answered": {key: float(value.mean()) for key, value in table.items()},
        "perplexity": perplexity(model, unread),
    }
    for number in range(len(facts.wordings[facts[0].key])):
        asked = [facts.wordings[fact.key][number] for fact in facts]
        found[f"wording_{number}"] = float(recalled(model, asked, ends=False).mean())
    held_out = [facts.wordings[fact.key][-1] for fact in facts]
    for number, group in enumerate(groups):
        rest = NeuronSet(pair for other in groups for pair in other) - group
        edits = [Edit(rest, positions="last")] * len(held_out)
        right = recalled(model, held_out, ends=False, edits=edits)
        found[f"held_out_zero_alone_{number}"] = float(right.mean())
    if old and old_log_p is not None:
        change = model.answer_probabilities(old, log=True) - old_log_p
        found["old_known"] = float(recalled(model, old, ends=False).mean())
        found["old_log_p_change"] = {
            "mean": float(change.mean()),
            "size": float(np.abs(change).mean()),
        }
    return found


def answered(
    model: NeuronModel, facts: Reworded, groups: Sequence[NeuronSet]
) -> dict[str, np.ndarray]:
    """Return which facts are answered in their first wording, with groups ablated.

    The keys are ``intact``, and by the ablations of the audit ``KIND:alone`` and ``KIND:without``
    (a column for each group: all others, or it, ablated) and ``KIND:all``. ``everywhere`` is zero
    at all tokens, the other kinds are at the token that predicts the answer.
    """
    every = NeuronSet(pair for group in groups for pair in group)
    sets = {"alone": [every - group for group in groups], "all": [every]}
    edits: dict[str, list[list[Edit]]] = {}
    asked = list(facts)
    for relation in facts.relations:
        values = RelationValues(model, list(facts.filter(relation=relation)))
        for fact in facts.filter(relation=relation):
            kinds = {name: ablation.edit for name, ablation in values.of(fact)}
            for kind, edit in {**kinds, "everywhere": Edit}.items():
                for name, some in sets.items():
                    edits.setdefault(f"{kind}:{name}", []).append([edit(each) for each in some])
    order = [fact for relation in facts.relations for fact in facts.filter(relation=relation)]
    place = {fact.key: i for i, fact in enumerate(order)}
    back = [place[fact.key] for fact in asked]
    table = {"intact": recalled(model, asked, ends=False)}
    for name, rows in edits.items():
        columns = [
            recalled(model, order, ends=False, edits=[row[k] for row in rows])[back]
            for k in range(len(rows[0]))
        ]
        table[name] = columns[0] if name.endswith(":all") else np.stack(columns, axis=1)
    return table


def _fingerprint(
    model: NeuronModel,
    facts: Reworded,
    texts: Sequence[str],
    old: Sequence[Fact],
    settings: PlantingSettings,
) -> str:
    content = {
        "settings": asdict(settings),
        "facts": [fact.to_dict() for some in facts.wordings.values() for fact in some],
        "texts": list(texts),
        "old": [fact.to_dict() for fact in old],
        "model": [model.n_layers, model.n_neurons, model.d_model],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def planted_copy(
    model: NeuronModel,
    out: Path,
    old: Sequence[Fact] = (),
    settings: PlantingSettings | None = None,
    tell: Callable[[str], None] = logger.info,
) -> PlantedReport:
    """Plant the invented facts; the texts are kept in the folder, and ``old`` is shuffled."""
    file = out / "texts.json"
    if not file.exists():
        out.mkdir(parents=True, exist_ok=True)
        texts = [*sampled_texts(model), *prose()]
        order = np.random.default_rng(0).permutation(len(texts))
        with atomic_write(file) as text_file:
            text_file.write(json.dumps([texts[i] for i in order]).encode())
    return plant(
        model,
        out,
        facts=invented_facts(model),
        texts=json.loads(file.read_text(encoding="utf-8")),
        old=[old[i] for i in np.random.default_rng(0).permutation(len(old))],
        settings=settings,
        tell=tell,
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("source", help="the model: a folder or an installed package")
    parser.add_argument("out", type=Path, help="folder of the copy")
    parser.add_argument("--old", type=Path, help="facts that the model knows, as JSON lines")
    parser.add_argument("--steps", type=int, default=PlantingSettings.steps)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    model = nt.load_model(options.source, dtype="float32")
    old = [] if options.old is None else list(load_facts(options.old))
    report = planted_copy(model, options.out, old, PlantingSettings(steps=options.steps), print)
    print(json.dumps(report.record["after"], indent=1))


if __name__ == "__main__":
    main()
