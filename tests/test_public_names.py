"""Every public name says what it is, and shows by an example that runs how it is used."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import neurotopo
from tests.reference import in_the_reference

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "neurotopo",
    "neurotopo.cluster",
    "neurotopo.datasets",
    "neurotopo.explore",
    "neurotopo.graphs",
    "neurotopo.knowledge",
    "neurotopo.models",
    "neurotopo.persistence",
    "neurotopo.plots",
    "neurotopo.report",
    "neurotopo.studies",
    "neurotopo.testbed",
    "neurotopo.tuning",
)
SECTIONS = ("Parameters", "Returns", "Yields")


def found(name):
    """Return what a dotted name stands for, and the module that it is found in."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        value = module
        for part in parts[length:]:
            value = getattr(value, part)
        return value, module
    raise AssertionError(f"there is no module of {name}")


def exported():
    """Return the names in ``__all__`` of the packages."""
    return [
        f"{package}.{name}"
        for package in PACKAGES
        for name in getattr(importlib.import_module(package), "__all__", ())
    ]


PUBLIC = sorted({*in_the_reference(), *exported()})


def is_constant(value):
    """Tell what cannot have a docstring: neither a class, nor a function, nor a module."""
    return not (inspect.isclass(value) or callable(value) or isinstance(value, ModuleType))


def fault_of(value):
    """Return what is wrong with the docstring of a class, a function or a module, or None."""
    text = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    # a dataclass without a docstring is given its signature
    if not text or not text.strip() or text.startswith(f"{getattr(value, '__name__', '')}("):
        return "has no docstring"
    if isinstance(value, ModuleType):
        return None
    examples = doctest.DocTestParser().get_examples(text)
    if not any(not example.options.get(doctest.SKIP) for example in examples):
        return "has no example that runs"
    return None


def public_classes():
    """Return the classes of ``neurotopo`` itself, with those of ours that they inherit from."""
    classes = (getattr(neurotopo, name) for name in neurotopo.__all__)
    return [value for value in classes if inspect.isclass(value)]


def methods(kind):
    """Return the public functions of a class, of our own, by name."""
    own: dict[str, object] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("neurotopo."):
            own.update({name: value for name, value in vars(base).items() if name[0] != "_"})
    plain = {name: getattr(value, "__func__", value) for name, value in own.items()}
    return {
        name: value
        for name, value in plain.items()
        if inspect.isfunction(value) or isinstance(value, property)
    }


def documented(text):
    """Return the sections of a docstring that are there, and the names of the parameters."""
    headed = re.findall(r"^ *(\w+)\n *-+$", text, re.MULTILINE)
    _, _, after = text.partition("Parameters\n")
    listed = re.split(r"\n\s*\n *\w+\n *-+\n", after)[0]
    named = re.findall(r"^ *([\w*, ]+?)(?: : .*)?$", listed, re.MULTILINE)
    names = {name.strip(" *") for line in named for name in line.split(",")}
    return [name for name in SECTIONS if name in headed], names


def faults_of_method(method):
    """Return what is missing in the docstring of a method."""
    of_property = isinstance(method, property)
    text = inspect.getdoc(method.fget if of_property else method)
    if not text:
        return ["a docstring"]
    if of_property:
        return []
    sections, names = documented(text)
    signature = inspect.signature(method)
    taken = [name for name in signature.parameters if name not in ("self", "cls")]
    missing = [name for name in taken if name not in names]
    # what a block of code is given, not what is returned
    is_context = hasattr(method, "__wrapped__") and inspect.isgeneratorfunction(
        inspect.unwrap(method)
    )
    gives = signature.return_annotation not in (None, "None", inspect.Signature.empty)
    if gives and not is_context and not {"Returns", "Yields"} & set(sections):
        missing.append("what it returns")
    return missing


def test_the_names_are_found():
    assert len(in_the_reference()) > 200
    assert len(exported()) > 100
    assert {"neurotopo.load_model", "neurotopo.studies.run"} <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_an_example(name):
    value, module = found(name)
    assert fault_of(module) is None, f"{module.__name__} {fault_of(module)}"
    if not is_constant(value):
        assert fault_of(value) is None, f"{name} {fault_of(value)}"


def test_constants_are_plain_values():
    values = {name: found(name)[0] for name in PUBLIC}
    constants = {name for name, value in values.items() if is_constant(value)}
    assert constants, "the rule for constants is about nothing"
    assert all(name.rpartition(".")[2].isupper() for name in constants), sorted(constants)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_is(package):
    module = importlib.import_module(package)
    assert fault_of(module) is None
    for name in getattr(module, "__all__", ()):
        assert hasattr(module, name), f"{package}.__all__ names {name}, which is not there"


@pytest.mark.parametrize("kind", public_classes(), ids=lambda kind: kind.__name__)
def test_the_methods_say_what_they_take_and_return(kind):
    faults = {name: faults_of_method(method) for name, method in methods(kind).items()}
    assert {name: fault for name, fault in faults.items() if fault} == {}


def test_a_name_without_an_example_is_told():
    def bare(): ...

    def silent():
        """Do nothing."""

    def skipped():
        """Do nothing.

        >>> 1 / 0  # doctest: +SKIP
        """

    def shown():
        """Do nothing.

        >>> shown()
        """

    class Heir(neurotopo.NTCClusterer):
        pass

    assert fault_of(bare) == fault_of(Heir) == fault_of(ModuleType("m")) == "has no docstring"
    assert fault_of(silent) == fault_of(skipped) == "has no example that runs"
    assert fault_of(shown) is None


def test_a_method_without_sections_is_told():
    class Kind:
        def bare(self, a: int) -> int: ...

        def half(self, a: int, b: int) -> int:
            """Add.

            Parameters
            ----------
            a : int
                The one.
            """

        def whole(self, a: int, b: int, **more: int) -> int:
            """Add.

            Parameters
            ----------
            a, b : int
                Both.
            **more
                The others.

            Returns
            -------
            int
            """

    assert faults_of_method(Kind.bare) == ["a docstring"]
    assert faults_of_method(Kind.half) == ["b", "what it returns"]
    assert faults_of_method(Kind.whole) == []
