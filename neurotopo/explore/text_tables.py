"""Tables of text: the separator, the decimal sign, headings and names of a .csv or .tsv file."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotopo._files import read_bytes

__all__ = ["DECIMALS", "SEPARATORS", "TextTable", "read_text_table"]

SEPARATORS = {"tab": "\t", "semicolon": ";", "bar": "|", "comma": ",", "space": " "}
DECIMALS = ("point", "comma")
_NAMES = ("", "id", "index", "label", "name", "unnamed: 0")  # headings of a column of names
_TOO_LONG = 30
_LINES_TRIED = 100
_COUNTED = 10  # so many headings 0, 1, 2, ... are no data
_IN_NAMES = "-/:_#"  # as in dates
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_POINT = re.compile(r"[+-]?(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class TextTable:
    """Cells of a text file, line by line, all lines with the same number of cells."""

    path: Path
    separator: str  # a key of SEPARATORS
    heading_line: int | None
    headings: list[str] | None
    line: list[int]  # number of each line in the file
    cells: list[list[str]]

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return len(self.cells[0])

    def column(self, k: int) -> list[str]:
        """Return the cells of a column."""
        return [cells[k] for cells in self.cells]

    def looks_like_names(self) -> bool:
        """Return whether the first column has names: a heading for them, or text in all cells."""
        if self.headings is not None and self.headings[0].strip().lower() in _NAMES:
            return True
        return all(_like_name(cells[0]) for cells in self.cells)

    def numbers(
        self, columns: Sequence[int], *, decimal: str | None = None, infinite: bool = False
    ) -> tuple[NDArray[np.float64], str]:
        """Return columns as numbers, and the decimal sign.

        Parameters
        ----------
        columns : sequence of int
            Columns, from 0 on.
        decimal : {"point", "comma"}, optional
            None: as the numbers have it, if that is certain.
        infinite : bool, default=False
            Whether ``inf`` is allowed.
        """
        sign = self._decimal(columns) if decimal is None else decimal
        values = np.empty((len(self.cells), len(columns)))
        for row, cells in enumerate(self.cells):
            for k, column in enumerate(columns):
                value = _number(cells[column], sign)
                if value is None or value != value or (abs(value) == np.inf and not infinite):
                    raise self._no_number(row, column, sign, infinite)
                values[row, k] = value
        return values, sign

    def _decimal(self, columns: Sequence[int]) -> str:
        """Return the decimal sign of the numbers; stop where it is not certain."""
        first: dict[str, tuple[int, int]] = {}
        for row, cells in enumerate(self.cells):
            for column in columns:
                text = cells[column].strip()
                for kind, form in (("thousands", _THOUSANDS), ("comma", _COMMA), ("point", _POINT)):
                    if form.fullmatch(text):
                        first.setdefault(kind, (row, column))
                        break
        comma = first.get("comma") or first.get("thousands")
        if comma is None:
            return "point"
        if "point" in first:
            one, other = self._at(*first["point"]), self._at(*comma, short=True)
            raise ValueError(
                f"{one} has a decimal point, but {other} has a comma: write all numbers with one "
                "decimal sign and no other separators."
            )
        if "comma" not in first:
            raise ValueError(
                f"{self._at(*comma)} may have a decimal comma or a separator of thousands: give "
                "--decimal comma, or remove the separators."
            )
        return "comma"

    def _no_number(self, row: int, column: int, decimal: str, infinite: bool) -> ValueError:
        kind = "number" if infinite else "finite number"
        if decimal == "comma":
            kind += " with a decimal comma"
        others = [cell for k, cell in enumerate(self.column(column)) if k != row]
        text = sum(not _like_number(cell) for cell in others)
        name = self._named(column) or str(column + 1)
        remedy = ""
        if text and text == len(others):  # a column of text
            remedy = f" Leave the column out with --drop {name}, or read names from it with "
            remedy += f"--names {name}."
        elif row == 0 and self.headings is None:
            remedy = " If this line holds headings, none of them may be a number."
        elif not self.column(column)[row].strip() and not infinite:
            remedy = f" Fill it, or leave out the row, or the column with --drop {name}."
        return ValueError(f"{self._at(row, column)} is not a {kind}.{remedy}")

    def _named(self, column: int) -> str:
        return "" if self.headings is None else self.headings[column].strip()

    def _at(self, row: int, column: int, *, short: bool = False) -> str:
        """Return the place and the text of a cell."""
        name = self._named(column)
        where = f"line {self.line[row]}, column {column + 1}" + (f" ({name})" if name else "")
        return f"{'' if short else f'{self.path}, '}{where}: {_shown(self.cells[row][column])}"


def read_text_table(path: Path, separator: str | None = None) -> TextTable:
    """Read the cells of a text file.

    Parameters
    ----------
    path : Path
        A .csv or .tsv file.
    separator : str, optional
        A key of ``SEPARATORS``. None: tab for .tsv; else the one with which the lines have the same
        number of cells and most of these are numbers.

    Raises
    ------
    ValueError
        If the content is invalid; the message names the file and the line.
    OSError
        If it cannot be read.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text in UTF-8: {error.reason}.") from error
    if separator is None:
        separator = "tab" if path.suffix.lower() == ".tsv" else _separator_of(text)
    lines = _lines(path, text, separator)
    if not lines:
        raise ValueError(f"{path} is empty.")
    headed = _is_heading(lines)
    heading = lines[0] if headed else None
    if headed and len(lines) == 1:
        raise ValueError(f"{path} has a line of headings and nothing below it.")
    width = len(lines[0][1])
    for line, cells in lines:
        if len(cells) != width:
            raise ValueError(
                f"{path}, line {line}: {len(cells)} cells, expected {width}; the separator is a "
                f"{separator}."
            )
    below = lines[1:] if headed else lines
    return TextTable(
        path,
        separator,
        None if heading is None else heading[0],
        None if heading is None else heading[1],
        [line for line, _ in below],
        [cells for _, cells in below],
    )


def _lines(path: Path, text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Return the number and the cells of every line that is not empty."""
    reader = _reader(text, separator)
    try:
        return [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}.") from error


def _reader(text: str, separator: str) -> Any:
    if spaces := separator == "space":  # columns may be aligned by several
        text = "\n".join(line.strip(" ") for line in text.split("\n"))
    delimiter = SEPARATORS[separator]
    return csv.reader(StringIO(text), delimiter=delimiter, skipinitialspace=spaces, strict=True)


def _separator_of(text: str) -> str:
    """Return the separator that splits the first lines into most numbers."""
    best, most = "comma", 0.0
    for separator in SEPARATORS:
        rows = (cells for cells in _reader(text, separator) if any(map(str.strip, cells)))
        lines: list[list[str]] = []
        with suppress(csv.Error):  # reported when the file is read with the separator found
            lines.extend(islice(rows, _LINES_TRIED))
        below = lines[1:] or lines
        width = Counter(map(len, below)).most_common(1)[0][0] if below else 0
        if width < 2:
            continue
        numbers = [sum(map(_like_number, c)) / width for c in below if len(c) == width]
        same = sum(len(cells) == width for cells in lines) / len(lines)
        share = same * sum(numbers) / len(below)
        if share > most:
            best, most = separator, share
    return best


def _is_heading(lines: list[tuple[int, list[str]]]) -> bool:
    """Return whether the first line has headings: text in place of numbers, or counted columns."""
    cells = lines[0][1]
    if _counts_columns(cells, [other for _, other in lines[1:]]):
        return True
    if all(map(_like_number, cells[1:])):
        # one cell of text before numbers is a name; alone above a number it is a heading
        below = lines[1][1] if len(lines) > 1 else cells
        return len(cells) == 1 and not _like_number(cells[0]) and _like_number(below[0])
    # a faulty first line has numbers, headings have none
    return not any(map(_like_number, cells[1:]))


def _counts_columns(cells: list[str], below: list[list[str]]) -> bool:
    """Return whether the cells are 0, 1, 2, ..., as pandas heads columns without names."""
    index = 1 if cells[0].strip() == "" else 0
    counted = [str(k) for k in range(len(cells) - index)]
    if not below or not counted or [cell.strip() for cell in cells[index:]] != counted:
        return False
    if index or len(counted) >= _COUNTED:
        return True
    # few whole numbers may be data, unless what is below is not whole
    whole = [[cell.strip().lstrip("+-").isdigit() for cell in other] for other in below]
    if len(counted) < 3:
        return not any(map(any, whole))
    return any(not any(column) for column in zip(*whole, strict=False))


def _like_number(cell: str) -> bool:
    return _number(cell, "point") is not None or _COMMA.fullmatch(cell.strip()) is not None


def _like_name(cell: str) -> bool:
    """Return whether a cell is text, and no number in an unusual form, as 1.234,5 or 5%."""
    text = cell.strip()
    if _like_number(text) or not text:
        return False
    return any(sign.isalpha() or sign in _IN_NAMES for sign in text[1:]) or text[0].isalpha()


def _number(cell: str, decimal: str) -> float | None:
    """Return the number in a cell, None where there is none."""
    text = cell.strip()
    if decimal == "comma":
        if "." in text or (text.count(",") and not _COMMA.fullmatch(text)):
            return None
        text = text.replace(",", ".")
    if "_" in text:  # Python would read 1_000
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _shown(cell: str) -> str:
    if not cell.strip():
        return "an empty cell"
    return repr(cell if len(cell) <= _TOO_LONG else f"{cell[:_TOO_LONG]}...")
