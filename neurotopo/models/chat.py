"""Facts asked through the chat template of a tokenizer: the answer begins the reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from neurotopo.models.prompts import FactLike, PromptParts, describe_fact

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PROMPTINGS", "Chat", "chat_parts", "chat_settings"]

PROMPTINGS = ("completion", "chat")
"""Ways to ask a fact: the model continues its prompt, or replies to it."""

_PROMPT = "{prompt}"
_PROBE = "Reply"


@dataclass(frozen=True)
class Chat:
    """Wording of a fact in a conversation.

    Parameters
    ----------
    instruction : str, optional
        Text of the user's turn, with ``{prompt}`` for the prompt of the fact, cut where the answer
        starts. A prompt that ends in a question mark is the whole turn, whatever the instruction.
    system : str or None, default=None
        The system prompt. None: that of the template, if it has one.
    options : mapping, optional
        Variables of the template, for example ``{"enable_thinking": False}``.

    Examples
    --------
    >>> from neurotopo.models.chat import Chat
    >>> Chat("Finish this sentence: {prompt}").turn("The capital of France is")
    'Finish this sentence: The capital of France is'
    >>> Chat().turn("Who wrote Hamlet?")
    'Who wrote Hamlet?'
    """

    instruction: str = "Complete the sentence: {prompt}"
    system: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.instruction, str) or self.instruction.count(_PROMPT) != 1:
            raise ValueError(f"instruction must have {{prompt}} once, got {self.instruction!r}.")
        if self.system is not None and not isinstance(self.system, str):
            raise TypeError(f"system must be a string or None, got {self.system!r}.")

    def turn(self, prompt: str) -> str:
        """Return the text of the user's turn."""
        asks = prompt.rstrip().endswith(("?", "\uff1f", "\u061f"))
        return prompt if asks else self.instruction.replace(_PROMPT, prompt)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary of JSON values."""
        return {**asdict(self), "options": dict(self.options)}


def chat_settings(prompting: str | Chat, tokenizer: Any, causal: bool) -> Chat | None:
    """Return the wording of conversations, or None for plain completion.

    Raises
    ------
    ValueError
        If ``prompting`` is not valid, or the model cannot chat: it is masked, or its tokenizer has
        no chat template.

    Examples
    --------
    >>> from neurotopo.models.chat import chat_settings
    >>> from neurotopo.models.examples import word_tokenizer
    >>> chat_settings("chat", word_tokenizer("Paris"), causal=True)
    Traceback (most recent call last):
        ...
    ValueError: prompting='chat' needs a tokenizer with a chat template, and this one has none, \
as those of models that were not trained on conversations. Use prompting='completion', or set \
tokenizer.chat_template.
    """
    if prompting == "completion":
        return None
    if not isinstance(prompting, Chat) and prompting != "chat":
        raise ValueError(f"prompting must be 'completion', 'chat' or a Chat, got {prompting!r}.")
    if not causal:
        raise ValueError(
            "prompting='chat' needs a causal model; a masked model fills gaps in a text."
        )
    if not getattr(tokenizer, "chat_template", None):
        raise ValueError(
            "prompting='chat' needs a tokenizer with a chat template, and this one has none, as "
            "those of models that were not trained on conversations. Use prompting='completion', "
            "or set tokenizer.chat_template."
        )
    return prompting if isinstance(prompting, Chat) else Chat()


def chat_parts(
    tokenizer: PreTrainedTokenizerBase, fact: FactLike, before: str, chat: Chat
) -> PromptParts:
    """Return the text of a conversation up to the reply, and the space before the reply.

    Everything that the template writes between the user's turn and the text of a reply belongs to
    the prompt, such as an empty section for thoughts. A space there belongs to the answer, as
    tokens contain the space before them.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        A tokenizer with a chat template.
    fact : Fact
        The fact, for messages.
    before : str
        The text of its prompt up to the answer.
    chat : Chat
        The wording.

    Returns
    -------
    PromptParts
        With the special tokens that the template writes, also that at the beginning of the text.

    Raises
    ------
    ValueError
        If the template fails, or leaves out the user's turn.
    """
    turn = chat.turn(before)
    messages = [] if chat.system is None else [{"role": "system", "content": chat.system}]
    messages.append({"role": "user", "content": turn})
    text = _rendered(tokenizer, fact, messages, chat, add_generation_prompt=True)
    if turn.strip() not in text:
        raise ValueError(
            f"{describe_fact(fact)}: the chat template changes the text of the user's turn "
            f"{turn!r}, so the model would not read the prompt. Use prompting='completion'."
        )
    replied = [*messages, {"role": "assistant", "content": _PROBE}]
    whole = _rendered(tokenizer, fact, replied, chat, add_generation_prompt=False)
    rest = whole.removeprefix(text)
    # Some templates write finished replies in another way; then the reply follows the text.
    if rest != whole and _PROBE in rest:
        text += rest[: rest.index(_PROBE)]
    bare = text.rstrip(" ")
    return PromptParts(bare, " " if bare != text else "")


def _rendered(
    tokenizer: PreTrainedTokenizerBase,
    fact: FactLike,
    messages: list[dict[str, str]],
    chat: Chat,
    *,
    add_generation_prompt: bool,
) -> str:
    from jinja2 import TemplateError

    try:
        text: Any = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=add_generation_prompt, **chat.options
        )
    except TemplateError as error:
        advice = "" if chat.system is None else " Some templates have no system prompt."
        raise ValueError(
            f"{describe_fact(fact)}: the chat template of the tokenizer fails: {error}.{advice}"
        ) from error
    return str(text)
