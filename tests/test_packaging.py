"""What is shipped: the wheel, the sources, and the files that describe them."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tarfile
import zipfile
from datetime import date
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import neurotopo
from neurotopo.models.builtin_models import built_in

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
METADATA = PROJECT["project"]
EXTRAS = METADATA["optional-dependencies"]
DESCRIBED = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
CACHES = {"__pycache__", ".ipynb_checkpoints", ".DS_Store"}


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def names_under(folder):
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    names = {path.relative_to(ROOT).as_posix() for path in paths if path.suffix != ".pyc"}
    return {name for name in names if not CACHES & set(name.split("/"))}


def in_wheel(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.getinfo(name).file_size for name in archive.namelist()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    from hatchling.builders.wheel import WheelBuilder

    (path,) = WheelBuilder(str(ROOT)).build(
        directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"]
    )
    return Path(path)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The sources as a user unpacks them."""
    from hatchling.builders.sdist import SdistBuilder

    folder = tmp_path_factory.mktemp("sources")
    (path,) = SdistBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with tarfile.open(path) as archive:
        if hasattr(tarfile, "data_filter"):
            archive.extractall(folder, filter="data")
        else:
            archive.extractall(folder)
    return folder / Path(path).name.removesuffix(".tar.gz")


# the wheel and the sources


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = set(in_wheel(wheel))
    package = {name for name in names if name.startswith("neurotopo/")}
    assert package == names_under("neurotopo")
    assert {name.split("/")[0] for name in names - package} == {
        f"neurotopo-{neurotopo.__version__}.dist-info"
    }


def test_the_wheel_holds_every_model_that_is_shipped(wheel):
    sizes = in_wheel(wheel)
    shipped = [name for name in built_in() if name != "null"]  # made anew, from no file
    assert {"bert", "functional", "gpt2", "llama", "planted"} <= set(shipped)
    for name in shipped:
        folder = f"neurotopo/testbed/models/{name}"
        assert sizes[f"{folder}/model.safetensors"] > 100_000
        for file in ("README.md", "config.json", "facts.jsonl", "tokenizer.json"):
            assert sizes[f"{folder}/{file}"] > 0


def test_the_wheel_holds_the_template_of_reports_and_the_mark_of_types(wheel):
    names = in_wheel(wheel)
    assert "neurotopo/report/page.html.jinja" in names
    assert "neurotopo/py.typed" in names


def test_the_wheel_is_of_a_size_to_be_downloaded(wheel):
    assert wheel.stat().st_size < 30e6  # the models are most of it


def test_the_metadata_of_the_wheel(wheel):
    with zipfile.ZipFile(wheel) as archive:
        folder = f"neurotopo-{neurotopo.__version__}.dist-info"
        entries = archive.read(f"{folder}/entry_points.txt").decode()
        metadata = archive.read(f"{folder}/METADATA").decode()
        assert archive.read(f"{folder}/licenses/LICENSE").decode() == text("LICENSE")
    assert "neurotopo = neurotopo.cli:main" in entries
    assert f"\nVersion: {neurotopo.__version__}\n" in metadata
    assert "\nLicense-Expression: MIT\n" in metadata
    assert "# neurotopo" in metadata  # the README is its long description
    assert set(re.findall(r"^Provides-Extra: (\S+)$", metadata, re.MULTILINE)) == set(EXTRAS)


def test_the_sources_hold_what_their_tests_need(unpacked):
    there = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*")}
    for folder in ("neurotopo", "tests", "benchmarks", "notebooks", "recipe", "scripts"):
        missing = names_under(folder) - there
        assert not missing
    made = ("docs/_build/", "docs/generated/")  # by make docs
    assert {name for name in names_under("docs") if not name.startswith(made)} <= there
    files = ("CONTRIBUTING.md", "SECURITY.md", "Makefile", "conftest.py", "constraints.txt")
    assert {*DESCRIBED, *files, ".github/workflows/ci.yml"} <= there


def test_the_sources_hold_nothing_that_was_made_from_them(unpacked):
    for path in unpacked.rglob("*"):
        parts = set(path.relative_to(unpacked).parts)
        assert not {*CACHES, ".venv", ".git", "_build", "generated"} & parts, path
        assert path.suffix not in (".pyc", ".sqlite", ".whl"), path


def test_the_sources_build_the_same_wheel(unpacked, wheel, tmp_path):
    from hatchling.builders.wheel import WheelBuilder

    (again,) = WheelBuilder(str(unpacked)).build(directory=str(tmp_path), versions=["standard"])
    assert in_wheel(again) == in_wheel(wheel)


# without extras

_CORE_ONLY = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
import numpy as np
import neurotopo as nt
from neurotopo import plots
from neurotopo.demo import main
main(["--out", "made"])
lengths = np.array([[0, 1, 9], [1, 0, 9], [9, 9, 0]], dtype=float)
tree = nt.merge_tree(lengths)
nt.persistence_diagrams(lengths)
fitted = nt.NTCClusterer.paper(metric="precomputed", min_cluster_size=2).fit(lengths)
assert fitted.labels_.tolist() == [0, 0, -1], fitted.labels_
plots.BarcodeDisplay.from_estimator(fitted)
for name in ("load_model", "NeuronTuner"):
    try:
        getattr(nt, name)
    except ImportError as error:
        assert "pip install 'neurotopo[llm]'" in str(error)
    else:
        raise AssertionError(name)
try:
    nt.studies.run("acquisition", model="testbed:gpt2")
except ImportError as error:
    assert "pip install 'neurotopo[llm]'" in str(error)
else:
    raise AssertionError("a study without torch")
"""


def _with_all_they_need(requirements):
    """Return the installed distributions that are needed for those, themselves included."""
    found, to_do = set(), list(requirements)
    while to_do:
        requirement = Requirement(to_do.pop())
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        to_do += importlib.metadata.requires(name) or []
    return found


def test_the_clusterer_needs_nothing_but_the_plain_install(tmp_path):
    core = _with_all_they_need(METADATA["dependencies"])
    modules = importlib.metadata.packages_distributions()
    absent = {
        module
        for module, owners in modules.items()
        if not core & {canonicalize_name(owner) for owner in owners}
    } - {"neurotopo", "_distutils_hack", "__pycache__"}
    assert {"torch", "transformers", "jinja2", "tokenizers"} <= absent
    run = subprocess.run(
        [sys.executable, "-c", _CORE_ONLY.format(absent=sorted(absent))],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "made" / "clusters.csv").is_file()


# what describes the package


def test_the_changelog_begins_with_this_version():
    heads = re.findall(r"^## \[(.+?)\] - (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert heads[0][0] == neurotopo.__version__
    versions = [tuple(int(part) for part in version.split(".")) for version, _ in heads]
    assert versions == sorted(set(versions), reverse=True)
    for _, when in heads[1:]:
        date.fromisoformat(when)
    assert heads[0][1] == "Unreleased" or date.fromisoformat(heads[0][1])


def test_the_citation_says_what_the_package_says():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]
    assert citation["title"] == METADATA["name"]
    assert citation["version"] == neurotopo.__version__
    assert citation["license"] == METADATA["license"]
    assert citation["authors"] == METADATA["authors"]
    assert citation["keywords"] == METADATA["keywords"]
    assert " ".join(citation["abstract"].split()) == METADATA["description"] + "."


def test_the_citation_names_the_papers():
    papers = yaml.safe_load(text("CITATION.cff"))["references"]
    ids = {entry["value"] for paper in papers for entry in paper["identifiers"]}
    assert ids == {"arXiv:2402.13731", "arXiv:2308.13198"}
    for paper in papers:
        assert {"type", "title", "authors", "year"} <= set(paper)
        assert all({"family-names", "given-names"} == set(author) for author in paper["authors"])


def test_the_licence_is_the_one_that_is_named():
    assert text("LICENSE").startswith(f"{METADATA['license']} License\n")
    assert METADATA["authors"][0]["name"] in text("LICENSE")


def test_extras_that_are_named_exist():
    assert set(re.findall(r"`\[([a-z]+)\]`", text("README.md"))) == set(EXTRAS)
    sources = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.md")]
    sources += [ROOT / "Makefile", *ROOT.glob("neurotopo/**/*.py"), *ROOT.glob("benchmarks/*.md")]
    named = set()
    for path in sources:
        found = re.findall(r"(?:neurotopo|\.)\[([a-z, ]+)\]", path.read_text(encoding="utf-8"))
        named |= {extra.strip() for words in found for extra in words.split(",")}
    assert {"llm", "dev"} <= named
    assert named <= set(EXTRAS)


def test_the_extras_of_the_makefile_are_those_that_the_tests_need():
    ready, bench = re.findall(r"'\.\[(.+?)\]'", text("Makefile"))
    assert set(bench.split(",")) == set(EXTRAS)
    assert set(ready.split(",")) == set(EXTRAS) - {"bench"}


# versions


def pins():
    lines = (line.partition("#")[0].strip() for line in text("constraints.txt").splitlines())
    return [Requirement(line) for line in lines if line]


def test_every_requirement_is_pinned_within_its_range():
    pinned = {canonicalize_name(pin.name): pin for pin in pins()}
    assert len(pinned) == len(pins()), "pinned twice"
    wanted = [*METADATA["dependencies"], *PROJECT["build-system"]["requires"]]
    wanted += [requirement for extra in EXTRAS.values() for requirement in extra]
    for requirement in map(Requirement, wanted):
        (exactly,) = pinned[canonicalize_name(requirement.name)].specifier
        assert exactly.operator == "=="
        assert exactly.version in requirement.specifier, requirement


def test_the_pins_are_of_the_same_pythons():
    markers = {str(pin.marker) for pin in pins()}
    assert markers == {'python_version >= "3.11"'}


def test_the_build_needs_the_same_as_the_tests_of_it():
    (build,) = PROJECT["build-system"]["requires"]
    assert build in EXTRAS["dev"]


# the workflow


@pytest.fixture(scope="module")
def workflow():
    return yaml.safe_load(text(".github/workflows/ci.yml"))


def steps_of(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_same_pythons_are_promised_and_tested(workflow):
    promised = re.findall(r"Python :: (3\.\d+)$", "\n".join(METADATA["classifiers"]), re.MULTILINE)
    tested = workflow["jobs"]["test"]["strategy"]["matrix"]["python-version"]
    assert tested == promised  # strings: a bare 3.10 would be read as 3.1
    allowed = SpecifierSet(METADATA["requires-python"])
    assert all(version in allowed for version in tested)
    oldest = tuple(int(part) for part in tested[0].split("."))
    assert f"{oldest[0]}.{oldest[1] - 1}" not in allowed
    assert PROJECT["tool"]["ruff"]["target-version"] == "py{}{}".format(*oldest)


def test_the_workflow_may_only_read(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())
    assert "secrets." not in text(".github/workflows/ci.yml")


def test_the_workflow_runs_on_changes_and_ends(workflow):
    triggers = workflow[True]  # YAML reads the word "on" as true
    assert {"push", "pull_request"} <= set(triggers)
    assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())


def test_actions_are_pinned_to_a_version(workflow):
    used = [step["uses"] for step in steps_of(workflow) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in used)


def test_what_the_workflow_makes_is_in_the_makefile(workflow):
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE))
    runs = "\n".join(step["run"] for step in steps_of(workflow) if "run" in step)
    made = set(re.findall(r"\bmake ([a-z]+)", runs))
    assert made == {"test", "docs", "dist", "matrix"}
    assert made <= targets


def test_the_workflow_installs_the_wheel_as_users_do(workflow):
    runs = "\n".join(step.get("run", "") for step in workflow["jobs"]["package"]["steps"])
    extras = re.findall(r"dist/\*\.whl\)\[(.+?)\]", runs)
    assert extras == ["llm,report"]
    assert set(extras[0].split(",")) <= set(EXTRAS)
    assert runs.count("neurotopo demo") == 2


def test_what_makes_itself_known_in_help_is_a_target():
    makefile = text("Makefile")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)[1].split()
    assert set(re.findall(r"'make ([a-z-]+) ", makefile)) | {"help"} == set(phony)
    assert set(phony) <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
