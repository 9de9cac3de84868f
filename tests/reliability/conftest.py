"""The small world that all of it is tried on, and the counts at the end."""

import pytest

from tests.reliability import counts
from tests.reliability.world import World, build


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> World:
    return build(tmp_path_factory.mktemp("world"))


def pytest_terminal_summary(terminalreporter) -> None:
    for line in counts.told():
        terminalreporter.write_line(f"reliability: {line}")
    if counts.kills.total() >= 80 and counts.inputs.total() >= 300:
        counts.keep()
