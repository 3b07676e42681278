"""Rules for the files of the tests."""

from __future__ import annotations

import ast
from pathlib import Path

TESTS = Path(__file__).parent
MOST_LINES = 500


def imported(source):
    """Return the dotted names of the modules that a source imports, in functions too."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def imported_tests(source):
    """Return the test modules that a source imports."""
    return [
        name
        for name in imported(source)
        if name.startswith("tests.") and any(part.startswith("test_") for part in name.split("."))
    ]


def test_no_test_imports_another_test():
    importing = {
        str(path.relative_to(TESTS)): modules
        for path in sorted(TESTS.rglob("*.py"))
        if (modules := imported_tests(path.read_text(encoding="utf-8")))
    }
    assert importing == {}


def test_no_test_file_is_long():
    lines = {
        str(path.relative_to(TESTS)): len(path.read_text(encoding="utf-8").splitlines())
        for path in sorted(TESTS.rglob("*.py"))
    }
    assert {name: n for name, n in lines.items() if n > MOST_LINES} == {}


def test_imports_of_tests_are_seen():
    seen = "import tests.a.test_b\ndef f():\n    from tests.a import test_c\n    import os\n"
    assert imported_tests(seen) == ["tests.a.test_b", "tests.a.test_c"]
    assert (
        imported_tests("from tests.support import oracles\nfrom tests.support.zoo import x") == []
    )
