"""A part of the report that is asked for alone starts what it needs, and nothing else."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from neco.errors import UserError
from neco.plan.jobs import by_rule, dry_run, read_jobs

REPOSITORY = Path(__file__).parents[2]
SMOKE = Path("config/smoke.yaml")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


def jobs(*targets: str, **settings: str) -> dict[str, int]:
    """Return the jobs by rule of a project of which nothing has run."""
    given = [f"{name}={value}" for name, value in {"name": "untouched", **settings}.items()]
    return by_rule(read_jobs(dry_run(SMOKE, ["data=/nowhere", *given], *targets)))


def test_a_target_and_the_setting_ask_for_the_same():
    asked = jobs("table-8", "figure-3")
    assert asked["table"] == asked["figure"] == 1
    assert not asked.keys() & {"fine_tune", "overcluster", "linear", "unsupervised", "report"}
    assert asked["train"] == 2  # the two seeds of the run, none of the ablations
    parts = dict.fromkeys(("table-8", "figure-3"), 1)
    by_setting = jobs(only="[table-8,figure-3]")
    assert {rule: count for rule, count in asked.items() if rule not in parts} == by_setting


def test_a_report_of_what_is_there_starts_no_other_job():
    assert jobs("report_now") == {"report_now": 1}


def test_an_unknown_part_is_refused():
    with pytest.raises(UserError, match="did you mean 'table-8'"):
        jobs(only="table-88")


def test_a_part_that_cannot_be_made_says_why():
    command = [sys.executable, "-m", "snakemake", "-n", "figure-7", "--configfile",
               "config/demo.yaml", "--config", "data=/nowhere"]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode
    assert "figure-7: evaluations do not ask for unsupervised" in run.stdout + run.stderr


@pytest.mark.parametrize(("target", "dataset"), [("all", "coco-things"), ("table-8", "ade20k")])
def test_a_metrics_file_that_was_deleted_is_measured_again(target, dataset):
    """Snakemake makes a missing file anew where a target names it, and not on the way to one."""
    protocol = "in-context" if target == "table-8" else "linear"
    told = dry_run(SMOKE, ["data=/nowhere", "name=untouched"], target)
    (given,) = re.findall(rf"rule {target}:\n    input: (.*)", told)
    file = f"results/untouched/metrics/{protocol}/{dataset}/patch-colours.json"
    assert file in given.split(", ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("include: 5", "include: write a list of names"),
        ("include: [mine.yaml]", "include: mine.yaml includes mine.yaml; break this circle"),
        ("include: [gone.yaml]", "beside/gone.yaml: no such configuration"),
        ("name: a\nname: b", "the key 'name' stands twice"),
        ("backbones: [demovit]", "unknown backbone 'demovit'; did you mean 'demo-vit'"),
        ("runs: {neco: {backbone: patch-colours}}", "patch-colours has no sequence of blocks"),
        ("runs: {neco: {backbone: demo-vit, seeds: [0, 0]}}", "seeds: 0 stands twice"),
        (
            "datasets: {pascal-voc: {}}\nruns: {neco: {backbone: demo-vit}}",
            "runs.neco: train.dataset 'coco' is not defined; valid: pascal-voc",
        ),
    ],
)
def test_a_configuration_that_cannot_be_is_told_by_its_line(tmp_path, text, told):
    (tmp_path / "beside").mkdir()
    mine = tmp_path / "beside" / "mine.yaml"
    mine.write_text(f"{text}\n")
    command = [sys.executable, "-m", "snakemake", "-n", "--configfile", str(mine)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode and told in run.stdout + run.stderr
