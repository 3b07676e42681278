"""Run the scripts in ``docs/examples`` and write a page of each: text, code, output, pictures.

A script has a docstring, whose first line is the title, and cells that begin with a line ``# %%``.
The comment below that line is text (Markdown), the rest of the cell is code. Below it is shown what
it prints, the pictures of pyplot that it leaves open, and the picture that its last expression is.
A script that fails ends the build.
"""

from __future__ import annotations

import ast
import contextlib
import io
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

MARK = "# %%"


@dataclass
class Cell:
    """A part of a script: text above code, and what running it gave."""

    text: str
    code: str
    line: int
    output: str = ""
    pictures: list[str] = field(default_factory=list)


def read_script(path: Path) -> tuple[str, str, list[Cell]]:
    """Return title, introduction and cells of a script."""
    source = path.read_text(encoding="utf-8")
    module = ast.parse(source)
    head = ast.get_docstring(module)
    if not head:
        raise ValueError(f"{path} has no docstring to take a title from.")
    title, _, introduction = head.partition("\n")
    lines = source.splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith(MARK)]
    if not starts:
        raise ValueError(f"{path} has no cell: a line {MARK!r}.")
    cells = []
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        first = start + 1
        while first < end and lines[first].startswith("#"):
            first += 1
        text = "\n".join(line[1:].removeprefix(" ") for line in lines[start + 1 : first])
        while first < end and not lines[first].strip():
            first += 1
        cells.append(Cell(text, "\n".join(lines[first:end]).rstrip(), first))
    return title.rstrip("."), introduction.strip(), cells


def run_cells(cells: list[Cell], name: str, out: Path) -> None:
    """Run cells in one namespace; fill in what they print and the pictures they leave open."""
    import matplotlib.pyplot as plt

    names: dict[str, object] = {"__name__": "__main__"}
    count = 0
    plt.close("all")
    for cell in cells:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            last = _run(cell, f"{name}.py", names)
        cell.output = printed.getvalue().rstrip()
        figures = [plt.figure(number) for number in plt.get_fignums()]
        if isinstance(last, Figure) and last not in figures:
            figures.append(last)
        for figure in figures:
            count += 1
            picture = f"{name}_{count}.svg"
            figure.savefig(out / picture, metadata={"Date": None})
            cell.pictures.append(picture)
        plt.close("all")


def _run(cell: Cell, filename: str, names: dict[str, object]) -> object:
    """Run a cell; return the value of its last expression, if it ends in one."""
    # blank lines before the code keep the numbers of lines right in a traceback
    parsed = ast.parse("\n" * cell.line + cell.code, filename)
    end = parsed.body.pop() if parsed.body and isinstance(parsed.body[-1], ast.Expr) else None
    exec(compile(parsed, filename, "exec"), names)
    if end is None:
        return None
    return eval(compile(ast.Expression(end.value), filename, "eval"), names)


def page(title: str, introduction: str, cells: list[Cell]) -> str:
    """Write the page."""
    parts = [f"# {title}", introduction]
    for cell in cells:
        parts.append(cell.text)
        if cell.code:
            parts.append(f"```{{code-block}} python\n{cell.code}\n```")
        if cell.output:
            parts.append(f"```{{code-block}} text\n:class: output\n\n{cell.output}\n```")
        for picture in cell.pictures:
            parts.append(f"```{{image}} {picture}\n:alt: {title}\n:class: drawn\n```")
    return "\n\n".join(part for part in parts if part) + "\n"


def run_example(path: Path, out: Path) -> str:
    """Run a script and write its page and pictures into a folder; return the title."""
    title, introduction, cells = read_script(path)
    with mpl.rc_context({"svg.hashsalt": "neurotopo", "figure.constrained_layout.use": True}):
        run_cells(cells, path.stem, out)
    text = page(title, introduction, cells)
    target = out / f"{path.stem}.md"
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
    return title


def run_all(scripts: Path, out: Path) -> None:
    """Run every script of a folder; pages of scripts that are gone are removed."""
    out.mkdir(parents=True, exist_ok=True)
    paths = sorted(scripts.glob("*.py"))
    for path in paths:
        run_example(path, out)
    stems = {path.stem for path in paths}
    for old in out.glob("*.md"):
        if old.stem not in stems:
            old.unlink()
