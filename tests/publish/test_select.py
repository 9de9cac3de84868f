"""What is published is all of a finished project, and only what can be traced to its source."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from neco.config import load_project
from neco.errors import UserError
from neco.publish.select import gather, published_files, read_traceable
from tests.publish.conftest import MODELS, SETTINGS, write_metrics, write_project


def test_what_is_published(results, tmp_path):
    project = load_project(results / "project.yaml")
    stale = results / "metrics" / "linear" / "pascal-voc" / "gone.json"
    stale.write_text("of a model that the project no longer has")
    chosen = {str(path) for path in published_files(project, results)}
    metrics = {f"metrics/{p}/pascal-voc/{model}.json" for p in SETTINGS for model in MODELS}
    trained = {
        f"runs/neco.seed{seed}/{name}"
        for seed in (0, 1)
        for name in ("backbone.safetensors", "metrics.csv", "training.json")
    }
    shown = {"tables/summary.md", "figures/figure-2.png", "report/report.html"}
    assert chosen == metrics | trained | shown | {"project.yaml", "models.json"}
    gather(results, published_files(project, results), tmp_path / "copy")
    for path in chosen:
        assert (tmp_path / "copy" / path).read_bytes() == (results / path).read_bytes()


def test_fewer_checkpoints_but_all_their_numbers(tmp_path):
    few = write_project(tmp_path / "few", publish={"checkpoints": ["neco.seed1"]})
    every = write_project(tmp_path / "all")
    left_out = set(published_files(every, tmp_path / "all")) - set(
        published_files(few, tmp_path / "few")
    )
    assert {str(path) for path in left_out} == {"runs/neco.seed0/backbone.safetensors"}


def test_a_checkpoint_of_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"'neco\.seed2' is not defined; did you mean 'neco"):
        write_project(tmp_path / "wrong", publish={"checkpoints": ["neco.seed2"]})


@pytest.mark.parametrize(
    "gap", ["runs/neco.seed1/training.json", "report/report.html", "tables/summary.md"]
)
def test_an_unfinished_project_is_refused(results, gap):
    (results / gap).unlink()
    with pytest.raises(UserError, match=gap.split("/")[0]) as caught:
        published_files(load_project(results / "project.yaml"), results)
    assert "run the workflow" in str(caught.value)


@pytest.mark.parametrize("commit", [None, "abc-dirty"])
def test_a_number_of_unknown_code_is_refused(results, commit):
    write_metrics(results, "linear", "demo-vit", commit)
    with pytest.raises(UserError, match=r"linear/pascal-voc/demo-vit\.json: measured at"):
        read_traceable(load_project(results / "project.yaml"), results)


def test_a_number_of_another_checkpoint_is_refused(results):
    project = load_project(results / "project.yaml")
    assert len(read_traceable(project, results)) == len(SETTINGS) * len(MODELS)
    checkpoint = results / "runs" / "neco.seed1" / "backbone.safetensors"
    save_file({"weight": np.zeros(3, np.float32)}, checkpoint)
    with pytest.raises(UserError, match=r"neco\.seed1\.json: measured with other weights"):
        read_traceable(project, results)
