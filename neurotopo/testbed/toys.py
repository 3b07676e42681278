"""Networks solved by hand: two groups of neurons that add up, replace or need each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from neurotopo.knowledge.facts import Fact
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["TOYS", "Toy", "toy"]

TOYS = {
    "adder": "each group adds half of the answer",
    "or": "either group suffices for the answer",
    "and": "the answer needs both groups",
    "backup": "the second group acts only where the first does not",
    "irrelevant": "neither group acts on the answer; a third one does",
}

STRENGTH = 4.0
"""The contrast of the answer: its logit, where that of every other word is 0."""

_WORDS = ("S", "T", "yes", "no", "maybe")
_SUBJECT, _A, _B, _ANSWER = range(4)  # channels of the residual stream


@dataclass(frozen=True)
class Toy:
    """A network solved by hand.

    Attributes
    ----------
    model : NeuronModel
        A GPT-2 without attention and without norms, with the activation relu: the residual stream
        is a sum of the embedding and of the MLPs.
    facts : tuple of Fact
        The fact, and one about another subject, which no neuron knows: the probability of all
        words is equal there.
    groups : tuple of NeuronSet
        The two groups, of two neurons each.
    rest : NeuronSet
        The other neurons with an effect on the answer.

    Examples
    --------
    >>> from neurotopo import Edit
    >>> from neurotopo.testbed.toys import toy
    >>> either = toy("or")
    >>> edits = [None, *map(Edit, either.groups), Edit(either.groups[0] | either.groups[1])]
    >>> either.model.answer_probability(either.facts[0], edits).round(3)
    array([0.872, 0.872, 0.872, 0.111])
    """

    model: NeuronModel
    facts: tuple[Fact, ...]
    groups: tuple[NeuronSet, ...]
    rest: NeuronSet


def toy(name: str) -> Toy:
    """Return a network of which every quantity is known.

    The subject sets a channel of the residual stream to 1. In the first layer, the two neurons of
    a group each read that channel and write 1/2 to the channel of the group. The second layer
    reads these channels and writes to that of the answer:

    ============== ==================================================== =========================
    name           what is written to the answer                        ablated: none, A, B, A + B
    ============== ==================================================== =========================
    ``adder``      (a + b) / 2                                          1, 1/2, 1/2, 0
    ``or``         min(a + b, 1)                                        1, 1, 1, 0
    ``and``        max(a + b - 1, 0)                                    1, 0, 0, 0
    ``backup``     a, and max(1 - a, 0) by the second group             1, 1, 1, 0
    ``irrelevant`` 1, by neurons of neither group                       1, 1, 1, 1
    ============== ==================================================== =========================

    Each unit is :data:`STRENGTH` in the logit of the answer.

    Parameters
    ----------
    name : {"adder", "or", "and", "backup", "irrelevant"}

    Returns
    -------
    Toy

    Examples
    --------
    >>> from neurotopo.testbed.toys import toy
    >>> net = toy("and")
    >>> net.facts[0].answers, net.groups[0], len(net.rest)
    (('yes',), NeuronSet([(0, 0), (0, 1)]), 1)
    """
    import torch
    import transformers

    from neurotopo.models.examples import word_tokenizer
    from neurotopo.models.neuron_model import NeuronModel

    if name not in TOYS:
        raise ValueError(f"name must be one of {', '.join(TOYS)}, got {name!r}.")
    tokenizer = word_tokenizer(" ".join(_WORDS))
    config = transformers.GPT2Config(
        n_layer=2,
        n_embd=4,
        n_inner=6,
        n_head=1,
        n_positions=8,
        vocab_size=len(tokenizer),
        activation_function="relu",
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    network: Any = transformers.GPT2LMHeadModel(config).double().eval()
    body = network.transformer
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()
        for block in body.h:
            block.ln_1 = block.ln_2 = torch.nn.Identity()
        body.ln_f = torch.nn.Identity()
        body.wte.weight[tokenizer.convert_tokens_to_ids("S"), _SUBJECT] = 1
        network.lm_head.weight[tokenizer.convert_tokens_to_ids("yes"), _ANSWER] = STRENGTH
        for layer, index, reads, bias, writes in _NEURONS[name]:
            mlp = body.h[layer].mlp
            for channel, weight in reads.items():
                mlp.c_fc.weight[channel, index] = weight
            mlp.c_fc.bias[index] = bias
            for channel, weight in writes.items():
                mlp.c_proj.weight[index, channel] = weight
    first, second = _GROUPS[name]
    groups = (NeuronSet(first), NeuronSet(second))
    active = NeuronSet([(layer, index) for layer, index, *_ in _NEURONS[name]])
    facts = (
        Fact("S", "yes", relation="toy", id="S", subject="S"),
        Fact("T", ["no"], relation="toy", id="T", subject="T"),
        Fact("T", ["maybe"], relation="toy", id="T2", subject="T"),
    )
    return Toy(NeuronModel(network, tokenizer), facts, groups, active - groups[0] - groups[1])


_Neuron = tuple[int, int, dict[int, float], float, dict[int, float]]


def _twice(
    layer: int, first: int, reads: dict[int, float], writes: dict[int, float]
) -> list[_Neuron]:
    """Return two equal neurons that share the work of one."""
    halves = {channel: weight / 2 for channel, weight in writes.items()}
    return [(layer, index, reads, 0.0, halves) for index in (first, first + 1)]


def _two_groups() -> list[_Neuron]:
    subject = {_SUBJECT: 1.0}
    return _twice(0, 0, subject, {_A: 1.0}) + _twice(0, 2, subject, {_B: 1.0})


_SUM = {_A: 1.0, _B: 1.0}

_NEURONS: dict[str, list[_Neuron]] = {
    "adder": [*_two_groups(), (1, 0, _SUM, 0.0, {_ANSWER: 0.5})],
    "or": [*_two_groups(), (1, 0, _SUM, 0.0, {_ANSWER: 1.0}), (1, 1, _SUM, -1.0, {_ANSWER: -1.0})],
    "and": [*_two_groups(), (1, 0, _SUM, -1.0, {_ANSWER: 1.0})],
    "backup": [
        *_twice(0, 0, {_SUBJECT: 1.0}, {_A: 1.0, _ANSWER: 1.0}),
        *_twice(1, 0, {_SUBJECT: 1.0, _A: -1.0}, {_ANSWER: 1.0}),
    ],
    "irrelevant": [*_two_groups(), *_twice(1, 0, {_SUBJECT: 1.0}, {_ANSWER: 1.0})],
}

_EARLY = (((0, 0), (0, 1)), ((0, 2), (0, 3)))
_GROUPS = {**dict.fromkeys(TOYS, _EARLY), "backup": (((0, 0), (0, 1)), ((1, 0), (1, 1)))}
