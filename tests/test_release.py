"""What a release needs: its check, the recipe, the site of several versions, the templates."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import neurotopo
from neurotopo.cli import main
from tests.support.reference import script

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
release_check = script(ROOT / "scripts" / "release_check.py")
publish_docs = script(ROOT / "scripts" / "publish_docs.py")
CONDA = {"matplotlib": "matplotlib-base", "torch": "pytorch"}


def read(name):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


# the check of a release


def test_every_extra_of_users_is_tried():
    extras = set(PROJECT["optional-dependencies"]) - {"dev", "bench"}
    assert extras <= set(release_check.CHECKS)
    for name, (installed, code, commands) in release_check.CHECKS.items():
        assert name in installed.split(",")
        compile(code, name, "exec")
        assert code.strip()
        assert commands


def test_the_promised_pythons_are_tried():
    promised = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert set(promised) <= set(release_check.PYTHONS)


@pytest.mark.parametrize("name", ["", "llm", "report", "tune"])
def test_the_code_that_is_tried_works(name, tmp_path):
    _, code, _ = release_check.CHECKS[name]
    code = code.replace('assert importlib.util.find_spec("torch") is None', "")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_a_python_is_found_and_a_wrong_one_is_not():
    here = "{}.{}".format(*sys.version_info)
    found = release_check.interpreter(here)
    assert release_check.says(found, here)
    assert not release_check.says(found, "2.6")
    assert release_check.interpreter("2.6") is None


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Let the build be a wheel with an extra, and collect the calls of pip and of programs."""
    wheel = tmp_path / "neurotopo-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("neurotopo-1.dist-info/METADATA", "Name: x\nProvides-Extra: llm\n")
    calls = []

    def run(words, folder):
        calls.append([*map(str, words)])
        if "doctor --full" in " ".join(calls[-1]):
            raise subprocess.CalledProcessError(1, words, "torch is broken")

    monkeypatch.setattr(release_check, "build", lambda folder: (wheel, tmp_path / "s.tar.gz"))
    monkeypatch.setattr(release_check, "run", run)
    return calls


def test_a_failure_is_told_and_the_status_is_1(built, capsys):
    here = "{}.{}".format(*sys.version_info)
    assert release_check.main(["--python", here, "2.6", "--extra", "llm", "app"]) == 1
    told = capsys.readouterr().out
    assert f"Python {here}, whl: works" in told
    assert f"Python {here}, gz: works" in told
    assert re.search(r"\[llm\]: .*doctor --full failed:\ntorch is broken", told)
    assert "not checked: Python 2.6" in told
    assert "no extra app" in told
    assert "1 failed" in told
    assert release_check.main(["--python", here, "--extra"]) == 0
    assert any(word.endswith(".whl[llm]") for words in built for word in words)


def test_no_python_is_no_success(built):
    assert release_check.main(["--python", "2.6"]) == 1


# the recipe


def test_the_recipe_needs_what_the_package_needs():
    recipe = read("recipe/recipe.yaml")
    assert recipe["context"]["version"] == neurotopo.__version__
    assert recipe["about"]["summary"] == PROJECT["description"]
    entry = {f"{name} = {place}" for name, place in PROJECT["scripts"].items()}
    assert set(recipe["build"]["python"]["entry_points"]) == entry
    needs = set(map(str, map(_conda, PROJECT["dependencies"])))
    (python, *run) = recipe["requirements"]["run"]
    assert python.startswith("python ")
    assert {str(Requirement(text)) for text in run} == needs
    llm = set(map(str, map(_conda, PROJECT["optional-dependencies"]["llm"])))
    limits = recipe["requirements"]["run_constraints"]
    assert {str(Requirement(text)) for text in limits} <= llm


def _conda(text):
    need = Requirement(text)
    need.name = CONDA.get(need.name, need.name)
    return need


def test_the_commands_that_the_recipe_tries_work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (commands,) = (
        test["script"] for test in read("recipe/recipe.yaml")["tests"] if "script" in test
    )
    for text in commands:
        program, *words = text.split()
        assert program == "neurotopo"
        assert main(words) == 0


# the site of several versions


@pytest.fixture
def site(tmp_path):
    """Return a function that publishes pages under a version, and the site."""

    def publish(version):
        html = tmp_path / "html"
        html.mkdir(exist_ok=True)
        (html / "index.html").write_text(version)
        place = tmp_path / "site"
        place.mkdir(exist_ok=True)
        assert publish_docs.main([str(html), str(place), version, "https://site/"]) == 0
        return place, json.loads((place / "versions.json").read_text())

    return publish


def test_the_newest_release_is_first_and_preferred(site):
    place, versions = site("dev")
    assert [each["version"] for each in versions] == ["dev"]
    for version in ("0.9", "0.10", "0.2"):
        place, versions = site(version)
    assert [each["version"] for each in versions] == ["0.10", "0.9", "0.2", "dev"]
    assert [each["preferred"] for each in versions] == [True, False, False, False]
    assert versions[0]["url"] == "https://site/0.10/"
    assert 'url=0.10/"' in (place / "index.html").read_text()
    assert (place / "0.9" / "index.html").read_text() == "0.9"


def test_pages_of_a_version_are_replaced(site):
    place, _ = site("dev")
    (place / "dev" / "old.html").touch()
    site("dev")
    assert not (place / "dev" / "old.html").exists()


def test_a_version_is_no_path(site):
    with pytest.raises(SystemExit, match="must be dev or numbers"):
        site("../up")


def test_the_workflow_of_the_site():
    workflow = read(".github/workflows/pages.yml")
    runs = "\n".join(step.get("run", "") for step in workflow["jobs"]["publish"]["steps"])
    assert "make docs" in runs
    assert "scripts/publish_docs.py docs/_build/html site" in runs
    conf = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    names = set(re.findall(r"\bNEUROTOPO_DOCS_\w+", runs))
    assert names == set(re.findall(r"\bNEUROTOPO_DOCS_\w+", conf))
    assert "secrets." not in str(workflow)


def test_broken_links_of_a_site_are_found(tmp_path, capsys):
    check_site = script(ROOT / "scripts" / "check_site.py")
    links = ("b.html#there", "b.html#gone", "c.html", "#own", "https://example.org", "b.html?q=1")
    page = "".join(f'<a href="{link}">x</a>' for link in links)
    (tmp_path / "a.html").write_text(f'<p id="own">{page}<img src="d.svg">')
    (tmp_path / "b.html").write_text('<p id="there">')
    assert check_site.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        *(f"a.html: {link} leads nowhere" for link in ("b.html#gone", "c.html", "d.svg")),
        "6 internal links, 3 broken",
    ]
    for name in ("c.html", "d.svg"):
        (tmp_path / name).touch()
    (tmp_path / "b.html").write_text('<p id="there"><p id="gone">')
    assert check_site.main([str(tmp_path)]) == 0


# the templates of issues


@pytest.mark.parametrize("name", ["bug", "feature", "question"])
def test_a_template_is_complete(name):
    form = read(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert {"name", "description", "labels", "body"} == set(form)
    ids = [part["id"] for part in form["body"]]
    assert len(ids) == len(set(ids)) > 0
    assert all(part["attributes"]["label"] for part in form["body"])
