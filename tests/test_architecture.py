"""The layers of the package: imports go one way, and never in a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import neurotopo

PACKAGE = Path(neurotopo.__file__).parent

LAYERS = (
    ("_memory", "_version"),
    ("_codec", "_extras", "_files", "_moved", "_registry", "_upward"),
    ("persistence", "neurons"),
    ("metrics",),
    ("cluster", "graphs"),
    ("models",),
    ("knowledge",),
    ("tuning", "testbed", "redundancy"),
    ("datasets",),
    ("plots",),
    ("explore",),
    ("report",),
    ("studies",),
    ("demo", "app"),
    ("commands",),
    ("cli",),
    ("__main__",),
)
"""From the lowest to the highest. A module imports from its own package and from lower layers."""

HIDDEN = {
    "neurotopo._upward",  # the explorer and checkpoints, from below
    "neurotopo.studies.ray_engine",  # Ray itself
    "neurotopo.studies.ray_head",
    "neurotopo.studies.ray_worker",
    "neurotopo.studies.study",  # a study by its name
    "neurotopo.tuning.lora",  # peft
}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def module_of(path):
    """Return the dotted name of a file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def part_of(module):
    """Return the package or the module right under ``neurotopo``."""
    return module.split(".")[1] if "." in module else ""


def only_for_types(node):
    """Tell whether a node is the block ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(tree, types):
    """Yield what a syntax tree imports: (module, name or None)."""
    for node in ast.iter_child_nodes(tree):
        if only_for_types(node) and not types:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        yield from imports(node, types)


def arrows(types):
    """Return, for each module, the modules of ours that it imports; also inside functions."""
    graph = {}
    for name, path in MODULES.items():
        found = set()
        for module, what in imports(ast.parse(path.read_text(encoding="utf-8")), types):
            if module.split(".")[0] != "neurotopo":
                continue
            whole = f"{module}.{what}"
            found.add(whole if whole in MODULES else module)
        graph[name] = {module for module in found if module in MODULES and module != name}
    return graph


def circles(graph):
    """Return the strongly connected components of more than one module (Tarjan)."""
    index, low, stack, on, result = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = []
            while not part or part[-1] != node:
                part.append(stack.pop())
                on.discard(part[-1])
            if len(part) > 1:
                result.append(sorted(part))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return result


def test_every_part_has_a_layer():
    parts = {part_of(module) for module in MODULES} - {""}
    assert parts == set(LEVEL) & parts, parts - set(LEVEL)


@pytest.mark.parametrize("types", [False, True])
def test_there_is_no_circle(types):
    """With types, the two doors of ``_upward`` are left out: they are named in ``HIDDEN``."""
    graph = arrows(types)
    if types:
        graph["neurotopo._upward"] = set()
    assert circles(graph) == []


def test_imports_go_down():
    wrong = []
    for module, others in arrows(types=False).items():
        part = part_of(module)
        if not part:  # the package itself loads its names from anywhere, when they are first used
            continue
        for other in sorted(others):
            to = part_of(other)
            if to and to != part and LEVEL[to] >= LEVEL[part]:
                wrong.append(f"{module} -> {other}")
    assert wrong == []


def test_modules_are_named_in_strings_only_where_it_is_said():
    """``import_module`` could hide an arrow, so each use is listed here."""
    using = {
        name
        for name, path in MODULES.items()
        if "import_module(" in path.read_text(encoding="utf-8")
    }
    assert using == HIDDEN


def test_a_circle_is_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert circles(graph) == [["a", "b", "c"]]
