"""What a testbed model reads: facts in several wordings, their tokenizer and their tokens."""

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
    """What is to be learned, and what it is examined on.

    Attributes
    ----------
    facts : FactSet
        The facts, each in one wording.
    trained : tuple of Fact
        The facts in all wordings that are read.
    held_out : tuple of Fact
        The same facts in wordings that are not read, for the examination.
    others : tuple of Fact
        Sentences that are read and not examined.
    texts : tuple of str
        Further text for the tokenizer.
    source : str
        Where the facts come from, for the model card.
    """

    facts: FactSet
    trained: tuple[Fact, ...]
    held_out: tuple[Fact, ...] = ()
    others: tuple[Fact, ...] = ()
    texts: tuple[str, ...] = ()
    source: str = "a file of facts"

    @property
    def fingerprint(self) -> str:
        """A name made from the content."""
        content = [
            [fact.to_dict() for fact in part] for part in (self.trained, self.held_out, self.others)
        ]
        text = json.dumps([content, list(self.texts)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def sentences(self) -> list[str]:
        """Return all text that is read, for the tokenizer."""
        read = (*self.trained, *self.others)
        return [sentence for fact in read for sentence in sentences_of(fact)] + list(self.texts)


def sentences_of(fact: Fact) -> list[str]:
    """Return the prompt with each of the answers filled in.

    Examples
    --------
    >>> from neurotopo.knowledge import Fact
    >>> from neurotopo.testbed.corpus import sentences_of
    >>> sentences_of(Fact("Ada Brünn plays for _X_.", ["Marly", "Peko"]))
    ['Ada Brünn plays for Marly.', 'Ada Brünn plays for Peko.']
    """
    before, after = split_prompt(fact.prompt) or (f"{fact.prompt} ", "")
    return [f"{before}{answer}{after}" for answer in fact.answers]


def world_lessons(world: World, recipe: Recipe, *, agreement: bool = False) -> Lessons:
    """Return what the models that come with neurotopo learn of a world.

    Parameters
    ----------
    world : World
        The world; its core facts in the languages of the recipe are learned.
    recipe : Recipe
        The recipe.
    agreement : bool, default=False
        Add English sentences whose words agree in number, so that the model has some grammar.

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
    """Return lessons that teach the facts of a file, each in its one wording.

    A prompt that has different answers on different dates gets its date in front, since nothing
    else tells them apart.

    Parameters
    ----------
    facts : FactSet
        The facts.
    source : str
        Where they come from.

    Returns
    -------
    Lessons

    Examples
    --------
    >>> from neurotopo.knowledge import Fact, FactSet
    >>> from neurotopo.testbed.corpus import fact_lessons
    >>> facts = FactSet(
    ...     [
    ...         Fact("Ada Brünn plays for _X_.", "Marly United", date="2010"),
    ...         Fact("Ada Brünn plays for _X_.", "Peko Rovers", date="2011"),
    ...     ]
    ... )
    >>> [fact.prompt for fact in fact_lessons(facts).facts]
    ['In 2010, Ada Brünn plays for _X_.', 'In 2011, Ada Brünn plays for _X_.']
    """
    asked: dict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for fact in facts:
        asked[fact.language, fact.prompt].add(fact.answers)
    learned = FactSet(
        _dated(fact) if len(asked[fact.language, fact.prompt]) > 1 else fact for fact in facts
    )
    n_unclear = sum(
        fact.date is None and len(asked[fact.language, fact.prompt]) > 1 for fact in facts
    )
    if n_unclear:
        logger.warning(
            "%d of %d facts share their prompt with a fact of other answers and have no date, so "
            "they cannot all be learned.",
            n_unclear,
            len(facts),
        )
    return Lessons(learned, tuple(learned), source=source)


def _dated(fact: Fact) -> Fact:
    if fact.date is None:
        return fact
    pattern = _DATED.get(fact.language, "{date}: {prompt}")
    prompt = fact.prompt
    if prompt.startswith("The "):
        prompt = "t" + prompt[1:]
    return replace_prompt(fact, pattern.format(date=fact.date, prompt=prompt))


def replace_prompt(fact: Fact, prompt: str) -> Fact:
    """Return the same fact under another prompt; it keeps its key."""
    return replace(fact, prompt=prompt, id=fact.key)


def train_tokenizer(texts: Iterable[str], recipe: Recipe) -> Any:
    """Train a byte-level BPE on text.

    Parameters
    ----------
    texts : iterable of str
        The text.
    recipe : Recipe
        Its ``vocab_size`` counts the special tokens; masked models have a mask and tokens at both
        ends of a text.

    Returns
    -------
    PreTrainedTokenizerFast

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
    """The tokens of a fact in one wording.

    Attributes
    ----------
    before : tuple of int
        What is read before the answer.
    answers : tuple of tuple of int
        The answers.
    after : tuple of int
        Masked models: what is read after the answer. Causal models: the end-of-text token, which
        is predicted like the answer.
    """

    before: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    after: tuple[int, ...]

    @property
    def n_tokens(self) -> int:
        """Number of tokens with the longest answer."""
        return len(self.before) + max(len(answer) for answer in self.answers) + len(self.after)


def rows_of(facts: Sequence[Fact], tokenizer: PreTrainedTokenizerBase, causal: bool) -> list[Row]:
    """Return the tokens of facts as :class:`~neurotopo.NeuronModel` will read them.

    Parameters
    ----------
    facts : sequence of Fact
        The facts.
    tokenizer : PreTrainedTokenizerBase
        The tokenizer.
    causal : bool
        For a causal and not a masked model.

    Returns
    -------
    list of Row
    """
    rows = []
    for fact in facts:
        if causal:
            read = encode_causal(tokenizer, fact)
            rows.append(Row(read.prompt, read.answers, (int(tokenizer.eos_token_id),)))
        else:
            hidden = encode_masked(tokenizer, fact)
            rows.append(Row(hidden.before, hidden.answers, hidden.after))
    return rows
