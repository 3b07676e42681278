"""The page of a report: one file that needs no network, no fonts and no script."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import resources
from typing import Any

from neurotopo.datasets.dataset import pluralize
from neurotopo.explore.page import json_in_html
from neurotopo.report._cells import CellFormat, clean, columns, one_line
from neurotopo.report.pictures import to_svg
from neurotopo.report.scripts import page_policy, page_script, page_style
from neurotopo.report.summary import Claim, Summary

__all__ = ["FIGURE_FORMATS", "TABLE_FORMATS", "make_page", "page_template"]

TABLE_FORMATS, FIGURE_FORMATS = ("csv", "md", "tex"), ("svg", "png")
_MOST_ROWS, _MOST_FAILURES, _LONGEST = 500, 50, 400
_COUNTS = {
    "n_facts": "asked for",
    "n_there": "with earlier results",
    "n_done": "with results",
    "n_failed": "failed",
}
_TIMES = {"started": "started", "written": "written"}
_PARTS = ("model", "options", "settings", "seeds", "versions")
_STATUS = {
    "interrupted": "The run was interrupted; the same command continues it.",
    "running": "The run was not finished when this was written, or it was killed.",
    "stopped": "The run stopped at the first fact that failed.",
}


def make_page(
    summary: Summary,
    *,
    about: Mapping[str, Any] | None = None,
    failures: Mapping[str, str] | None = None,
    svgs: Mapping[str, str] | None = None,
) -> str:
    """Return the page of a report; its links are relative to the folder of the report.

    Parameters
    ----------
    summary : Summary
        Content of the report.
    about : mapping, optional
        Settings of the run, as :func:`~neurotopo.studies.read_run` returns them.
    failures : mapping of str to str, optional
        Reasons of failed facts, by key. None: unknown.
    svgs : mapping of str to str, optional
        SVG of the pictures by name. None: they are drawn.

    Returns
    -------
    str
        HTML. All data is escaped.

    Raises
    ------
    ImportError, ValueError
        If jinja2 is not installed, or a format of a table does not fit its numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.report import make_page
    >>> from neurotopo.report.summary import Summary
    >>> page = make_page(Summary("Is 1 < 2?", ("It is.",), {}, {}, pd.DataFrame()))
    >>> "<h1>Is 1 &lt; 2?</h1>" in page, "<li>It is.</li>" in page
    (True, True)
    """
    about = about or {}
    drawn = svgs or {}
    n_failed = _count(about, "n_failed") or 0 if failures is None else len(failures)
    run = None if about.get("run") is None else str(about["run"])
    explorer = summary.explorer
    script = page_script(explorer is not None)
    findings = summary.findings
    context = {
        "title": one_line(summary.title),
        "under": list(_under(about)),
        "partial": _partial(about, n_failed),
        "findings": [{"text": clean(each), "claim": isinstance(each, Claim)} for each in findings],
        "facts": None if explorer is None else _facts(explorer),
        "style": page_style(explorer is not None),
        "script": script,
        "policy": page_policy(script),
        "notes": [clean(each) for each in summary.notes],
        "tables": [_table(summary, name) for name in summary.tables],
        "pictures": [_picture(summary, name, drawn.get(name)) for name in summary.pictures],
        "made": [part for part in _made(about) if part["rows"]],
        "command": _command(about.get("command")),
        "run": None if run is None else one_line(run),
        "run_literal": ascii(run),
        "fact_literal": ascii(next(iter(failures or {}), "the key of the fact")),
        "n_rows": len(summary.rows),
        "failed": {"n": n_failed, "rows": _failures(failures or {})},
    }
    return str(page_template().render(context))


def page_template() -> Any:
    """Return the template of the page; raise ImportError without jinja2."""
    try:
        import jinja2
    except ImportError as error:
        raise ImportError("a report needs jinja2: pip install 'neurotopo[report]'.") from error
    blocks: Any = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    strict = jinja2.StrictUndefined
    environment = jinja2.Environment(autoescape=True, undefined=strict, **blocks)
    source = resources.files("neurotopo.report").joinpath("page.html.jinja")
    return environment.from_string(source.read_text(encoding="utf-8"))


def _facts(explorer: Mapping[str, Any]) -> dict[str, str]:
    """Return the note on the facts, and the facts as JSON."""
    return {"note": clean(str(explorer["note"])), "data": json_in_html(explorer)}


def _count(about: Mapping[str, Any], name: str) -> int | None:
    return about[name] if isinstance(about.get(name), int) else None


def _unit(about: Mapping[str, Any]) -> str:
    """Return the unit of the study in the singular; early run files have none."""
    return one_line(str(about.get("unit") or "fact"))


def _under(about: Mapping[str, Any]) -> Iterator[str]:
    """Yield the subtitle: study, model, number of facts, date."""
    if about.get("study") is not None:
        yield f"study {one_line(str(about['study']))}"
    model = about.get("model")
    settings = about.get("settings")
    if isinstance(settings, Mapping) and settings.get("source") is not None:
        model = settings["source"]
    elif isinstance(model, Mapping):
        model = model.get("name") or model.get("architecture")
    if model is not None:
        yield f"model {one_line(str(model))}"
    n = _count(about, "n_facts")
    if n is not None:
        yield pluralize(n, _unit(about))
    if about.get("written") is not None:
        yield one_line(str(about["written"]))


def _partial(about: Mapping[str, Any], n_failed: int) -> str:
    """Return a sentence on missing facts, empty if there are none."""
    asked, done = _count(about, "n_facts"), _count(about, "n_done")
    sentence = _STATUS.get(str(about.get("status")), "")
    if asked is None or done is None:
        return sentence
    missing = asked - done - n_failed
    if missing <= 0:
        return f"{sentence} Every {_unit(about)} has a result." if sentence else ""
    verb = "is" if missing == 1 else "are"
    count = f"{missing:,} of {pluralize(asked, _unit(about))} {verb} missing here."
    return f"{count} {sentence}".rstrip()


def _table(summary: Summary, name: str) -> dict[str, Any]:
    table = summary.tables[name]
    shown = columns(table, CellFormat(clean, clean), _MOST_ROWS)
    return {
        "id": f"table-{name}",
        "title": one_line(table.title) or name,
        "note": clean(table.note),
        "columns": shown,
        "rows": list(zip(*(column.cells for column in shown), strict=True)),
        "n_rows": len(table.frame),
        "files": [f"tables/{name}.{ending}" for ending in TABLE_FORMATS],
    }


def _picture(summary: Summary, name: str, svg: str | None) -> dict[str, Any]:
    picture = summary.pictures[name]
    title = one_line(picture.title) or name
    return {
        "id": f"picture-{name}",
        "title": title,
        "note": clean(picture.note),
        "alt": one_line(picture.note) or title,
        "svg": to_svg(picture.figure, name) if svg is None else svg,
        "files": [f"figures/{name}.{ending}" for ending in FIGURE_FORMATS],
    }


def _made(about: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the settings of a run: headings with names and values."""
    if not about:
        return
    known = {*_COUNTS, *_TIMES, *_PARTS, "kind", "unit", "version", "command"}
    named = {"study": about.get("study"), "run": about.get("run"), "status": about.get("status")}
    run = [(key, _value(value)) for key, value in named.items() if value is not None]
    labels = {**_COUNTS, **_TIMES}
    run += [(label, _value(about[key])) for key, label in labels.items() if key in about]
    if took := _took(about):
        run.append(("took", took))
    run += [
        row
        for key, value in about.items()
        if key not in known and key not in named
        for row in _rows(key.replace("_", " "), value)
    ]
    yield {"title": "Run", "rows": run}
    for key in _PARTS:
        value = about.get(key)
        if isinstance(value, Mapping):
            yield {"title": key.capitalize(), "rows": list(_rows("", value))}
        elif value is not None:
            yield {"title": key.capitalize(), "rows": [("name", _value(value))]}


def _rows(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield a value and the values nested in it, under dotted names."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _rows(f"{name}.{key}" if name else str(key), inner)
    elif not isinstance(value, Mapping) or name:
        yield one_line(name), _value(value)


def _value(value: Any) -> str:
    is_text = isinstance(value, str) and value.strip()
    text = clean(value if is_text else json.dumps(value, ensure_ascii=False, default=str))
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}\N{HORIZONTAL ELLIPSIS} ({len(text):,} characters)"
    return text


def _took(about: Mapping[str, Any]) -> str:
    try:
        first, last = (datetime.fromisoformat(about[key]) for key in ("started", "written"))
        return f"{last - first}"
    except (KeyError, TypeError, ValueError):
        return ""


def _command(command: Any) -> str:
    if isinstance(command, list | tuple):
        command = shlex.join(map(str, command))
    return clean(str(command or ""))


def _failures(failures: Mapping[str, str]) -> list[tuple[str, str]]:
    first = list(failures.items())[:_MOST_FAILURES]
    return [(clean(key), _value(str(reason))) for key, reason in first]
