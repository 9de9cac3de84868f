"""What contributors and citers read: it can be parsed, agrees with the project, and names files
that exist."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))
KINDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


def read(path: str):
    return yaml.safe_load((ROOT / path).read_text())


def test_the_citation_is_of_this_version_and_of_the_paper():
    citation = read("CITATION.cff")
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert "2408.11054" in citation["preferred-citation"]["url"]


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_for_what_the_doctor_says(form):
    content = yaml.safe_load(form.read_text())
    assert {"name", "description", "body"} <= content.keys()
    assert {part["type"] for part in content["body"]} <= KINDS
    ids = [part["id"] for part in content["body"] if part["type"] != "markdown"]
    assert len(ids) == len(set(ids))
    labels = [part["attributes"].get("label", "") for part in content["body"]]
    assert "Output of `neco doctor`" in labels


def test_hooks_run_what_the_venv_holds():
    locked = " ".join(PROJECT["optional-dependencies"]["dev"])
    for repository in read(".pre-commit-config.yaml")["repos"]:
        assert repository["repo"] == "local"  # nothing is downloaded, nothing has another version
        for hook in repository["hooks"]:
            program = hook["entry"].split()[0]
            assert program.startswith(".venv/bin/") and f"{Path(program).name}==" in locked


def test_the_guide_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:neco|config|docs|tests|workflow)/[\w./-]*)`", text)
    assert len(named) > 20
    for path in named:
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("neco/backbones/registry.py", ["_ROWS"]),
        ("neco/config/project.py", ["Project"]),
        ("neco/config/reporting.py", ["Table", "Figure"]),
        ("neco/config/resources.py", ["Kind", "Memory", "Minutes"]),
        ("neco/config/loss.py", ["Loss", "References", "Sorting"]),
        ("neco/evaluate/protocol.py", ["RECORDS"]),
        ("neco/paper/tables.py", ["_LAYOUTS"]),
        ("neco/paper/figures.py", ["_DRAWINGS"]),
        ("neco/paper/reported.py", ["DATASET_TITLES"]),
        ("neco/paper/conditions.py", ["IMAGES"]),
        ("neco/plan/alone.py", ["DECIDED_BY"]),
    ],
)
def test_the_guide_names_what_is_in_a_file(path, names):
    guide, code = (ROOT / "CONTRIBUTING.md").read_text(), (ROOT / path).read_text()
    for name in names:
        assert f"`{name}`" in guide
        assert re.search(rf"^(class )?{name}\b", code, re.MULTILINE), name
