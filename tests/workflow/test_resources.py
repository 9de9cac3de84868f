"""What rules ask of a scheduler, and the profile that submits them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest
from snakemake.api import SnakemakeApi
from snakemake.cli import parse_args
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

from neco.config.reporting import PARTS
from neco.config.resources import Kind, Resources
from neco.gpus import VISIBLE

REPOSITORY = Path(__file__).parents[2]
CLUSTER_DOCUMENT = REPOSITORY / "docs" / "cluster.md"
BESIDE_SNAKEMAKE = {"all", "models", "publish", "report_now", *PARTS} - {"summary"}


@contextmanager
def workflow_of(configuration: str, machine: ResourceSettings, **settings) -> Iterator:
    """Yield the workflow as Snakemake reads it."""
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
        yield api.workflow(
            resource_settings=machine,
            config_settings=ConfigSettings(
                configfiles=[Path("config") / configuration], config=settings
            ),
            snakefile=REPOSITORY / "Snakefile",
        )._workflow


def asked_by(configuration: str, **settings) -> dict[str, list[dict]]:
    """Return what every rule asks a cluster for on its first and second attempt, by rule."""
    cluster = ResourceSettings(cores=64, nodes=100)
    with workflow_of(configuration, cluster, **settings) as workflow:
        return {
            rule.name: [dict(rule.expand_resources({}, [], attempt).items()) for attempt in (1, 2)]
            for rule in workflow.rules
        }


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


@pytest.mark.parametrize("configuration", ["config.yaml", "smoke.yaml"])
def test_every_submitted_rule_asks_for_memory_and_time_and_for_more_when_retried(configuration):
    asked = asked_by(configuration)
    assert {"train", "fine_tune", "prepare", "report"} <= asked.keys()
    for rule, (first, second) in asked.items():
        if rule not in BESIDE_SNAKEMAKE:
            assert second["mem_mb"] == 2 * first["mem_mb"] > 0, rule
            assert second["runtime"] == 2 * first["runtime"] > 0, rule


def test_what_can_go_on_is_told_to_stop_in_time():
    asked = asked_by("config.yaml")
    told = {rule for rule, (first, _) in asked.items() if "slurm_extra" in first}
    assert told == {"train", "fine_tune"}
    assert asked["train"][0]["slurm_extra"] == "--signal=TERM@180"


def test_nothing_asks_for_more_than_there_is():
    limits = {"largest_memory_mb": 20_000, "longest_minutes": 100}
    asked = asked_by("config.yaml", resources=limits)
    second = {rule: attempts[1] for rule, attempts in asked.items()}
    assert (second["train"]["mem_mb"], second["train"]["runtime"]) == (20_000, 100)
    assert (second["table"]["mem_mb"], second["table"]["runtime"]) == (8_000, 10)


def test_processes_of_a_training_are_tasks_with_threads_and_a_gpu_each():
    def train(devices: int, nodes: int) -> dict:
        several = {"train_devices": devices, "train_nodes": nodes, "train_threads": 6}
        return asked_by("config.yaml", resources=several)["train"][0]

    alone = train(1, 1)
    assert (alone["gpu"], alone["_cores"], alone["cpus_per_task"]) == (1, 6, 6)
    assert not {"mpi", "tasks", "tasks_per_node"} & alone.keys()
    four = train(4, 2)
    assert (four["gpu"], four["_cores"], four["cpus_per_task"]) == (8, 24, 6)
    assert (four["nodes"], four["tasks_per_node"], four["mpi"]) == (2, 4, "srun")
    assert four["slurm_extra"].endswith(" --gpus-per-node=4")
    assert four["mem_mb"] == 4 * alone["mem_mb"]
    one_each = train(1, 2)
    assert (one_each["nodes"], one_each["tasks"], one_each["tasks_per_gpu"]) == (2, 2, 0)


def test_the_profile_is_understood_however_it_is_named(tmp_path):
    for argument in ("--profile", "--workflow-profile"):
        _, read = parse_args([argument, "profiles/slurm"])
        assert (read.executor, read.retries, read.slurm_status_command) == ("slurm", 3, "squeue")
        assert read.resources.get("turn").value == 1
        assert read.resources.get("network").value == 1
    known = set(asked_by("smoke.yaml"))
    assert set(read.groups) <= known - BESIDE_SNAKEMAKE
    assert set(read.group_components) == set(read.groups.values())
    (tmp_path / "config.yaml").write_text("slurm-status-comand: squeue\n")
    with pytest.raises(SystemExit):
        parse_args(["--profile", str(tmp_path)])


@pytest.mark.parametrize(
    ("given", "visible", "limit"),
    [
        (ResourceSettings(cores=64), "0,1", 2),
        (ResourceSettings(cores=64), "", None),
        (ResourceSettings(cores=64, resources={"gpu": 4}), "0,1", 4),
        (ResourceSettings(cores=64, nodes=100), "0,1", None),
    ],
    ids=["two GPUs", "no GPU", "two GPUs for two jobs each", "a cluster"],
)
def test_jobs_do_not_share_a_gpu_unless_the_call_says_so(monkeypatch, given, visible, limit):
    monkeypatch.setenv(VISIBLE, visible)
    with workflow_of("smoke.yaml", given) as workflow:
        assert workflow.global_resources.get("gpu").value == limit


def test_one_machine_is_not_held_up_by_what_only_a_cluster_has():
    _, read = parse_args(["--cores", "2"])
    assert set(read.resources.keys()) == {"network", "turn"}
    assert read.retries == 0 and read.default_resources is None


def test_the_documented_requests_are_the_defaults():
    rows = re.findall(r"(?m)^\| ((?:`\w+`(?:, )?)+) \| ([^|]+) \|", CLUSTER_DOCUMENT.read_text())
    resources, told = Resources(), 0
    for kinds, asked in rows:
        numbers = re.findall(r"(\d+) (hours?|minutes|GB)", asked)
        for kind in set(re.findall(r"\w+", kinds)) & set(get_args(Kind)):
            for number, unit in numbers:
                minutes = int(number) * (60 if unit.startswith("hour") else 1)
                if unit == "GB":
                    assert resources.memory_of(kind, 1) == 1000 * int(number), kind
                else:
                    assert resources.minutes_of(kind, 1) == minutes, kind
                told += 1
    assert told >= 10
