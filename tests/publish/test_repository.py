"""What this repository publishes: small, whole, executing nothing, each number on its weights."""

import hashlib
import json
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from neco.config import Publish
from neco.publish.remote import check, content, named_objects, read_object, remote_folder
from tests.publish.conftest import ROOT

PUBLISHED = sorted(path.parent for path in ROOT.glob("published/*/project.yaml.dvc"))


def test_dvc_reports_to_nobody_and_reads_the_repository_by_default():
    config = ConfigParser()
    config.read(ROOT / ".dvc" / "config")
    assert config["core"]["analytics"] == config["core"]["check_update"] == "false"
    assert config["core"]["remote"] == Publish().remote
    remote = config[f"'remote \"{Publish().remote}\"'"]
    assert (ROOT / ".dvc" / remote["url"]).resolve() == remote_folder(ROOT).parents[1]
    assert remote["verify"] == "true"


@pytest.mark.parametrize("name", ["dots", "lines"])
def test_plot_templates_draw_what_dvc_gives_them(name):
    text = (ROOT / ".dvc" / "plots" / f"{name}.json").read_text()
    json.loads(text)
    for anchor in ("DATA", "TITLE", "X", "Y", "X_LABEL", "Y_LABEL"):
        assert f'"<DVC_METRIC_{anchor}>"' in text


@pytest.mark.skipif(not PUBLISHED, reason="nothing is published yet")
def test_the_demo_is_published_whole_and_small():
    assert [folder.name for folder in PUBLISHED] == ["demo"]
    assert check(ROOT) < Publish().megabytes * 1e6
    objects = {path.parent.name + path.name for path in remote_folder(ROOT).glob("*/*")}
    assert objects == named_objects(ROOT)


def test_dvc_yaml_names_published_files_and_has_no_stages():
    stated = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    assert set(stated) == {"artifacts", "metrics", "plots"}
    assert stated["metrics"] == [f"published/{folder.name}/scores" for folder in PUBLISHED]
    files = {str(path) for path in content(ROOT)}
    for plot in stated["plots"]:
        for name in [plot] if isinstance(plot, str) else next(iter(plot.values()))["y"]:
            assert name in files
    for artifact in stated["artifacts"].values():
        assert artifact["path"] in files


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_every_number_is_of_the_checkpoint_beside_it(folder: Path):
    files = _files(folder)
    place = folder.relative_to(ROOT)
    digests = {
        path.parent.name: hashlib.sha256(read_object(ROOT, md5)).hexdigest()
        for path, md5 in files.items()
        if path.name == "backbone.safetensors"
    }
    assert digests
    measured = set()
    for path, md5 in files.items():
        if path.is_relative_to(place / "metrics"):
            metrics = json.loads(read_object(ROOT, md5))
            commit = metrics["conditions"]["git_commit"]
            assert commit and not commit.endswith("-dirty")
            if metrics["model"] in digests:
                assert metrics["conditions"]["weights_digest"] == digests[metrics["model"]]
                measured.add(metrics["model"])
    assert measured == set(digests)


def _files(folder: Path) -> dict[Path, str]:
    """Return path and md5 of what is published below a folder."""
    place = folder.relative_to(ROOT)
    return {path: md5 for path, md5 in content(ROOT).items() if path.is_relative_to(place)}
