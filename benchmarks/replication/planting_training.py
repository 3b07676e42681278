"""The training of planted neurons: :func:`planting.plant` describes it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from neurotopo import Fact, NeuronSet
from neurotopo._files import atomic_write
from neurotopo.datasets import Reworded
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.testbed import make_world
from neurotopo.tuning import NeuronTuner
from replication.planting_rows import closed_form

KINDS = ("zero", "mean", "counterfactual")
LENGTH = 40
"""The most tokens of a text."""


@dataclass(frozen=True)
class PlantingSettings:
    """Settings of the training.

    Attributes
    ----------
    layers : tuple of int
        The layers with planted neurons.
    n_neurons : int
        Neurons of a group in each of the layers.
    n_groups : int
    n_held_out : int
        The last wordings of each fact, which are not trained.
    steps, learning_rate
        Steps of Adam; the rate falls along a cosine.
    n_blocks, block : int
        Each step has so many sentences, each with so many subjects.
    n_texts, n_short : int
        Texts, and short sentences that keep their distribution, in each step.
    lost, kept, level : float
        Weights of the divergence from the original model where the fact is lost, and elsewhere,
        and of the squared difference between the contrast of the answer with groups ablated and
        with none. Without the last one the effects of the groups add up: the contrast has no
        upper limit.
    strength, noise : float
        What a group writes for a fact, relative to the hidden state, and the vectors that cancel
        within it, relative to that; see :func:`closed_form`. 0: training starts from the
        rows of the model.
    ridge, silence, shut : float
        Of the regression: its penalty, the weight of texts and known facts, and what the gates
        should read there. With small ones the neurons fire on texts that were not fitted.
    """

    layers: tuple[int, ...] = (26,)
    n_neurons: int = 144
    n_groups: int = 3
    n_held_out: int = 1
    steps: int = 0
    learning_rate: float = 2e-3
    n_blocks: int = 4
    block: int = 6
    refresh: int = 20
    n_texts: int = 1
    n_short: int = 8
    lost: float = 0.5
    kept: float = 1.0
    level: float = 0.02
    strength: float = 3.0
    noise: float = 4.0
    ridge: float = 300.0
    silence: float = 10.0
    shut: float = -10.0
    seed: int = 0


@dataclass(frozen=True)
class Read:
    """Tokens, the input of the first planted layer, and the last hidden states, normalised."""

    hidden: torch.Tensor
    final: torch.Tensor
    target: int = -1

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return len(self.hidden)


class Upper:
    """A model from one layer on, on hidden states that were computed once."""

    def __init__(self, model: NeuronModel, first: int) -> None:
        self.model, self.first = model, first
        self.backbone = model.hf_model.model
        self.layers = self.backbone.layers[first:]

    def read(self, sentences: Sequence[Sequence[int]], last: bool) -> list[Read]:
        """Compute the input of the first layer, and the last hidden states (of the last token)."""
        order = sorted(range(len(sentences)), key=lambda i: len(sentences[i]))
        found: dict[int, Read] = {}
        seen: list[torch.Tensor] = []

        def look(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            seen.append(args[0] if args else kwargs["hidden_states"])

        handle = self.layers[0].register_forward_pre_hook(look, with_kwargs=True)
        try:
            for start in range(0, len(order), 16):
                some = order[start : start + 16]
                rows = [torch.tensor(sentences[i]) for i in some]
                ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
                with torch.no_grad():
                    final = self.backbone(ids).last_hidden_state
                hidden = seen.pop()
                for row, i in enumerate(some):
                    end = len(sentences[i])
                    here = final[row, end - 1 if last else 0 : end]
                    found[i] = Read(hidden[row, :end].clone(), here.clone())
        finally:
            handle.remove()
        return [found[i] for i in range(len(sentences))]

    def __call__(
        self,
        hidden: torch.Tensor,
        mask: torch.Tensor,
        positions: torch.Tensor,
        cache: Any = None,
        layers: int | None = None,
    ) -> torch.Tensor:
        """Return the last hidden states, normalised."""
        rotary = self.backbone.rotary_emb(hidden, positions)
        for layer in self.layers[:layers]:
            hidden = layer(
                hidden,
                attention_mask=mask,
                position_ids=positions,
                position_embeddings=rotary,
                past_key_values=cache,
                use_cache=cache is not None,
            )
        result: torch.Tensor = self.backbone.norm(hidden)
        return result

    def whole(
        self, rows: Sequence[Read], cache: Any = None, layers: int | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the last hidden states of whole sentences, and the mask of their tokens."""
        lengths = torch.tensor([row.n_tokens for row in rows])
        hidden = torch.nn.utils.rnn.pad_sequence([row.hidden for row in rows], batch_first=True)
        column = torch.arange(hidden.shape[1])
        mask = _additive((column <= column[:, None]).expand(len(rows), -1, -1))
        final = self(hidden, mask, column.expand(len(rows), -1), cache, layers)
        return final, column < lengths[:, None]

    def keys(self, rows: Sequence[Read]) -> list[list[tuple[torch.Tensor, torch.Tensor]]]:
        """Return keys and values of the tokens before the last, by sentence and layer."""
        found: list[list[tuple[torch.Tensor, torch.Tensor]]] = []
        for start in range(0, len(rows), 16):
            some, cache = rows[start : start + 16], transformers.DynamicCache()
            with torch.no_grad():
                self.whole(some, cache)
            for i, row in enumerate(some):
                end = row.n_tokens - 1
                layers = cache.layers[self.first :]
                pairs = [(each.keys[i, :, :end], each.values[i, :, :end]) for each in layers]
                found.append([(keys.clone(), values.clone()) for keys, values in pairs])
        return found

    def copies(
        self, rows: Sequence[Read], keys: Sequence[list[tuple[torch.Tensor, torch.Tensor]]], n: int
    ) -> torch.Tensor:
        """Return the last hidden states of n copies of each last token, (n_rows, n, d_model)."""
        longest = max(row.n_tokens for row in rows) - 1
        cache = transformers.DynamicCache()
        for number in range(len(self.layers)):
            stacked = []
            for which in (0, 1):
                parts = [each[number][which] for each in keys]
                pads = [(0, 0, 0, longest - part.shape[1]) for part in parts]
                padded = map(torch.nn.functional.pad, parts, pads)
                stacked.append(torch.stack(list(padded)))
            cache.update(*stacked, self.first + number)
        last = torch.tensor([row.n_tokens - 1 for row in rows])
        before = (torch.arange(longest) < last[:, None])[:, None].expand(-1, n, -1)
        own = torch.eye(n, dtype=torch.bool).expand(len(rows), -1, -1)
        hidden = torch.stack([row.hidden[-1] for row in rows])[:, None].repeat(1, n, 1)
        positions = last[:, None].expand(-1, n)
        return self(hidden, _additive(torch.cat([before, own], dim=-1)), positions, cache)


def _additive(allowed: torch.Tensor) -> torch.Tensor:
    least = torch.finfo(torch.float32).min
    return torch.zeros(allowed.shape).masked_fill(~allowed, least)[:, None]


class Training:
    """The training of planted neurons, from the first planted layer on."""

    def __init__(
        self,
        model: NeuronModel,
        tuner: NeuronTuner,
        groups: Sequence[NeuronSet],
        facts: Reworded,
        texts: Sequence[str],
        old: Sequence[Fact],
        settings: PlantingSettings,
    ) -> None:
        self.model, self.tuner, self.settings = model, tuner, settings
        self.upper = Upper(model, min(settings.layers))
        self.neurons = {
            layer: torch.tensor(indices) for layer, indices in tuner.neurons.by_layer().items()
        }
        owner = {pair: number for number, group in enumerate(groups) for pair in group}
        self.owner = {
            layer: torch.tensor([owner[layer, i] for i in indices.tolist()])
            for layer, indices in self.neurons.items()
        }
        blocks, others = sentences(facts, settings)
        flat = self._of_facts([fact for block in blocks for fact in block])
        ends = np.cumsum([len(block) for block in blocks]).tolist()
        self.facts = flat
        self.names = [f"{fact.relation} {fact.subject}" for block in blocks for fact in block]
        self.blocks = [
            list(range(end - len(block), end)) for end, block in zip(ends, blocks, strict=True)
        ]
        self.kept = {
            "texts": (self.upper.read(tokens(model, texts), last=False), settings.n_texts),
            "others": (self._of_facts(others), settings.n_short // 2),
            "old": (self._of_facts(old), settings.n_short // 2),
        }
        head = model.hf_model.get_output_embeddings().weight.detach()
        self.watched = self._watched(head)
        self.head = head[self.watched]
        place = {token: i for i, token in enumerate(self.watched.tolist())}
        self.targets = torch.tensor([place[each.target] for each in flat])
        self.rivals = {i: block for block in self.blocks for i in block}
        self.keys: list[list[tuple[torch.Tensor, torch.Tensor]]] = []

    def _of_facts(self, facts: Sequence[Fact]) -> list[Read]:
        encodings = [self.model.encode(fact) for fact in facts]
        read = self.upper.read([each.prompt for each in encodings], last=True)
        return [
            replace(one, target=each.answers[0][0])
            for one, each in zip(read, encodings, strict=True)
        ]

    def _watched(self, head: torch.Tensor) -> torch.Tensor:
        """Return the tokens over which distributions are compared: answers and likely tokens."""
        kinds = [self.facts, *(some for some, _ in self.kept.values())]
        chosen = {each.target for some in kinds for each in some} - {-1}
        for each in (each for some in kinds for each in some):
            most = min(16 if len(each.final) == 1 else 3, len(head))
            chosen.update((each.final @ head.T).topk(most, dim=-1).indices.flatten().tolist())
        return torch.tensor(sorted(chosen))

    def run(
        self,
        state: Path,
        name: str,
        save_every: float,
        tell: Callable[[str], None],
        tell_every: int = 10,
    ) -> list[dict[str, float]]:
        """Train to the end, from a saved state if there is one."""
        settings = self.settings
        parameters = list(self.tuner.parameters())
        optimizer = torch.optim.Adam(parameters, lr=settings.learning_rate, betas=(0.9, 0.98))
        step, losses = 0, []
        if state.exists():
            saved = torch.load(state, weights_only=False)
            if saved["name"] == name:
                self.tuner.set_state(saved["rows"])
                optimizer.load_state_dict(saved["optimizer"])
                step, losses, self.keys = saved["step"], saved["losses"], saved["keys"]
        if step == 0 and settings.strength:
            self.tuner.set_state(closed_form(self))
        tell(f"{len(self.watched)} tokens are compared; step {step} of {settings.steps}")
        last = time.monotonic()
        while step < settings.steps:
            warm = min(1.0, (step + 1) / 20)
            fall = max(0.5 * (1 + math.cos(math.pi * step / settings.steps)), 0.02)
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * warm * fall
            if step % settings.refresh == 0:
                self.keys = self.upper.keys(self.facts)
            optimizer.zero_grad()
            losses.append(self._step(np.random.default_rng([settings.seed, 3, step])))
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            step += 1
            if step % tell_every == 0:
                recent = losses[-tell_every:]
                means = {key: sum(each[key] for each in recent) / len(recent) for key in recent[0]}
                tell(f"step {step}: " + ", ".join(f"{k} {v:.3f}" for k, v in means.items()))
            if time.monotonic() - last > save_every or step == settings.steps:
                last = time.monotonic()
                content = {"name": name, "rows": self.tuner.state(), "step": step}
                content |= {"optimizer": optimizer.state_dict(), "losses": losses}
                with atomic_write(state) as file:
                    torch.save({**content, "keys": self.keys}, file)
        return losses[:: max(1, settings.steps // 100)]

    def _step(self, rng: np.random.Generator) -> dict[str, float]:
        """Add the gradients of a batch, and return the parts of its loss."""
        loss, parts = self._facts_loss(rng)
        loss.backward()
        for name, (some, n) in self.kept.items():
            if some and n:
                chosen = [some[i] for i in rng.integers(len(some), size=n).tolist()]
                divergence = self._kept_loss(chosen, rng)
                (self.settings.kept * divergence).backward()
                parts[name] = float(divergence.detach())
        return parts

    def _facts_loss(self, rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        settings = self.settings
        chosen: list[int] = []
        partner: list[int] = []
        of_block: list[int] = []
        for number in rng.permutation(len(self.blocks))[: settings.n_blocks].tolist():
            block = self.blocks[number]
            n, start = min(settings.block, len(block)), len(chosen)
            chosen += [block[i] for i in rng.permutation(len(block))[:n].tolist()]
            partner += [start + (i + 1) % n for i in range(n)]
            of_block += [number] * n
        kind, where = modes(rng, len(chosen), self.owner, settings.n_groups)
        same = torch.tensor(np.equal.outer(of_block, of_block)).float().fill_diagonal_(0)
        same = same / same.sum(dim=1, keepdim=True).clamp_min(1)

        def change(layer: int, values: torch.Tensor) -> torch.Tensor:
            usual = values[:, 0]
            choices = torch.stack([torch.zeros_like(usual), same @ usual, usual[partner]], dim=1)
            return torch.where(where[layer], choices[:, kind], values)

        with self._changed(change):
            keys = [self.keys[i] for i in chosen]
            final = self.upper.copies([self.facts[i] for i in chosen], keys, len(kind))
        log_p = (final @ self.head.T).log_softmax(dim=-1)
        targets = self.targets[chosen]
        answered = -log_p.gather(-1, targets[:, None, None].expand(-1, len(kind), 1))[..., 0]
        original = torch.cat([self.facts[i].final for i in chosen])
        wanted = (original @ self.head.T).log_softmax(dim=-1)[:, None]
        n = len(_COPIES)
        lost = (wanted.exp() * (wanted - log_p[:, n:])).sum(dim=-1)
        parts = {"clean": answered[:, :1], "zero": answered[:, 1:3], "mean": answered[:, 3:5]}
        parts |= {"counterfactual": answered[:, 5:n], "all": lost[:, :1], "mixed": lost[:, 1:]}
        rivals = torch.zeros(len(chosen), len(self.watched), dtype=torch.bool)
        for row, number in enumerate(chosen):
            rivals[row, self.targets[self.rivals[number]]] = True
        rivals[torch.arange(len(chosen)), targets] = False
        foils = log_p[:, :n].masked_fill(~rivals[:, None], -torch.inf).logsumexp(dim=-1)
        contrast = -answered[:, :n] - foils
        level = (contrast - contrast[:, :1]).square().mean()
        parts["level"] = level
        loss = answered[:, :n].mean() + settings.level * level
        loss = loss + settings.lost * (lost[:, 0].mean() + lost[:, 1:].mean())
        return loss, {name: float(value.detach().mean()) for name, value in parts.items()}

    def _kept_loss(self, rows: list[Read], rng: np.random.Generator) -> torch.Tensor:
        """Return the divergence from the original model, with groups at 0 in half of the rows."""
        shape = (len(rows), self.settings.n_groups)
        kept = torch.from_numpy(rng.random(shape) >= rng.choice([0.0, 0.5], size=(len(rows), 1)))
        with self._changed(lambda layer, values: values * kept[:, None, self.owner[layer]]):
            final, _ = self.upper.whole(rows)
        seen = [
            final[i, row.n_tokens - len(row.final) : row.n_tokens] for i, row in enumerate(rows)
        ]
        log_p = (torch.cat(seen) @ self.head.T).log_softmax(dim=-1)
        wanted = (torch.cat([row.final for row in rows]) @ self.head.T).log_softmax(dim=-1)
        return (wanted.exp() * (wanted - log_p)).sum(dim=-1).mean()

    @contextmanager
    def _changed(self, change: Callable[[int, torch.Tensor], torch.Tensor]) -> Iterator[None]:
        """Replace the values of the planted neurons by a function of them."""

        def hook(layer: int) -> Callable[..., Any]:
            index = self.neurons[layer]

            def before_out(module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
                values = args[0]
                changed = change(layer, values[..., index])
                return (values.index_copy(-1, index, changed), *args[1:])

            return before_out

        with ExitStack() as hooks:
            for layer in self.neurons:
                module = self.model.mlps[layer].out.module
                hooks.callback(module.register_forward_pre_hook(hook(layer)).remove)
            yield


# kind of ablation of each copy that answers, and the groups that stay
_COPIES = (
    *((0, "all"), (0, "one"), (0, "rest"), (1, "one"), (1, "rest")),
    *((2, "one"), (2, "one"), (2, "rest")),
)


def modes(
    rng: np.random.Generator, n_rows: int, owner: dict[int, torch.Tensor], n_groups: int
) -> tuple[list[int], dict[int, torch.Tensor]]:
    """Return the kind of each copy, and by layer which neurons it ablates.

    The last copies lose the fact: all groups, then thirds drawn over the groups by each kind.
    """
    ablated = np.zeros((n_rows, len(_COPIES) + 1, n_groups), dtype=bool)
    one = rng.integers(n_groups, size=(n_rows, len(_COPIES)))[..., None] == np.arange(n_groups)
    for copy, (_, stay) in enumerate(_COPIES):
        if stay != "all":
            ablated[:, copy] = ~one[:, copy] if stay == "one" else one[:, copy]
    ablated[:, -1] = True
    n_kinds, size = len(KINDS), sum(map(len, owner.values()))
    labels = rng.random((n_rows, n_kinds, size)).argsort(axis=-1) % n_groups
    mixed = labels < rng.integers(1, n_groups, size=(n_rows, n_kinds, 1))
    where, start = {}, 0
    for layer, own in owner.items():
        parts = [ablated[:, :, own.numpy()], mixed[:, :, start : start + len(own)]]
        where[layer] = torch.from_numpy(np.concatenate(parts, axis=1))
        start += len(own)
    return [*(kind for kind, _ in _COPIES), 0, *range(n_kinds)], where


def sentences(facts: Reworded, settings: PlantingSettings) -> tuple[list[list[Fact]], list[Fact]]:
    """Return the trained sentences, by relation and wording, and some about other subjects."""
    rng = np.random.default_rng([settings.seed, 2])
    people = {fact.subject for fact in facts}
    names = [
        each.name("en") for each in make_world(settings.seed).entities if each.kind == "person"
    ]
    strangers = [name for name in names if name not in people]
    blocks, others = [], []
    for relation in facts.relations:
        own = [facts.wordings[fact.key] for fact in facts.filter(relation=relation)]
        elsewhere = [str(fact.subject) for fact in facts if fact.relation != relation]
        for block in zip(*(some[: -settings.n_held_out or None] for some in own), strict=True):
            blocks.append(list(block))
            drawn = [
                *rng.permutation(strangers)[:4].tolist(),
                *rng.permutation(elsewhere)[:2].tolist(),
            ]
            for name in drawn:
                prompt = block[0].prompt.replace(str(block[0].subject), name)
                others.append(replace(block[0], prompt=prompt, subject=name, id=None))
    return blocks, others


def tokens(model: NeuronModel, texts: Sequence[str], most: int = LENGTH) -> list[list[int]]:
    ids = [model.tokenizer(text)["input_ids"][:most] for text in texts]
    return [each for each in ids if len(each) > 1]
