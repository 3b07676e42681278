"""NeuronModel: a Hugging Face language model seen as layers of MLP neurons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.models.answers import AnswerRows, answer_rows, answer_table, reduce_answers
from neurotopo.models.capture import captured_values
from neurotopo.models.chat import Chat, chat_settings
from neurotopo.models.derived import derive_family
from neurotopo.models.edit_places import check_places
from neurotopo.models.edits import Edit, EditRow, Rows, as_rows, rows_of_facts
from neurotopo.models.encoding import CausalEncoding, MaskedEncoding, encode_causal, encode_masked
from neurotopo.models.evaluation import upcast_half
from neurotopo.models.families import Family, UnsupportedModelError, kind_of, row_of
from neurotopo.models.opaque import check_in_memory, unwrapped
from neurotopo.models.passes import PassSettings, log_probabilities
from neurotopo.models.projections import MLP, Projection, find_mlps
from neurotopo.models.prompts import FactLike
from neurotopo.models.row_edits import RowEdits
from neurotopo.models.row_source import RowSource
from neurotopo.models.standing_edits import StandingEdits

if TYPE_CHECKING:
    from neurotopo.neurons import NeuronSet

__all__ = ["NeuronModel"]

Encoding: TypeAlias = CausalEncoding | MaskedEncoding


class NeuronModel(RowSource):
    """A causal or masked language model, layer by layer, neuron by neuron.

    A neuron is one entry of the input of an MLP's out-projection: ``act(up(x))``, or
    ``act(gate(x)) * up(x)`` in a gated MLP. It is named (layer, index).

    Parameters
    ----------
    hf_model : transformers.PreTrainedModel
        A model with its language-model head. Weights, device and precision do not change; every
        edit is temporary. Quantised models and models with an adapter (also a ``PeftModel``)
        serve for all that needs no rows of the changed matrices.
    tokenizer : transformers.PreTrainedTokenizerBase
        The tokenizer of the model.
    family : Family or None, default=None
        Location of the neurons. None: by ``hf_model.config.model_type``; for a model type without
        a row it is derived from the modules, checked by a few forward passes, and logged.
    templates : mapping or None, default=None
        Rewordings of prompts by relation that put the answer last; see
        :mod:`neurotopo.models.prompts`.
    batch_size : int or None, default=None
        Largest number of sequences in one forward pass. None: as memory allows. Results do not
        depend on it.
    prompting : {"completion", "chat"} or Chat, default="completion"
        How facts are asked. ``"completion"``: the model continues the prompt. ``"chat"``: the
        prompt is the user's turn in the chat template of the tokenizer, and the answer begins the
        reply; a :class:`~neurotopo.models.chat.Chat` chooses the wording.

    Attributes
    ----------
    chat : Chat or None
        Wording of conversations; None for plain completion.
    planted_groups : list of NeuronSet or None
        Groups of neurons that training planted in the model, if known.
    source : dict
        What :func:`~neurotopo.load_model` knows of the source: hashes of a converted file and of
        an adapter, the revision.

    See Also
    --------
    neurotopo.load_model : Load one by name or from a folder.

    Examples
    --------
    >>> from transformers import GPT2Config, GPT2LMHeadModel
    >>> from neurotopo import Edit, Fact, NeuronModel
    >>> from neurotopo.models.examples import word_tokenizer
    >>> tokenizer = word_tokenizer("The capital of France is Paris Rome")
    >>> config = GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=len(tokenizer))
    >>> model = NeuronModel(GPT2LMHeadModel(config), tokenizer)
    >>> model
    NeuronModel(GPT2LMHeadModel, n_layers=2, n_neurons=64, causal, device=cpu)
    >>> fact = Fact("The capital of France is _X_", "Paris")
    >>> edits = [Edit([(0, 3)]), Edit([(1, 5), (1, 7)])]
    >>> model.activations(fact).shape, model.answer_probability(fact, edits=edits).shape
    ((2, 64), (2,))
    """

    def __init__(
        self,
        hf_model: Any,
        tokenizer: Any,
        *,
        family: Family | None = None,
        templates: Mapping[str, Any] | None = None,
        batch_size: int | None = None,
        prompting: str | Chat = "completion",
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size must be at least 1 or None, got {batch_size}.")
        hf_model = unwrapped(hf_model)
        self.family = _family(hf_model) if family is None else family
        self.hf_model = hf_model
        self.tokenizer = tokenizer
        self.templates = templates
        self.batch_size = batch_size
        self.chat = chat_settings(prompting, tokenizer, self.is_causal)
        self.planted_groups: list[NeuronSet] | None = None
        self.source: dict[str, str] = {}
        _check_head(hf_model, self.family.kind, self.family.name)
        self.mlps: tuple[MLP, ...] = find_mlps(hf_model, self.family)
        self._standing = StandingEdits(self.mlps)
        self._settings: PassSettings | None = None

    def __repr__(self) -> str:
        return (
            f"NeuronModel({type(self.hf_model).__name__}, n_layers={self.n_layers}, "
            f"n_neurons={self.n_neurons}, {self.family.kind}, device={self.device})"
        )

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.mlps)

    @property
    def n_neurons(self) -> int:
        """Number of neurons in each layer."""
        return self.mlps[0].up.n_neurons

    @property
    def d_model(self) -> int:
        """Width of the residual stream: the length of a neuron's rows."""
        return self.mlps[0].up.width

    @property
    def is_causal(self) -> bool:
        """Whether the model predicts the next token, not masked tokens."""
        return self.family.kind == "causal"

    @property
    def device(self) -> torch.device:
        """Device of the input."""
        device: torch.device = self.hf_model.get_input_embeddings().weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        return self.mlps[0].up.weight.dtype

    # Rows

    def _rows(self, name: str, layer: int, indices: NDArray[np.int64] | None) -> torch.Tensor:
        projection: Projection = getattr(self.mlps[layer], name)
        return upcast_half(projection.rows(None if indices is None else torch.tensor(indices)))

    def _has_norm(self, layer: int) -> bool:
        return self.mlps[layer].norm is not None

    def _norm_gain(self, layer: int) -> torch.Tensor:
        weight: torch.Tensor | None = getattr(self.mlps[layer].norm, "weight", None)
        if weight is None:
            return torch.ones(self.d_model)
        return upcast_half(weight.detach()) + self.family.norm_offset

    # Facts

    def encode(self, fact: FactLike) -> Encoding:
        """Return the token ids of a fact's prompt and answers for this model.

        Parameters
        ----------
        fact : Fact

        Returns
        -------
        Encoding
        """
        if self.is_causal:
            return encode_causal(self.tokenizer, fact, self.templates, self.chat)
        return encode_masked(self.tokenizer, fact, self.templates)

    def check_length(self, fact: FactLike, n_tokens: int) -> None:
        """Raise an error if a sentence has more tokens than the model has positions.

        Parameters
        ----------
        fact : Fact
            The fact, for the message.
        n_tokens : int
            The number of tokens of its prompt and answer.
        """
        limit = _max_tokens(self.hf_model.config)
        if limit is not None and n_tokens > limit:
            prompt = fact.prompt if len(fact.prompt) <= 80 else f"{fact.prompt[:77]}..."
            raise ValueError(
                f"the prompt {prompt!r} and its answer take {n_tokens} tokens; the limit of "
                f"{type(self.hf_model).__name__} is {limit}. Shorten the prompt."
            )

    def activations(
        self,
        fact: FactLike | str,
        positions: Literal["last", "answer", "all"] | int | Sequence[int] = "last",
    ) -> NDArray[Any]:
        """Return the values of all neurons.

        Parameters
        ----------
        fact : Fact or str
            A fact, or a prompt alone.
        positions : {"last", "answer", "all"}, int or sequence of int, default="last"
            ``"last"``: where the answer's first token is predicted, the last token of the prompt
            or the first mask. ``"answer"``: where each token of the first answer is predicted,
            given the tokens before it. ``"all"``: every token of the prompt. Integers: these
            tokens of the prompt, counted from 0 with its special tokens, or from its end if
            negative.

        Returns
        -------
        ndarray of float32, shape (n_layers, n_neurons)
            Float64 for a model in double precision. Except for ``"last"`` the shape is
            (n_layers, n_positions, n_neurons).
        """
        if isinstance(fact, str):
            fact = _Prompt(fact)
        encoding = self.encode(fact)
        n_tokens = encoding.n_tokens if positions == "answer" and fact.answers else None
        self.check_length(fact, n_tokens or encoding.n_prompt)
        return captured_values(self.pass_settings(), encoding, positions)

    def answer_probability(
        self,
        fact: FactLike,
        edits: Edit | Rows | None = None,
        *,
        reduce: Literal["best", "sum"] = "best",
        log: bool = False,
    ) -> Any:
        """Return the probability of a fact's answer.

        Causal models: the product of the probabilities of the tokens, each given the prompt and
        the tokens before it. Masked models: the answer starts as masks, filled from the left; each
        token is predicted while it and those after it are masked.

        Parameters
        ----------
        fact : Fact
        edits : Edit, sequence or None, default=None
            None: no edit. A sequence: one probability per entry, all in one batch; an entry is an
            :class:`~neurotopo.Edit`, a sequence of Edits that act together, or None.
        reduce : {"best", "sum"}, default="best"
            The probability of the most probable of several answers, or the sum. The sum omits an
            answer whose tokens begin with those of another, as that event contains it.
        log : bool, default=False
            Return natural logarithms.

        Returns
        -------
        float or ndarray of float64, shape (n_edits,)
            An array if ``edits`` is a sequence.
        """
        rows, single = self._edit_rows(edits)
        asked, values = self._asked(fact, rows)
        result = reduce_answers(asked, values, reduce, n_rows=len(rows))
        result = result if log else np.exp(result)
        return float(result[0]) if single else result

    def answers_log_probability(
        self, fact: FactLike, edits: Edit | Rows | None = None
    ) -> NDArray[np.float64]:
        """Return the log-probability of each of a fact's answers.

        Answers of one token share their forward passes.

        Parameters
        ----------
        fact : Fact
        edits : Edit, sequence or None, default=None
            As in :meth:`answer_probability`.

        Returns
        -------
        ndarray of float64, shape (n_answers,) or (n_edits, n_answers)
            In the order of ``encode(fact).answers``, which merges answers of equal tokens. A row
            per entry if ``edits`` is a sequence.
        """
        rows, single = self._edit_rows(edits)
        asked, values = self._asked(fact, rows)
        table = answer_table(asked, values, len(rows))
        return table[0] if single else table

    def answer_probabilities(
        self,
        facts: Sequence[FactLike],
        edits: Rows | None = None,
        *,
        reduce: Literal["best", "sum"] = "best",
        log: bool = False,
    ) -> NDArray[np.float64]:
        """Return the answer probability of many facts, in batches.

        Parameters
        ----------
        facts : sequence of Fact
            Prompts of any length.
        edits : sequence or None, default=None
            One entry per fact: an Edit, a sequence of Edits that act together, or None.
        reduce, log
            As in :meth:`answer_probability`.

        Returns
        -------
        ndarray of float64, shape (n_facts,)
            The numbers of :meth:`answer_probability`, up to rounding.
        """
        facts = list(facts)
        edits = [None] * len(facts) if edits is None else edits
        rows = rows_of_facts(edits, len(facts), self.n_layers, self.n_neurons)
        encodings = [self.encode(fact) for fact in facts]
        for row, fact, encoding in zip(rows, facts, encodings, strict=True):
            check_places(row, fact, lambda _, found=encoding: found)  # type: ignore[misc]
        asked = self._answer_rows(encodings, [range(i, i + 1) for i in range(len(facts))], facts)
        values = log_probabilities(self.pass_settings(), asked.queries, _plan(rows))
        result = reduce_answers(asked, values, reduce, n_rows=len(rows))
        return result if log else np.exp(result)

    # Edits

    @contextmanager
    def edited(self, *edits: Edit) -> Iterator[NeuronModel]:
        """Apply edits within a block of code, to this model's methods and to ``hf_model``.

        Nested blocks compose their edits. The end of a block restores the weights bit for bit,
        also after an exception.

        Parameters
        ----------
        *edits : Edit
            The edits; not ``positions="last"``, which needs a fact.

        Yields
        ------
        NeuronModel
            The model itself.

        Examples
        --------
        >>> from neurotopo import Edit
        >>> from neurotopo.models.examples import random_model
        >>> model = random_model("gpt2")
        >>> with model.edited(Edit([(0, 1)], scale=2.0, where="weights")):
        ...     text = model.hf_model.generate(max_new_tokens=3, do_sample=False)
        """
        as_rows([edits], self.n_layers, self.n_neurons)
        with self._standing.holding(edits):
            yield self

    def _edit_rows(self, edits: Edit | Rows | None) -> tuple[list[EditRow], bool]:
        single = edits is None or isinstance(edits, Edit)
        rows: Rows = [edits] if single else edits  # type: ignore[assignment, list-item]
        return as_rows(rows, self.n_layers, self.n_neurons), single

    def _asked(
        self, fact: FactLike, rows: Sequence[EditRow]
    ) -> tuple[AnswerRows, NDArray[np.float64]]:
        """Return the queries of all answers under each row of edits, and their values."""
        encoding = self.encode(fact)
        for row in rows:
            check_places(row, fact, lambda _: encoding)
        asked = self._answer_rows([encoding], [range(len(rows))], [fact])
        queries, prefix = asked.queries, None
        if asked.prefix is not None and all(e.keeps_prefix for row in rows for e in row):
            queries, prefix = asked.after_prefix(), asked.prefix
        return asked, log_probabilities(self.pass_settings(), queries, _plan(rows), prefix)

    def _answer_rows(
        self, encodings: Sequence[Encoding], rows: Sequence[range], facts: Sequence[FactLike]
    ) -> AnswerRows:
        asked = answer_rows(encodings, rows)
        for query, owner in zip(asked.queries, asked.fact, strict=True):
            self.check_length(facts[owner], len(query.ids))
        return asked

    def pass_settings(self) -> PassSettings:
        """Return the settings for functions that run the model.

        Returns
        -------
        PassSettings

        Raises
        ------
        UnsupportedModelError
            If the weights are not in memory.
        """
        check_in_memory(self.hf_model)
        pad = getattr(self.tokenizer, "pad_token_id", None)
        if pad is None:
            pad = getattr(self.tokenizer, "eos_token_id", None) or 0
        joins = not self.family.has_fixed_batch(self.hf_model.config)
        settings = PassSettings(
            self.hf_model, self.mlps, self.is_causal, pad, self.batch_size, joins
        )
        if settings != self._settings:  # equal settings keep their cached properties
            self._settings = settings
        return self._settings


@dataclass(frozen=True)
class _Prompt:
    """A prompt without answers, encoded as a fact."""

    prompt: str
    answers: Sequence[str] = ()
    relation: str | None = None
    id: str | None = None
    subject: str | None = None
    language: str = "en"


def _plan(rows: Sequence[EditRow]) -> RowEdits | None:
    return RowEdits(rows) if any(rows) else None


def _max_tokens(config: Any) -> int | None:
    """Return the number of positions of a model; None without a limit."""
    text = getattr(config, "text_config", None) or config
    limit = getattr(text, "max_position_embeddings", None)
    if limit is not None and text.model_type in ("roberta", "xlm-roberta"):
        limit -= (text.pad_token_id or 0) + 1  # positions start after the padding token
    return limit


def _family(hf_model: Any) -> Family:
    row = row_of(hf_model.config)
    if row is None:
        _check_head(hf_model, kind_of(hf_model.config), str(hf_model.config.model_type))
        row = derive_family(hf_model)
    return row


def _check_head(hf_model: Any, kind: str, family: str) -> None:
    name = type(hf_model).__name__
    if hf_model.get_output_embeddings() is None:
        wanted = "AutoModelForCausalLM" if kind == "causal" else "AutoModelForMaskedLM"
        raise UnsupportedModelError(
            f"{name} has no language-model head, so no probabilities. Load it with "
            f"transformers.{wanted}."
        )
    if kind == "masked" and getattr(hf_model.config, "is_decoder", False):
        raise UnsupportedModelError(
            f"{name} is a {family} model used as a decoder (config.is_decoder); {family} is "
            "supported as a masked language model."
        )
