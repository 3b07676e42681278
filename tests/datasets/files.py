"""Files for the tests, and the ways in which the same content may be written."""

from __future__ import annotations

import gzip
import json


def line(record):
    return json.dumps(record, ensure_ascii=False)


def write_lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line(record).encode() + b"\n" for record in records))
    return path


def disguised(data, how):
    """Return the bytes of a text file as another program might have written them."""
    return {
        "plain": lambda: data,
        "byte order mark": lambda: b"\xef\xbb\xbf" + data,
        "CRLF": lambda: data.replace(b"\n", b"\r\n"),
        "blank lines": lambda: b"\n \t\n" + data.replace(b"\n", b"\n\r\n\n"),
        "gzip": lambda: gzip.compress(data),
        "gzip of all": lambda: gzip.compress(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n\r\n")),
        "no last line end": lambda: data.removesuffix(b"\n"),
    }[how]()


DISGUISES = (
    "plain",
    "byte order mark",
    "CRLF",
    "blank lines",
    "gzip",
    "gzip of all",
    "no last line end",
)

# A line, and what is said of it. They are wrong in files of every format of lines.
BROKEN_LINES = [
    (b"{", "not JSON (Expecting property name enclosed in double quotes at column 2)"),
    (b'{"a": 1} {"b": 2}', "not JSON (Extra data at column 10)"),
    (b"[1, 2]", "must be a JSON object, got [1, 2]"),
    (b'"text"', "must be a JSON object, got 'text'"),
    (b"null", "must be a JSON object, got None"),
    (b'{"a": 1, "a": 2}', "field 'a' occurs twice"),
    (b'{"a": "\xff"}', "not UTF-8 (invalid start byte at byte 7)"),
    (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
]


def blimp_pair(number="0", uid="determiner_noun_agreement_1", **fields):
    return {
        "sentence_good": "Ilse cleaned this boat.",
        "sentence_bad": "Ilse cleaned this boats.",
        "one_prefix_prefix": "Ilse cleaned this",
        "one_prefix_word_good": "boat",
        "one_prefix_word_bad": "boats",
        "field": "morphology",
        "linguistics_term": "determiner_noun_agreement",
        "UID": uid,
        "simple_LM_method": True,
        "one_prefix_method": True,
        "two_prefix_method": False,
        "lexically_identical": False,
        "pairID": number,
        **fields,
    }


def counterfact_case(number=0, **fields):
    rewrite = {
        "prompt": "The mother tongue of {} is",
        "relation_id": "P103",
        "target_new": {"str": "Brollish", "id": "Q2"},
        "target_true": {"str": "Zunian", "id": "Q1"},
        "subject": "Ada Brünn",
    }
    changed = fields.pop("rewrite", {})
    return {
        "case_id": number,
        "pararel_idx": 2796,
        "requested_rewrite": {k: v for k, v in {**rewrite, **changed}.items() if v is not ...},
        "paraphrase_prompts": ["It rains. Ada Brünn, a native", "Ada Brünn spoke"],
        "neighborhood_prompts": ["The mother tongue of Ilse Krone is"],
        "attribute_prompts": ["The mother tongue of Bob is"],
        "generation_prompts": ["Ada Brünn's mother tongue is"],
        **fields,
    }


def triple(subject, answer, uuid="5", **fields):
    return {"sub_label": subject, "obj_label": answer, "uuid": uuid, **fields}


TEMPLATES = {
    "en": [
        {"relation": "P36", "template": "The capital of [X] is [Y]."},
        {"relation": "P1376", "template": "[Y] has [X] as its capital."},
    ],
    "fr": [{"relation": "P36", "template": "[Y] est la capitale de [X]."}],
    "zh": [{"relation": "P36", "template": "[X]的首都是[Y]。"}],
}


TRIPLES = {
    "en": {
        "P36": [
            triple("Zunia", "Peko", "a"),
            triple("Brolland", "Marly", "b"),
            triple("Brolland", "Old Marly", "c"),
        ],
        "P1376": [triple("Peko", "Zunia", "d")],
    },
    "fr": {"P36": [triple("Zunie", "Péco", "a")]},
    "zh": {"P36": [triple("祖尼亚", "佩科", "a")]},
}


def templama_row(query="Ada Brünn plays for _X_.", answer=("Marly United",), **fields):
    named = [{"wikidata_id": f"Q{i}", "name": name} for i, name in enumerate(answer)]
    given = {"query": query, "answer": named, "date": "2010", "id": "Q1_P54_2010"}
    return {**given, "relation": "P54", **fields}


TEMPLAMA_ROWS = [
    templama_row(),
    templama_row(answer=["Zúnia Rovers", "Peko City"], date="2011", id="Q1_P54_2011"),
    templama_row(
        "_X_ is the head coach of Marly F.C..", ["Ilse"], id="Q2_P286_2010", relation="P286"
    ),
]


PATTERNS = [
    {"pattern": "The capital of [X] is [Y].", "lemma": "capital", "tense": "present"},
    {"pattern": "[Y] is the capital of [X].", "lemma": "capital"},
    {"pattern": "[X], whose capital is [Y].", "lemma": "capital"},
    {"pattern": "The capital of [X] is [Y].", "lemma": "again"},
]


ISLAND = {
    "sentence_good": "Who should Bob hug?",
    "sentence_bad": "Who should hug Bob?",
    "UID": "adjunct_island",
    "pair_id": 12,
}
