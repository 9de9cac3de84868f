"""The leaderboard: every backbone on every dataset by every protocol, and no training."""

from pathlib import Path

import pytest
import yaml

from neco.plan.jobs import by_rule, dry_run, read_jobs

REPOSITORY = Path(__file__).parents[2]
LEADERBOARD = Path("config/leaderboard.yaml")
PROTOCOLS = ("in_context", "overcluster", "linear", "consistency")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


def jobs(config: Path) -> dict[str, int]:
    return by_rule(read_jobs(dry_run(config, ["name=untouched", "data=/nowhere"])))


def test_every_backbone_meets_every_dataset():
    asked = jobs(LEADERBOARD)
    assert {asked[name] for name in PROTOCOLS} == {6}  # three backbones on two datasets
    assert asked["extract"] == 12  # of each a training and a held-out split, for all protocols
    assert asked["report"] == 1 and "train" not in asked


def test_folders_of_ones_own_take_the_scenes_place(tmp_path):
    values = yaml.safe_load(LEADERBOARD.read_text())
    for name in ("streets", "gardens", "roofs"):
        (tmp_path / "folders" / name).mkdir(parents=True)
    names = ["streets", "gardens", "roofs"]
    values |= {
        "scenes": None,
        "mirror": str(tmp_path / "folders"),
        "datasets": {name: {} for name in names},
        "backbones": ["demo-vit", "patch-colours"],
        "evaluations": [{**one, "datasets": names} for one in values["evaluations"]],
    }
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump(values))
    asked = jobs(config)
    assert {asked[name] for name in PROTOCOLS} == {6}
    assert asked["prepare"] == 3 and "scenes" not in asked
