"""Every public name has a docstring that describes it, and an example that runs."""

from __future__ import annotations

import doctest
import importlib
import inspect
from dataclasses import is_dataclass
from types import ModuleType

import pytest
from numpydoc.docscrape import get_doc_object
from numpydoc.validate import validate

import neurotopo
from tests.support.reference import in_the_reference

PACKAGES = (
    "neurotopo",
    "neurotopo.cluster",
    "neurotopo.datasets",
    "neurotopo.explore",
    "neurotopo.graphs",
    "neurotopo.knowledge",
    "neurotopo.metrics",
    "neurotopo.models",
    "neurotopo.neurons",
    "neurotopo.persistence",
    "neurotopo.plots",
    "neurotopo.redundancy",
    "neurotopo.report",
    "neurotopo.studies",
    "neurotopo.testbed",
    "neurotopo.tuning",
)
# Checks of numpydoc: a docstring (GL08) with a summary (SS01), the parameters of the signature
# (PR01, PR02), a section of what is returned or yielded (RT01, YD01), and examples (EX01).
NO_DOCSTRING = "The object does not have a docstring"
OF_A_NAME = {"GL08", "SS01", "PR01", "PR02", "EX01"}
OF_A_METHOD = {"GL08", "SS01", "PR01", "PR02", "RT01", "YD01"}


def resolve(name):
    """Return the object of a dotted name, and the module that defines the name."""
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
    raise AssertionError(f"{name} is in no module")


def exported():
    """Return the names in ``__all__`` of the packages."""
    return [
        f"{package}.{name}"
        for package in PACKAGES
        for name in getattr(importlib.import_module(package), "__all__", ())
    ]


PUBLIC = sorted({*in_the_reference(), *exported()})


def is_constant(value):
    """Tell whether a value is neither a class, nor a function, nor a module."""
    return not (inspect.isclass(value) or callable(value) or isinstance(value, ModuleType))


def faults(value, checks):
    """Return the messages of the checks that the docstring of a class or function fails."""
    text = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
    # without a docstring, a dataclass gets its signature, and numpydoc reads that of a base class
    if not (text or "").strip() or text.startswith(f"{getattr(value, '__name__', '')}("):
        return [NO_DOCSTRING]
    document = get_doc_object(value, config={"show_class_members": False})
    if "EX01" in checks and not document["Parameters"]:
        checks = checks - {"PR01"}  # fields are attributes; a short function may have no sections
    if any(is_dataclass(base) for base in getattr(value, "__mro__", ())[1:]):
        checks = checks - {"PR01", "PR02"}  # the fields of the base are described there
    if document["Yields"]:
        checks = checks - {"RT01"}
    if hasattr(value, "__wrapped__"):
        checks = checks - {"YD01"}  # what a `with` block gets, not what is returned
    errors = validate(document)["errors"]
    messages = [message for code, message in errors if code in checks]
    if "EX01" in checks and not messages and not runs(text):
        messages.append("No example runs")
    return messages


def runs(text):
    """Tell whether a docstring has an example that is not skipped."""
    examples = doctest.DocTestParser().get_examples(text)
    return any(not example.options.get(doctest.SKIP) for example in examples)


def methods(kind):
    """Return the public methods and properties that the package defines for a class, by name."""
    own: dict[str, object] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("neurotopo."):
            own.update({name: value for name, value in vars(base).items() if name[0] != "_"})
    plain = {name: getattr(value, "__func__", value) for name, value in own.items()}
    return {n: v for n, v in plain.items() if inspect.isfunction(v) or isinstance(v, property)}


def public_classes():
    """Return the classes of ``neurotopo`` itself."""
    classes = (getattr(neurotopo, name) for name in neurotopo.__all__)
    return [value for value in classes if inspect.isclass(value)]


def test_the_names_are_found():
    assert len(in_the_reference()) > 200
    assert len(exported()) > 100
    assert {"neurotopo.load_model", "neurotopo.studies.run"} <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_a_docstring_and_an_example(name):
    value, module = resolve(name)
    assert (module.__doc__ or "").strip()
    if not is_constant(value) and not isinstance(value, ModuleType):
        assert faults(value, OF_A_NAME) == []


def test_constants_are_plain_values():
    constants = {name for name in PUBLIC if is_constant(resolve(name)[0])}
    assert constants, "the rule for constants is about nothing"
    assert all(name.rpartition(".")[2].isupper() for name in constants), sorted(constants)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_has_a_docstring_and_its_names(package):
    module = importlib.import_module(package)
    assert (module.__doc__ or "").strip()
    missing = [name for name in getattr(module, "__all__", ()) if not hasattr(module, name)]
    assert missing == []


@pytest.mark.parametrize("kind", public_classes(), ids=lambda kind: kind.__name__)
def test_the_methods_document_what_they_take_and_return(kind):
    messages = {name: faults(method, OF_A_METHOD) for name, method in methods(kind).items()}
    assert {name: fault for name, fault in messages.items() if fault} == {}


def bare(): ...


def silent():
    """Do nothing."""


def skipped():
    """Do nothing.

    Examples
    --------
    >>> 1 / 0  # doctest: +SKIP
    """


def shown(a):
    """Do nothing.

    Parameters
    ----------
    a : int
        A number.

    Examples
    --------
    >>> shown(1)
    """


class Heir(neurotopo.NTCClusterer):
    pass


class Kind:
    def half(self, a: int, b: int) -> int:
        """Add.

        Parameters
        ----------
        a : int
            The first number.
        c : int
            Not in the signature.
        """
        return a + b

    def whole(self, a: int, b: int, **more: int) -> int:
        """Add.

        Parameters
        ----------
        a, b : int
            Both numbers.
        **more
            The others.

        Returns
        -------
        int
        """
        return a + b + sum(more.values())


def test_faults_of_names_and_methods_are_found():
    assert faults(bare, OF_A_NAME) == faults(Heir, OF_A_NAME) == [NO_DOCSTRING]
    assert faults(silent, OF_A_NAME) == ["No examples section found"]
    assert faults(skipped, OF_A_NAME) == ["No example runs"]
    assert faults(shown, OF_A_NAME) == []
    assert faults(bare, OF_A_METHOD) == [NO_DOCSTRING]
    assert faults(Kind.half, OF_A_METHOD) == [
        "Parameters {'b'} not documented",
        "Unknown parameters {'c'}",
        "No Returns section found",
    ]
    assert faults(Kind.whole, OF_A_METHOD) == []
