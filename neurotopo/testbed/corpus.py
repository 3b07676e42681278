"""Training texts of testbed models: facts in several wordings, tokenizer and tokens."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from neurotopo.knowledge.facts import Fact, FactSet
from neurotopo.models.encoding import encode_causal, encode_masked
from neurotopo.models.prompts import split_prompt
from neurotopo.testbed.recipe import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from neurotopo.testbed.world import World

__all__ = ["Lessons", "Row", "fact_lessons", "rows_of", "train_tokenizer", "world_lessons"]

logger = logging.getLogger(__name__)

END, PAD, MASK, FIRST, LAST = "<|endoftext|>", "<|pad|>", "[MASK]", "[CLS]", "[SEP]"
AGREEMENT_PAIRS, AGREEMENT_SEED = 300, 0
_DATED = {"en": "In {date}, {prompt}", "fr": "En {date}, {prompt}"}


@dataclass(frozen=True)
class Lessons:
    """Facts for training and evaluation.

    Attributes
    ----------
    facts : FactSet
        The facts, each in one wording.
    trained : tuple of Fact
        The facts in all wordings of the training.
    held_out : tuple of Fact
        The same facts in other wordings, for the evaluation.
    others : tuple of Fact
        Sentences of the training that are not evaluated.
    texts : tuple of str
        Further text for the tokenizer.
    source : str
        Source of the facts, for the model card.
    """

    facts: FactSet
    trained: tuple[Fact, ...]
    held_out: tuple[Fact, ...] = ()
    others: tuple[Fact, ...] = ()
    texts: tuple[str, ...] = ()
    source: str = "a file of facts"

    @property
    def fingerprint(self) -> str:
        """Hash of the content."""
        parts = (self.trained, self.held_out, self.others)
        content = [[fact.to_dict() for fact in part] for part in parts]
        text = json.dumps([content, list(self.texts)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def sentences(self) -> list[str]:
        """Return all text of the training, for the tokenizer."""
        read = (*self.trained, *self.others)
        return [sentence for fact in read for sentence in sentences_of(fact)] + list(self.texts)


def sentences_of(fact: Fact) -> list[str]:
    """Return the prompt with each of the answers filled in."""
    before, after = split_prompt(fact.prompt) or (f"{fact.prompt} ", "")
    return [f"{before}{answer}{after}" for answer in fact.answers]


def world_lessons(world: World, recipe: Recipe, *, agreement: bool = False) -> Lessons:
    """Return the lessons of the built-in models: core facts of a world.

    Parameters
    ----------
    world : World
    recipe : Recipe
        Its languages are learned.
    agreement : bool, default=False
        Add English sentences whose words agree in number, so that the model learns some grammar.

    Returns
    -------
    Lessons
    """
    from neurotopo.testbed.world import core_id

    facts: list[Fact] = []
    trained: list[Fact] = []
    held_out: list[Fact] = []
    texts: list[str] = []
    for language in recipe.languages:
        core = world.core_facts(language)
        facts.extend(core)
        wanted = {core_id(fact) for fact in core}
        for relation in core.relations:
            for wordings, into in (
                (world.trained_wordings(relation, language), trained),
                (world.held_out_wordings(relation, language), held_out),
            ):
                for wording in wordings:
                    worded = world.facts(language=language, relation=relation, wording=wording)
                    into.extend(fact for fact in worded if core_id(fact) in wanted)
        for fact in world.facts(language=language):
            texts.extend(sentences_of(fact))
    return Lessons(
        FactSet(facts),
        tuple(trained),
        tuple(held_out),
        others=tuple(_agreement(world)) if agreement and "en" in recipe.languages else (),
        texts=tuple(texts),
        source="FactWorld",
    )


def _agreement(world: World) -> Iterator[Fact]:
    """Yield English sentences whose last word agrees in number with a word before it."""
    for i, pair in enumerate(world.agreement_pairs(AGREEMENT_PAIRS, seed=AGREEMENT_SEED)):
        yield Fact(f"{pair.prefix} _X_", pair.good, relation="agreement", id=f"agreement:{i}")


def fact_lessons(facts: FactSet, source: str = "a file of facts") -> Lessons:
    """Return lessons from facts of a file, each in its only wording.

    If the answers of a prompt depend on the date, the prompt begins with the date.

    Parameters
    ----------
    facts : FactSet
    source : str
        Source of the facts.

    Returns
    -------
    Lessons

    Examples
    --------
    >>> from neurotopo.knowledge import Fact, FactSet
    >>> from neurotopo.testbed.corpus import fact_lessons
    >>> clubs = {"2010": "Marly United", "2011": "Peko Rovers"}
    >>> facts = FactSet(Fact("Ada plays for _X_.", club, date=date) for date, club in clubs.items())
    >>> [fact.prompt for fact in fact_lessons(facts).facts]
    ['In 2010, Ada plays for _X_.', 'In 2011, Ada plays for _X_.']
    """
    asked: dict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for fact in facts:
        asked[fact.language, fact.prompt].add(fact.answers)
    ambiguous = [len(asked[fact.language, fact.prompt]) > 1 for fact in facts]
    pairs = list(zip(facts, ambiguous, strict=True))
    learned = FactSet(_dated(fact) if several else fact for fact, several in pairs)
    n_unclear = sum(fact.date is None and several for fact, several in pairs)
    if n_unclear:
        logger.warning(
            "%d of %d facts share their prompt with a fact of other answers and have no date; the "
            "model cannot learn all of them.",
            n_unclear,
            len(facts),
        )
    return Lessons(learned, tuple(learned), source=source)


def _dated(fact: Fact) -> Fact:
    """Return a fact whose prompt begins with its date; the key stays."""
    if fact.date is None:
        return fact
    pattern = _DATED.get(fact.language, "{date}: {prompt}")
    prompt = fact.prompt
    if prompt.startswith("The "):
        prompt = "t" + prompt[1:]
    return replace(fact, prompt=pattern.format(date=fact.date, prompt=prompt), id=fact.key)


def train_tokenizer(texts: Iterable[str], recipe: Recipe) -> Any:
    """Return a byte-level BPE trained on texts, of the ``vocab_size`` of a recipe.

    Examples
    --------
    >>> from neurotopo.testbed.corpus import train_tokenizer
    >>> from neurotopo.testbed.recipe import RECIPES
    >>> tokenizer = train_tokenizer(["Ada plays for Marly"] * 9, RECIPES["gpt2"])
    >>> tokenizer.decode(tokenizer("Märly plays")["input_ids"])
    'Märly plays'
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = {"pad_token": PAD, "eos_token": END, "bos_token": END, "unk_token": END}
    if not recipe.is_causal:
        special = {"pad_token": PAD, "cls_token": FIRST, "sep_token": LAST, "mask_token": MASK}
    names = list(dict.fromkeys(special.values()))
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocab_size,
        special_tokens=names,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    inner.train_from_iterator(texts, trainer)
    if not recipe.is_causal:
        ends = [(name, inner.token_to_id(name)) for name in (FIRST, LAST)]
        inner.post_processor = processors.TemplateProcessing(
            single=f"{FIRST} $A {LAST}", special_tokens=ends
        )
    return PreTrainedTokenizerFast(tokenizer_object=inner, **special)


@dataclass(frozen=True)
class Row:
    """The tokens of a fact in one wording: before the answer, of each answer, and after it.

    For causal models the end-of-text token, which is predicted too, comes after the answer.
    """

    before: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    after: tuple[int, ...]

    @property
    def n_tokens(self) -> int:
        """Number of tokens with the longest answer."""
        return len(self.before) + max(len(answer) for answer in self.answers) + len(self.after)


def rows_of(facts: Sequence[Fact], tokenizer: PreTrainedTokenizerBase, causal: bool) -> list[Row]:
    """Return the tokens of facts as :class:`~neurotopo.NeuronModel` encodes them."""
    rows = []
    for fact in facts:
        if causal:
            read = encode_causal(tokenizer, fact)
            rows.append(Row(read.prompt, read.answers, (int(tokenizer.eos_token_id),)))
        else:
            hidden = encode_masked(tokenizer, fact)
            rows.append(Row(hidden.before, hidden.answers, hidden.after))
    return rows
