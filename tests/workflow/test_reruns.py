"""A job runs again when what it uses has changed, and only then."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.api import SnakemakeApi
from snakemake.iocontainers import Wildcards
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from tests.workflow.test_resources import REPOSITORY

PROJECT = {
    "datasets": {"ade20k": {}, "mine": {}},
    "backbones": ["patch-colours"],
    "runs": {"neco": {"backbone": "demo-vit-random", "train": {"dataset": "ade20k"}}},
    "evaluations": [{"protocol": "in-context", "datasets": ["ade20k"]}],
    "report": {"dataset": "ade20k", "tables": ["8"], "figures": ["4"]},
}


def params_of(monkeypatch, folder: Path, **changes: Any) -> dict[str, list[str]]:
    """Return what every rule keeps as params for one of its jobs, by rule."""
    monkeypatch.chdir(REPOSITORY)
    file = folder / "project.yaml"
    file.write_text(yaml.safe_dump(PROJECT | {"data": str(folder / "data")} | changes))
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[file]),
            snakefile=REPOSITORY / "Snakefile",
        )._workflow
        names = {"dataset": "mine", "run": "neco", "seed": "0", "table": "8", "figure": "figure-4",
                 "archive": "ADEChallengeData2016.zip", "stem": "patch-colours"}  # fmt: skip
        found = {}
        for rule in workflow.rules:
            if rule.name not in ("prepare", "fetch", "weights", "train", "table", "summary",
                                 "verify", "figure", "models", "report"):  # fmt: skip
                continue
            wildcards = Wildcards(fromdict={name: names[name] for name in rule.wildcard_names})
            output, _ = rule.expand_output(wildcards)
            given, *_ = rule.expand_input(wildcards)
            resources = rule.expand_resources(wildcards, given, 1)
            _, kept = rule.expand_params(wildcards, given, output, Job(resources))
            found[rule.name] = sorted(map(str, kept))  # what Snakemake compares
        return found


class Job:
    """What params functions may ask of a job."""

    def __init__(self, resources: Any) -> None:
        self.resources, self.threads = resources, 1

    def __getattr__(self, name: str) -> Any:
        return None


def changed(before: dict, after: dict) -> set[str]:
    """Return the rules whose params differ."""
    return {rule for rule in before if before[rule] != after[rule]}


def test_another_method_draws_anew_and_computes_nothing(monkeypatch, tmp_path):
    run = PROJECT["runs"]["neco"] | {"method": "Ours"}
    before = params_of(monkeypatch, tmp_path)
    after = params_of(monkeypatch, tmp_path, runs={"neco": run})
    assert changed(before, after) == {"table", "summary", "verify", "figure", "models", "report"}


def test_a_run_that_a_figure_does_not_show_draws_it_not_anew(monkeypatch, tmp_path):
    """A figure that is drawn anew extracts its features again, and evaluations follow them."""
    runs = dict.fromkeys(("neco", "other"), PROJECT["runs"]["neco"])
    before = params_of(monkeypatch, tmp_path)
    after = params_of(monkeypatch, tmp_path, runs=runs)
    assert "table" in changed(before, after) and "figure" not in changed(before, after)


def test_another_name_over_the_same_data_makes_no_data_anew(monkeypatch, tmp_path):
    before = params_of(monkeypatch, tmp_path)
    after = params_of(monkeypatch, tmp_path, name="other")
    assert not changed(before, after) & {"fetch", "prepare", "weights"}


def test_what_a_folder_says_of_itself_prepares_it_anew(monkeypatch, tmp_path):
    folder = tmp_path / "mirror" / "mine"
    folder.mkdir(parents=True)
    (folder / "dataset.yaml").write_text("skip: 1\n")
    given = {"mirror": str(folder.parent)}
    before = params_of(monkeypatch, tmp_path, **given)
    archives = tmp_path / "data" / "archives"
    archives.mkdir(parents=True)
    (archives / "mine").symlink_to(folder)
    assert changed(before, params_of(monkeypatch, tmp_path, **given)) == set()  # linked, as usual
    (folder / "dataset.yaml").write_text("skip: 2\n")
    assert changed(before, params_of(monkeypatch, tmp_path, **given)) == {"prepare"}


def test_other_code_of_a_preparation_prepares_anew(monkeypatch, tmp_path):
    before = params_of(monkeypatch, tmp_path)
    monkeypatch.setitem(__import__("neco.data.prepare").data.prepare.VERSIONS, "folder", 2)
    assert changed(before, params_of(monkeypatch, tmp_path)) == {"prepare"}


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_it_runs_from_elsewhere_and_includes_what_lies_beside(tmp_path, snakefile):
    """Own data alone, another folder, either Snakefile, a file beside the configuration."""
    (tmp_path / "beside.yaml").write_text("backbones: [demo-vit-random]\nname: beside\n")
    own = {"include": ["beside.yaml"], "datasets": {"mine": {}},
           "evaluations": [{"protocol": "in-context", "datasets": ["mine"]}]}  # fmt: skip
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(own))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / snakefile)]
    command += ["--configfile", "own.yaml", "--dry-run", "--cores", "1"]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "results/beside" in run.stdout
