"""The page and the files of a report: text stays text, files are whole, others' files stay."""

from __future__ import annotations

import base64
import errno
import json
import re
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise

import pandas as pd
import pytest

from neurotopo.report import files, make_page, write_report
from neurotopo.report.summary import Picture, Summary, Table
from neurotopo.studies import run_study, write_run
from tests.support.reports import (
    ABOUT,
    FAILURES,
    HOSTILE,
    bars,
    example_summary,
    explored_summary,
    fact_rows,
    hostile_summary,
    titled,
)
from tests.support.studies import study_of

VOID = {"meta", "br"}


class Page(HTMLParser):
    """A page that is read: its elements, with every one closed, and its text."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.words = [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_comment(self, data):
        raise AssertionError(data)

    def handle_data(self, data):
        if self.open:
            tag = self.open[-1]
            self.words[tag] = self.words.get(tag, "") + data

    def said(self):
        """Return all text that is shown."""
        shown = (
            words for tag, words in self.words.items() if tag not in ("style", "title", "script")
        )
        return " ".join(" ".join(shown).split())


def _page(summary=None, **options):
    return make_page(summary or Summary("t", (), {}, {}, pd.DataFrame()), **options)


def _hostile_about():
    return {
        "study": HOSTILE,
        "model": {HOSTILE: HOSTILE},
        "options": {HOSTILE: {HOSTILE: [HOSTILE]}},
        "seeds": {HOSTILE: 0},
        "versions": {HOSTILE: HOSTILE},
        "run": HOSTILE,
        "status": HOSTILE,
        "n_facts": HOSTILE,
        "n_failed": HOSTILE,
        "started": HOSTILE,
        "written": HOSTILE,
        "command": HOSTILE,
        HOSTILE: HOSTILE,
    }


@pytest.mark.parametrize("about", [ABOUT, None])
@pytest.mark.parametrize("failures", [FAILURES, {}, None])
def test_the_page_is_well_formed_and_its_ids_are_unique(about, failures):
    page = Page(_page(example_summary(), about=about, failures=failures))
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a"]
    assert {link[1:] for link in links if link[0] == "#"} <= set(ids)
    for _, attrs in page.elements:
        assert attrs.get("aria-labelledby", "found") in ids
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize("explored", [False, True])
def test_the_page_loads_nothing_and_runs_its_own_script_only(hostile, explored):
    if explored:
        summary = replace(
            hostile_summary() if hostile else example_summary(),
            explorer=explored_summary(fact_rows()).explorer,
        )
        text = _page(summary, about=ABOUT)
    elif hostile:
        text = _page(hostile_summary(), about=_hostile_about(), failures={HOSTILE: HOSTILE})
    else:
        text = _page(example_summary(), about=ABOUT, failures=FAILURES)
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"link", "iframe", "object", "embed", "base", "form", "input"}
    scripts = [attrs for tag, attrs in page.elements if tag == "script"]
    data = [{"type": "application/json", "id": "facts-data"}] if explored else []
    assert scripts == [*data, {}]
    (policy,) = [a["content"] for t, a in page.elements if t == "meta" and "http-equiv" in a]
    script = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(sha256(script[-1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    for tag, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on")], tag
        assert "src" not in attrs or tag != "script"
        for name in ("src", "srcset", "href", "xlink:href", "data", "action"):
            assert re.match(
                r"#|data:image/|tables/|figures/|rows\.(csv|jsonl)|$", attrs.get(name) or ""
            )
        assert not re.search(r"url\((?!#)", attrs.get("style") or "")
    assert "url(" not in page.words["style"]
    assert "@import" not in page.words["style"]


def test_text_of_data_is_shown_as_it_is_wherever_it_is():
    text = _page(hostile_summary(), about=_hostile_about(), failures={HOSTILE: HOSTILE})
    page = Page(text)
    said = " ".join(HOSTILE.split()).replace("\x00", "\N{REPLACEMENT CHARACTER}")
    # Title, study, contents (2), finding, note, headings (2), column, cell, notes (2), 14 of the
    # run, two of the failure; the list of an option and the key in the example are written as
    # programs write them.
    assert page.said().count(said) >= 25
    assert " ".join(page.words["title"].split()) == said
    assert text.count("<script") == 1
    assert "\x00" not in text
    assert "49" not in page.said()


def test_two_pictures_in_one_page_have_no_common_id():
    same = {name: Picture(titled("a"), name) for name in ("first", "second")}
    page = Page(_page(Summary("t", (), {}, same, pd.DataFrame())))
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    alts = [attrs["aria-label"] for _, attrs in page.elements if attrs.get("role") == "img"]
    assert alts == ["first", "second"]


def test_what_was_found_comes_first_and_everything_is_there():
    page = Page(_page(example_summary(), about=ABOUT, failures=FAILURES))
    heads = page.words["h2"]
    order = [
        "Findings",
        "Notes",
        "Pictures",
        "Tables",
        "How the report was made",
        "Where the numbers come from",
        "Failures",
    ]
    assert heads == "".join(order)
    said = page.said()
    for text in (
        *example_summary().findings,
        *example_summary().notes,
        "Bars: NTC is highest",
        "mean GCR:",
        "GPT2LMHeadModel",
        "filter.tau2",
        '["ntc", "kmeans"]',
        "1:42:31",
        "c0ffee5e1ec7ab1e",
        "neurotopo study gpt2 --facts 'facts of today.jsonl' --out run",
        "2.6.0",
        "And 10 more.",
        "results.sqlite",
        "rows.csv",
        "store.get('c0ffee5e1ec7ab1e', 'P36-relation",
        "< 1e-300",
    ):
        assert text in said, text
    assert said.count("Ouagadougou") == 50


def test_facts_come_before_the_notes_and_claims_are_marked():
    text = _page(explored_summary(fact_rows()), about=ABOUT)
    page = Page(text)
    assert page.words["h2"].startswith("FindingsFact by factNotesTables")
    claims = [attrs for tag, attrs in page.elements if attrs.get("class") == "claim"]
    assert len(claims) == 1
    assert '<strong class="mark">Claim.</strong> NTC exceeds its random groups.</li>' in text
    shown = json.loads(re.search('id="facts-data">(.*?)</script>', text).group(1))
    assert [fact["key"] for fact in shown["facts"]] == [row.fact for row in fact_rows()]
    assert shown["facts"][-1]["answers"] == [HOSTILE]
    assert 'id="facts"' not in _page(example_summary(), about=ABOUT)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "8 of 420 facts are missing here. The run was interrupted"),
        ({"n_done": 360}, "The run was interrupted; the same command continues it. Every"),
        ({"status": "complete", "n_done": 359}, "1 of 420 facts is missing here."),
        ({"status": "complete", "n_done": 360}, None),
        ({"status": "running", "n_done": None}, "was not finished"),
        ({"status": "stopped", "n_done": None}, "stopped at the first fact that failed"),
    ],
)
def test_a_partial_run_has_a_banner(changes, words):
    text = _page(about={**ABOUT, **changes}, failures=FAILURES)
    assert ('class="banner"' in text) == (words is not None)
    assert words is None or words in Page(text).said()


def test_failures_that_are_only_counted_and_facts_without_failure():
    assert "60 facts; the reasons are in" in Page(_page(about=ABOUT)).said()
    assert 'id="failures"' not in _page(about=ABOUT, failures={})


def test_long_tables_are_cut_and_empty_ones_say_so():
    tables = {
        "long": Table(pd.DataFrame({"x": range(1700)}), "long"),
        "empty": Table(pd.DataFrame({"x": []}), "empty"),
        "nothing": Table(pd.DataFrame(), "nothing"),
    }
    said = Page(_page(Summary("t", (), tables, {}, pd.DataFrame()))).said()
    assert "1,200 more rows are in the files" in said
    assert said.count("This table has no rows.") == 2
    assert "These results support no finding." in said


def test_the_files_of_a_report(tmp_path):
    written = write_report(example_summary(), tmp_path / "new" / "run", about=ABOUT)
    out = tmp_path / "new" / "run"
    assert written[-1] == out / "report.html"
    assert sorted(written) == sorted(path for path in out.rglob("*") if path.is_file())
    page = Page((out / "report.html").read_text(encoding="utf-8"))
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a"]
    files_linked = {link for link in links if link[0] != "#"}
    names = {path.relative_to(out).as_posix() for path in written}
    assert files_linked == names - {"report.html", "report.json"}
    assert (out / "rows.csv").read_text() == "fact,gcr,n\nP36-1,0.3333333333333333,3\nP36-2,,5\n"
    before = {path: path.read_bytes() for path in written}
    write_report(example_summary(), out, about=ABOUT)
    assert {path: path.read_bytes() for path in written} == before


def test_of_a_run_in_a_folder(tmp_path):
    def prepare(model, options):
        return lambda fact: {"n": 1 / 0 if fact.key == "<b>" else 1}

    class Item:
        def __init__(self, key):
            self.key = key

        def to_dict(self):
            return {}

    study = study_of("ones", prepare, lambda rows: replace(example_summary(), title="Ones"))
    outcome = run_study(study, [Item("a"), Item("<b>")], options={"tau": 1}, out=tmp_path)
    write_report(outcome.summary, tmp_path, failures=outcome.failures)
    said = Page((tmp_path / "report.html").read_text(encoding="utf-8")).said()
    for text in ("Ones", "study ones", outcome.run, "division by zero", "<b>", "tau"):
        assert text in said
    assert "Partial" not in said


def test_a_run_file_of_another_kind_is_named_and_nothing_is_written(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ValueError, match=r"run\.json was not written by a study"):
        write_report(example_summary(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    write_run(tmp_path / "run.json", {"study": "sizes of everything"})
    write_report(example_summary(), tmp_path)
    assert "sizes of everything" in (tmp_path / "report.html").read_text(encoding="utf-8")


def _named(*names):
    tables = {name: Table(pd.DataFrame({"x": [name]}), name) for name in names}
    pictures = {name: Picture(titled("a"), name) for name in names[:1]}
    return Summary("t", (), tables, pictures, pd.DataFrame({"x": names}))


def test_files_no_longer_made_are_removed_and_no_others(tmp_path):
    write_report(_named("a", "b", "c"), tmp_path)
    others = [tmp_path / "tables" / "mine.csv", tmp_path / "figures" / "b.svg", tmp_path / "x.md"]
    for path in others:
        path.write_text("mine")
    (tmp_path / "tables" / "b.md").write_text("changed by hand")
    write_report(_named("c"), tmp_path)
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert names == {"c.csv", "c.md", "c.tex", "mine.csv", "b.md"}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {"b.svg", "c.svg", "c.png"}
    assert [path.read_text() for path in others] == 3 * ["mine"]
    # What was changed by hand is not ours any more, also for the next report.
    write_report(_named("c"), tmp_path)
    assert (tmp_path / "tables" / "b.md").exists()


def test_a_list_of_files_that_lies_removes_nothing_else(tmp_path):
    out = tmp_path / "run"
    (out / "tables").mkdir(parents=True)
    targets = [
        tmp_path / "a.csv",
        out / "results.sqlite",
        out / "tables" / "a.txt",
        out / "tables" / ".csv",
    ]
    for path in targets:
        path.write_bytes(b"x")
    (out / "tables" / "link.csv").symlink_to(tmp_path / "a.csv")
    names = [
        "../a.csv",
        "tables/../../a.csv",
        "results.sqlite",
        "tables/a.txt",
        "tables/.csv",
        "tables/link.csv",
        str(tmp_path / "a.csv"),
        "tables/gone.csv",
    ]
    listed = {name: [sha256(b"x").hexdigest()] for name in names}
    for text in (
        json.dumps({"kind": "neurotopo.report", "version": 1, "files": listed}),
        json.dumps({"kind": "neurotopo.report", "version": 1, "files": names}),
        "[]",
        "{",
        "null",
    ):
        (out / "report.json").write_text(text)
        write_report(_named("b"), out)
        assert all(path.read_bytes() == b"x" for path in targets)
        assert (out / "tables" / "link.csv").is_symlink()


@contextmanager
def _full(path):
    """A disk that is full after a few bytes of a file."""
    with open(path.with_name(f".{path.name}.tmp"), "wb") as file:

        class Full:
            def write(self, data):
                file.write(bytes(data)[:10] if not isinstance(data, str) else b"")
                raise OSError(errno.ENOSPC, "No space left on device")

            def __getattr__(self, name):
                return getattr(file, name)

        try:
            yield Full()
        finally:
            path.with_name(f".{path.name}.tmp").unlink()


@pytest.mark.parametrize(
    "name",
    [
        "tables/a.csv",
        "tables/a.tex",
        "figures/a.svg",
        "rows.csv",
        "rows.jsonl",
        "report.json",
        "report.html",
    ],
)
def test_a_full_disk_is_one_sentence_and_leaves_whole_files(tmp_path, monkeypatch, name):
    write_report(_named("a"), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    real = files.atomic_write

    def sometimes(path):
        return _full(path) if path == tmp_path / name else real(path)

    changed = replace(_named("a", "b"), title="changed")
    with monkeypatch.context() as patch:
        patch.setattr(files, "atomic_write", sometimes)
        with pytest.raises(OSError, match="No space left on device") as caught:
            write_report(changed, tmp_path)
    path = tmp_path / name
    assert str(caught.value) == f"cannot write to {path}: No space left on device."
    assert path.read_bytes() == before[path]
    assert (tmp_path / "report.html").read_bytes() == before[tmp_path / "report.html"]
    assert not [each for each in tmp_path.rglob("*") if each.name.endswith(".tmp")]
    # What was written before it filled is known as ours.
    write_report(_named("a"), tmp_path)
    assert {each: each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()} == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r"cannot make the folder .*file: "):
        write_report(_named("a"), tmp_path / "file")
    (tmp_path / "tables").write_text("x")
    with pytest.raises(OSError, match=r"cannot make the folder .*tables: File exists\."):
        write_report(_named("a"), tmp_path)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".a", "a b", "é", "a\n", "a\x00", "<b>", 'a"'])
def test_names_that_are_none_of_files(tmp_path, name):
    for summary in (
        Summary("t", (), {name: Table(pd.DataFrame(), "t")}, {}, pd.DataFrame()),
        Summary("t", (), {}, {name: Picture(bars(), "t")}, pd.DataFrame()),
    ):
        with pytest.raises(ValueError, match="cannot be the name of a file"):
            write_report(summary, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_names_that_differ_by_capitals_only(tmp_path):
    with pytest.raises(ValueError, match="'A' and 'a' would be the same file"):
        write_report(_named("a", "A"), tmp_path)


def test_without_jinja2_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"pip install 'neurotopo\[report\]'"):
        write_report(_named("a"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_text_that_is_no_unicode(tmp_path):
    frame = pd.DataFrame({"fact": ["a\ud800b"]})
    table = Table(frame, "\udcff", "\udcff")
    write_report(
        Summary("\ud800", ("\ud800",), {"t": table}, {}, frame),
        tmp_path,
        about={"study": "\ud800", "options": {"a": "\udc00"}},
        failures={"\ud800": "\ud800"},
    )
    assert (tmp_path / "rows.csv").read_text() == "fact\na\\ud800b\n"


def test_what_importing_it_costs():
    script = (
        "import sys, neurotopo.report; "
        "assert not {'pandas', 'matplotlib', 'jinja2', 'torch'} & set(sys.modules); "
        "from neurotopo.report import write_report; "
        "assert not {'torch', 'matplotlib.pyplot', 'jinja2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
