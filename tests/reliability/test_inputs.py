"""Damaged and odd inputs get the answer that is right for them, within a time limit."""

import pytest

from tests.reliability import (
    archive_inputs,
    counts,
    folder_inputs,
    image_inputs,
    model_inputs,
    prepared_inputs,
    setting_inputs,
)
from tests.reliability.inputs import Case, judged

SOURCES = (
    image_inputs, folder_inputs, archive_inputs, prepared_inputs, model_inputs, setting_inputs,
)  # fmt: skip
ALL = [case for source in SOURCES for case in source.cases()]
KINDS = list(dict.fromkeys(case.kind for case in ALL))
SLOW_KINDS = ("checkpoint", "metrics.partial", "both checkpoints", "checkpoint of another training")


def try_all(chosen: list[Case], world, folder) -> list[str]:
    said = []
    for number, case in enumerate(chosen):
        wrong = judged(case, world, folder / str(number))
        counts.inputs[case.kind] += 1
        counts.answers[case.expected] += 1
        counts.note(wrong)
        said += [f"{case.kind}, {case.name}: {line}" for line in wrong]
    return said


def test_there_are_enough():
    assert len(ALL) >= 300
    assert len({(case.kind, case.name) for case in ALL}) == len(ALL)


def test_one_of_every_kind(world, tmp_path):
    """The fast sample; the last of a kind is rarely the simplest."""
    sample = [
        [case for case in ALL if case.kind == kind][-1] for kind in KINDS if kind not in SLOW_KINDS
    ]
    assert not try_all(sample, world, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_all(world, tmp_path, kind):
    said = try_all([case for case in ALL if case.kind == kind], world, tmp_path)
    assert not said, "\n".join(said)
