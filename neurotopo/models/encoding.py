"""Token ids of a fact, made once by the tokenizer of the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from neurotopo.models.chat import Chat, chat_parts
from neurotopo.models.prompts import (
    FactLike,
    PromptParts,
    Template,
    causal_parts,
    describe_fact,
    masked_parts,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["CausalEncoding", "MaskedEncoding", "encode_causal", "encode_masked", "prefix_free"]

# Texts before an answer that is tokenized alone. One of them must neither merge with the answer
# nor be dropped by the tokenizer.
_ANCHORS = ("\n", ":", ".", "=", "a")


@dataclass(frozen=True)
class CausalEncoding:
    """Token ids of a fact for a causal model.

    Attributes
    ----------
    prompt : tuple of int
        The prompt, with the special tokens at its beginning.
    answers : tuple of tuple of int
        Each different answer, without special tokens.
    """

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]

    @property
    def n_prompt(self) -> int:
        """Number of tokens of the prompt."""
        return len(self.prompt)

    @property
    def n_tokens(self) -> int:
        """Number of tokens that the model reads to predict the first answer."""
        return len(self.prompt) + len(self.answers[0]) - 1


@dataclass(frozen=True)
class MaskedEncoding:
    """Token ids of a fact for a masked model: ``before``, one mask per answer token, ``after``.

    Attributes
    ----------
    before, after : tuple of int
        The text around the answer, with the special tokens at both ends.
    mask : int
        The mask token.
    answers : tuple of tuple of int
        Each different answer, without special tokens.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    mask: int
    answers: tuple[tuple[int, ...], ...]

    @property
    def n_prompt(self) -> int:
        """Number of tokens of the prompt with the masks of the first answer."""
        n_masks = len(self.answers[0]) if self.answers else 1
        return len(self.before) + n_masks + len(self.after)

    @property
    def n_tokens(self) -> int:
        """Number of tokens that the model reads to predict the first answer."""
        return self.n_prompt


def encode_causal(
    tokenizer: PreTrainedTokenizerBase,
    fact: FactLike,
    templates: Mapping[str, Template] | None = None,
    chat: Chat | None = None,
) -> CausalEncoding:
    """Return the token ids of a prompt that ends where the answer starts, and of the answers.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The tokenizer of the model.
    fact : FactLike
        The fact, worded by :func:`neurotopo.models.prompts.causal_parts`.
    templates : mapping, optional
        Rewordings of prompts by relation.
    chat : Chat, optional
        Wording of a conversation, in which the prompt is the user's turn and the answer begins the
        reply. The chat template writes all special tokens; the tokenizer adds none.

    Returns
    -------
    CausalEncoding

    Raises
    ------
    ValueError
        If the prompt cannot end where the answer starts, if an answer has no tokens, a special
        token, or text that the tokenizer does not know, or if the chat template fails.

    Notes
    -----
    The ids of an answer are those after the prompt in the tokens of prompt and answer together.
    If these do not begin with the tokens of the prompt, because a token would cross the boundary,
    the answer is tokenized after a line break (or a punctuation mark, if the tokenizer drops line
    breaks): its first token then has the same space, and no token of the prompt changes.

    Examples
    --------
    >>> from transformers import GPT2Tokenizer
    >>> from neurotopo.knowledge import Fact
    >>> from neurotopo.models.encoding import encode_causal
    >>> pieces = ["<|endoftext|>", *"ZisMrĠ", "is", "Ġis", "ĠM"]
    >>> merges = [("i", "s"), ("Ġ", "is"), ("Ġ", "M")]
    >>> tokenizer = GPT2Tokenizer({piece: i for i, piece in enumerate(pieces)}, merges)
    >>> encode_causal(tokenizer, Fact("Z is _X_.", ["Mr", "Mrs"]))
    CausalEncoding(prompt=(1, 8), answers=((9, 5), (9, 5, 3)))
    """
    parts = causal_parts(fact, templates)
    if chat is not None:
        parts = chat_parts(tokenizer, fact, parts.before, chat)
    (special,) = _token_ids(tokenizer, [parts.before], special=chat is None)
    plain, answers = _plain_and_answers(tokenizer, fact, parts)
    prompt = _without_end(special, plain)
    if not prompt:
        raise ValueError(f"{describe_fact(fact)}: the tokenizer makes no token of the prompt.")
    return CausalEncoding(prompt, answers)


def encode_masked(
    tokenizer: PreTrainedTokenizerBase,
    fact: FactLike,
    templates: Mapping[str, Template] | None = None,
) -> MaskedEncoding:
    """Return the token ids around the masks of a masked model, and of the answers.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        The tokenizer of the model.
    fact : FactLike
        The fact, worded by :func:`neurotopo.models.prompts.masked_parts`.
    templates : mapping, optional
        Not used, as a masked model needs no rewording; for the same call as
        :func:`encode_causal`.

    Returns
    -------
    MaskedEncoding

    Raises
    ------
    ValueError
        If the tokenizer has no mask, or if an answer has no tokens, a special token, or text that
        the tokenizer does not know.

    Notes
    -----
    The text is tokenized with one mask in it, without the space before the mask: the first token
    of the answer contains it (or, in WordPiece, no token does). For the ids of the answers see
    :func:`encode_causal`.

    Examples
    --------
    >>> from transformers import BertTokenizer
    >>> from neurotopo.knowledge import Fact
    >>> from neurotopo.models.encoding import encode_masked
    >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "z", "is", "mar", "##ly", "."]
    >>> ids = {word: i for i, word in enumerate(words)}
    >>> tokenizer = BertTokenizer(ids, do_lower_case=True)
    >>> encode_masked(tokenizer, Fact("Z is _X_.", "Marly"))
    MaskedEncoding(before=(2, 5, 6), after=(9, 3), mask=4, answers=((7, 8),))
    """
    mask: int | None = tokenizer.mask_token_id
    if mask is None:
        name = type(tokenizer).__name__
        raise ValueError(f"{name} has no mask token: it is no tokenizer of a masked model.")
    parts = masked_parts(fact)
    sentence = f"{parts.before}{tokenizer.mask_token}{parts.after}"
    (ids,) = _token_ids(tokenizer, [sentence], special=True)
    if ids.count(mask) != 1:
        n_masks = ids.count(mask)
        raise ValueError(f"{describe_fact(fact)}: {sentence!r} has {n_masks} masks, not one.")
    place = ids.index(mask)
    _, answers = _plain_and_answers(tokenizer, fact, parts)
    return MaskedEncoding(ids[:place], ids[place + 1 :], mask, answers)


def prefix_free(answers: Iterable[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Drop every answer that begins with another answer.

    In a causal model "New York City" is part of the event "New York"; the events of the remaining
    answers are disjoint, so their probabilities may be added.

    Examples
    --------
    >>> from neurotopo.models.encoding import prefix_free
    >>> prefix_free([(5, 6, 7), (5, 6), (6,), (5, 8), (6,)])
    ((5, 6), (6,), (5, 8))
    """
    distinct = dict.fromkeys(tuple(answer) for answer in answers)
    return tuple(
        answer
        for answer in distinct
        if not any(answer[:length] in distinct for length in range(len(answer)))
    )


def _token_ids(
    tokenizer: PreTrainedTokenizerBase, texts: list[str], *, special: bool
) -> list[tuple[int, ...]]:
    rows: Any = tokenizer(texts, add_special_tokens=special, verbose=False)["input_ids"]
    return [tuple(row) for row in rows]


def _begins(whole: tuple[int, ...], start: tuple[int, ...]) -> bool:
    return len(whole) > len(start) and whole[: len(start)] == start


def _without_end(special: tuple[int, ...], plain: tuple[int, ...]) -> tuple[int, ...]:
    """Remove the tokens that the tokenizer appends, keep those that it prepends."""
    for start in range(len(special) - len(plain), -1, -1):
        if special[start : start + len(plain)] == plain:
            return special[: start + len(plain)] if plain else ()
    return special


def _plain_and_answers(
    tokenizer: PreTrainedTokenizerBase, fact: FactLike, parts: PromptParts
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Tokenize the text before the answers, and the answers after it."""
    after = [parts.space(answer) + answer for answer in fact.answers]
    texts = [parts.before, *(parts.before + text for text in after)]
    plain, *together = _token_ids(tokenizer, texts, special=False)
    answers = []
    for answer, text, ids in zip(fact.answers, after, together, strict=True):
        own = ids[len(plain) :] if _begins(ids, plain) else _alone(tokenizer, text)
        _check_answer(tokenizer, fact, answer, own)
        answers.append(own)
    return plain, tuple(dict.fromkeys(answers))


def _alone(tokenizer: PreTrainedTokenizerBase, text: str) -> tuple[int, ...]:
    """Tokenize an answer, with its space if it has one, as within a text.

    Some tokenizers add a space at the beginning of a text.
    """
    rows = _token_ids(
        tokenizer, [text, *_ANCHORS, *(anchor + text for anchor in _ANCHORS)], special=False
    )
    alone, anchors, anchored = rows[0], rows[1 : len(_ANCHORS) + 1], rows[len(_ANCHORS) + 1 :]
    for anchor, ids in zip(anchors, anchored, strict=True):
        if anchor and _begins(ids, anchor):
            return ids[len(anchor) :]
    return alone


def _check_answer(
    tokenizer: PreTrainedTokenizerBase, fact: FactLike, answer: str, ids: tuple[int, ...]
) -> None:
    where = f"{describe_fact(fact)}: the answer {answer!r}"
    if not ids:
        raise ValueError(f"{where} has no tokens.")
    if tokenizer.unk_token_id in ids:
        raise ValueError(
            f"{where} holds something that the tokenizer does not know ({tokenizer.unk_token}), so "
            "it has no probability."
        )
    special = _special_ids(tokenizer).intersection(ids)
    if special:
        names = tokenizer.convert_ids_to_tokens(sorted(special))
        raise ValueError(f"{where} holds the special token {names[0]!r}.")


_ADDED: WeakKeyDictionary[Any, tuple[int, frozenset[int]]] = WeakKeyDictionary()
"""The number of tokens of a tokenizer, and its added tokens that are special."""


def _special_ids(tokenizer: PreTrainedTokenizerBase) -> set[int]:
    n_tokens = len(tokenizer)
    cached = _ADDED.get(tokenizer)
    if cached is None or cached[0] != n_tokens:
        # a tokenizer with thousands of added tokens takes milliseconds to list them
        added: Mapping[int, Any] = tokenizer.added_tokens_decoder
        cached = n_tokens, frozenset(i for i, token in added.items() if token.special)
        _ADDED[tokenizer] = cached
    return {*tokenizer.all_special_ids, *cached[1]}
