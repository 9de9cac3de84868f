"""What is understood of Snakemake's lines, and how far that is."""

import pytest

from neco.demo.records import NEARLY, STEPS, TYPICAL, Records

LISTED = """Building DAG of jobs...
Job stats:
job           count
----------  -------
extract           2
train             1
all               1
total             4

Select jobs to execute...
"""
TRAINING = """[Wed Nov 25 21:48:05 2026]
localrule train:
    input: data/quick-demo/prepared/pascal-voc
    jobid: 7
    reason: Missing output files: results/quick-demo/runs/neco.seed0/backbone.safetensors
"""


class Clock:
    """Seconds that a test turns forward."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def records(clock):
    heard = Records(clock=clock)
    tell(heard, LISTED)
    return heard


def tell(records: Records, text: str) -> None:
    for line in text.splitlines(keepends=True):
        records.read(line)


def test_nothing_is_known_before_the_jobs_are_listed(clock):
    heard = Records(clock=clock)
    tell(heard, "Building DAG of jobs...\nUsing shell: /usr/bin/bash\n")
    assert (heard.total, heard.done, heard.step) == (0, 0, "")


def test_the_total_is_the_sum_of_what_jobs_take(records):
    assert records.total == pytest.approx(2 * TYPICAL["extract"] + TYPICAL["train"])


def test_a_job_runs_from_its_number_to_its_end(records, clock):
    tell(records, TRAINING)
    assert records.step == STEPS["train"] and records.done == 0
    clock.now = TYPICAL["train"] / 2
    assert records.done == pytest.approx(TYPICAL["train"] / 2)
    clock.now = TYPICAL["train"]
    tell(records, "Finished jobid: 7 (Rule: train)\n")
    assert records.step == "" and records.done == pytest.approx(TYPICAL["train"])


def test_a_job_that_takes_longer_waits_short_of_its_end(records, clock):
    tell(records, TRAINING)
    clock.now = 100 * TYPICAL["train"]
    assert records.done == pytest.approx(NEARLY * TYPICAL["train"])


def test_jobs_are_as_slow_as_those_before(records, clock):
    tell(records, "rule extract:\n    jobid: 1\n")
    clock.now = 3 * TYPICAL["extract"]
    tell(records, "Finished jobid: 1 (Rule: extract)\n" + TRAINING)
    clock.now += 1.5 * TYPICAL["train"]
    assert records.done == pytest.approx(TYPICAL["extract"] + TYPICAL["train"] / 2)


def test_it_never_goes_back(records, clock):
    tell(records, "rule extract:\n    jobid: 1\n" + TRAINING)
    clock.now = TYPICAL["extract"] * NEARLY
    before = records.done
    clock.now *= 10  # now extract turns out to be slow, and the training with it
    tell(records, "Finished jobid: 1 (Rule: extract)\n")
    assert records.done >= before


def test_jobs_that_are_no_work_do_not_count(records, clock):
    tell(records, "localrule all:\n    jobid: 0\n")
    clock.now = 50.0
    assert (records.done, records.step) == (0, "")


def test_a_failed_job_is_told_with_its_log(records):
    tell(records, TRAINING)
    tell(
        records,
        "Error in rule train:\n    message: None\n    jobid: 7\n"
        "    log: results/x/logs/train/neco.seed0.log (check log file(s) for error details)\n"
        "Error in rule extract:\n    jobid: 1\n",
    )
    assert records.failed == {
        "train": "results/x/logs/train/neco.seed0.log",
        "extract": "",
    }


def test_every_rule_has_a_name_and_a_time():
    assert TYPICAL.keys() == STEPS.keys()
