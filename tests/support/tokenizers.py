"""Small tokenizers, one of every kind in use, trained here on a few invented facts.

Each is built through the class that the real models use, so that spaces, special tokens and
post-processing behave as theirs do; only the vocabulary is small (400 tokens at most).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from functools import lru_cache

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers import processors as post
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import (
    BertTokenizer,
    GemmaTokenizer,
    GPT2Tokenizer,
    LlamaTokenizer,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

VOCABULARY = 400

CORPUS = (
    "The capital of Brolland is Marly. The capital of Zúnia is São Peko. ",
    "The capital of Ostavia is Nørheim, and the capital of Mirelle is Vèze.",
    "Brolland's capital is Marly. Zúnia's capital isn't Marly, it's São Peko.",
    "Ada Brünn plays for Marly United. Ada Brünn works for Peko Motor Works.",
    "Émile Vèze is the chair of Peko Motor Works. Is Émile Vèze the chair?",
    "Ilse Krone is the head coach of Marly United. Who is the head coach?",
    "José Ibarra is the head of the government of Zúnia since 1998.",
    "Who owns Peko Motor Works? Where does Ada Brünn work? In 2010, in Marly!",
    'Nørheim (founded in 1764) is owned by "Krone & Sons"; it has 35,206 people.',
    "Ada Brünn attended Nørheim University and is a member of the Blue Party.",
    "Ostavia holds 7 ports: Marly, Peko, Vèze - and 4 more, 12 in 2019.",
    "博朗国的首都是马里。祖尼亚的首都是圣佩科。艾达在马里工作。",
    "圣佩科是祖尼亚的首都吗?马里是博朗国的首都。",
)

# Tokenizers without bytes to fall back on know these, and what is in the corpus.
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
MARKS = ",.?!'\"():;-&_/«»。?,吗"

# The split of LLaMA-3 and Qwen2: at most three digits together.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _trained_bpe(tokenizer: Tokenizer, trainer: BpeTrainer) -> dict:
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}


def _counted(words: list[str], longest: int) -> Counter:
    """Count every stretch of every word, so that frequent ones can become pieces.

    The trainers for WordPiece and Unigram give another vocabulary in every process.
    """
    found: Counter = Counter()
    for word in words:
        for start in range(len(word)):
            for end in range(start + 1, min(start + longest, len(word)) + 1):
                found[start, word[start:end]] += 1
    return found


def _byte_level(specials: list[str], split: pre_tokenizers.PreTokenizer | None = None) -> dict:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = split or pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=specials,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    return _trained_bpe(tokenizer, trainer)


def _metaspace_bpe(specials: list[str]) -> dict:
    """Pieces as SentencePiece makes them, with one token for each byte to fall back on."""
    tokenizer = Tokenizer(BPE(unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=[*specials, *fallback], show_progress=False
    )
    return _trained_bpe(tokenizer, trainer)


@lru_cache
def gpt2_tokenizer() -> GPT2Tokenizer:
    """Byte-level BPE; no token is added at either end, and there is none for padding."""
    return GPT2Tokenizer(**_byte_level(["<|endoftext|>"]))


def _split_then_bytes() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


@lru_cache
def llama3_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE with ``<|begin_of_text|>`` in front, read from a tokenizer file."""
    bos, eos = "<|begin_of_text|>", "<|end_of_text|>"
    parts = _byte_level([bos, eos], _split_then_bytes())
    tokenizer = Tokenizer(BPE(**parts, ignore_merges=True))
    tokenizer.add_special_tokens([bos, eos])
    tokenizer.pre_tokenizer = _split_then_bytes()
    tokenizer.decoder = decoders.ByteLevel()
    template = post.TemplateProcessing(
        single=f"{bos} $A",
        pair=f"{bos} $A {bos}:1 $B:1",
        special_tokens=[(bos, tokenizer.token_to_id(bos))],
    )
    tokenizer.post_processor = post.Sequence([post.ByteLevel(trim_offsets=False), template])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos)


@lru_cache
def qwen2_tokenizer() -> Qwen2Tokenizer:
    """Byte-level BPE with padding and without a token in front."""
    return Qwen2Tokenizer(**_byte_level(["<|endoftext|>"], _split_then_bytes()))


@lru_cache
def llama2_tokenizer() -> LlamaTokenizer:
    """SentencePiece BPE with byte fallback, ``<s>`` in front; ▁ before the first word only."""
    parts = _metaspace_bpe(["<unk>", "<s>", "</s>"])
    return LlamaTokenizer(**parts, add_bos_token=True)


@lru_cache
def llama2_legacy_tokenizer() -> PreTrainedTokenizerFast:
    """The same as older files store it: a normalizer puts ▁ before every stretch of text."""
    parts = _metaspace_bpe(["<unk>", "<s>", "</s>"])
    model = BPE(**parts, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.add_special_tokens(["<unk>", "<s>", "</s>"])
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    tokenizer.post_processor = post.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )


@lru_cache
def gemma_tokenizer() -> GemmaTokenizer:
    """SentencePiece BPE with ``<bos>`` in front and nothing before the first word."""
    parts = _metaspace_bpe(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    return GemmaTokenizer(**parts, add_bos_token=True)


@lru_cache
def bert_tokenizer() -> BertTokenizer:
    """WordPiece of lower-cased words without accents, as BERT, DistilBERT and ELECTRA have it."""
    normal = normalizers.BertNormalizer(lowercase=True)
    split = pre_tokenizers.BertPreTokenizer()
    words = [w for text in CORPUS for w, _ in split.pre_tokenize_str(normal.normalize_str(text))]
    counts: Counter = Counter()
    for (start, piece), count in _counted(words, longest=12).items():
        counts[piece if start == 0 else f"##{piece}"] += count
    single = {piece for _, piece in _counted(words, longest=1)} | {*LETTERS.lower()}
    kept = {*MARKS, *single, *(f"##{letter}" for letter in single)}
    frequent = sorted(counts, key=lambda piece: (-counts[piece] * len(piece), piece))
    for piece in frequent:
        if len(kept) < VOCABULARY - 5 and counts[piece] > 1:
            kept.add(piece)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(kept)]
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)})


@lru_cache
def roberta_tokenizer() -> RobertaTokenizer:
    """Byte-level BPE between ``<s>`` and ``</s>``; ``<mask>`` absorbs the space before it."""
    parts = _byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    mask = AddedToken("<mask>", lstrip=True, special=True, normalized=False)
    return RobertaTokenizer(**parts, mask_token=mask)


@lru_cache
def xlmr_tokenizer() -> XLMRobertaTokenizer:
    """Unigram pieces between ``<s>`` and ``</s>``, in the order XLM-R numbers them."""
    words = [f"▁{word}" for text in CORPUS for word in text.split()]
    counts: Counter = Counter(dict.fromkeys(sorted({*LETTERS, *MARKS}), 1))
    for (_, piece), count in _counted(words, longest=12).items():
        counts[piece] += count
    single = sorted(piece for piece in counts if len(piece) == 1)
    longer = [piece for piece in counts if len(piece) > 1 and counts[piece] > 1]
    longer = [piece for piece in longer if piece.removeprefix("▁").isalnum()]
    longer.sort(key=lambda piece: (-counts[piece] * len(piece), piece))
    kept = [*single, *longer][: VOCABULARY - 5]
    total = sum(counts[piece] for piece in kept)
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(piece, math.log(counts[piece] / total)) for piece in kept]
    mask = AddedToken("<mask>", lstrip=True, special=True, normalized=False)
    tokenizer = XLMRobertaTokenizer(vocab=[*pieces, ("<mask>", 0.0)], mask_token=mask)
    tokenizer.backend_tokenizer.normalizer = normalizers.NFKC()  # as its table of characters does
    return tokenizer


CAUSAL_TOKENIZERS = (
    gpt2_tokenizer,
    llama3_tokenizer,
    qwen2_tokenizer,
    llama2_tokenizer,
    llama2_legacy_tokenizer,
    gemma_tokenizer,
)
MASKED_TOKENIZERS = (bert_tokenizer, roberta_tokenizer, xlmr_tokenizer)
