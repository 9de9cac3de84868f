"""What stands below a table."""

from pathlib import Path

import pytest

from neco.config import Project
from neco.config.load import load_project
from neco.report.tables.cells import Footer

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "configuration"),
    [
        ("paper", ""),
        ("demo", " --configfile config/demo.yaml"),
        ("mine", " --configfile results/mine/project.yaml"),
    ],
)
def test_the_command_names_a_configuration_that_is_there(monkeypatch, name, configuration):
    """A configuration of one's own may lie anywhere; the workflow keeps it beside the results."""
    monkeypatch.chdir(REPOSITORY)
    assert Footer.of(Project(name=name)).command == f"snakemake --cores all{configuration}"
    shipped = configuration.partition("--configfile ")[2] or "config/config.yaml"
    assert name == "mine" or load_project(Path(shipped)).name == name
