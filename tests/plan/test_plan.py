"""The plan: arithmetic against a count of PyTorch's own, hours of runs that the paper states."""

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from neco.backbones.load import load_backbone
from neco.backbones.registry import backbone_spec
from neco.cli import main
from neco.config import Project, Train, load_project
from neco.config.base import validated
from neco.errors import UserError
from neco.plan.arithmetic import forward_flops, shape_of, training_flops
from neco.plan.hours import gpu_hours, measured_speed, paper_speed, run_hours
from neco.plan.images import image_count

CONFIGS = Path(__file__).parents[2] / "config"


@pytest.mark.parametrize("side", [64, 96])
def test_a_forward_pass_is_what_pytorch_counts(side):
    backbone = load_backbone("demo-vit", None)
    for block in backbone.blocks():
        block.attn.fused_attn = False  # the counter does not know the fused kernel of a CPU
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        backbone(torch.zeros(1, 3, side, side))
    assert forward_flops(shape_of("demo-vit"), side) == pytest.approx(
        counter.get_total_flops(), rel=1e-3
    )


def test_an_image_of_the_paper_costs_about_150_gflop():
    assert training_flops(shape_of("dinov2xr-vits14"), Train()) == pytest.approx(150e9, rel=0.05)


def test_the_papers_run_takes_the_papers_hours():
    project = validated(Project, {"runs": {"neco": {"backbone": "dinov2xr-vits14"}}}, "")
    (train,) = gpu_hours(project, paper_speed())
    assert (train.rule, train.jobs) == ("train", 1) and train.hours == pytest.approx(19.0)
    twice = validated(
        Project, {"runs": {"neco": {"backbone": "dinov2xr-vits14", "seeds": [0, 1]}}}, ""
    )
    assert gpu_hours(twice, paper_speed())[0].hours == pytest.approx(38.0)


def test_a_measured_line_sets_the_speed(tmp_path):
    lines = tmp_path / "training.jsonl"
    line = {"backbone": "dinov2xr-vits14", "device": "x", "images_per_second": 820.0}
    lines.write_text(json.dumps(line) + "\n")
    project = validated(Project, {"runs": {"neco": {"backbone": "dinov2xr-vits14"}}}, "")
    hours = gpu_hours(project, measured_speed(lines))[0].hours
    assert hours == pytest.approx(25 * 118_287 / 820 / 3600)
    several = {**line, "images_per_second": 4 * 820.0, "processes": 4}
    lines.write_text(json.dumps(several) + "\n")
    (run,) = run_hours(project, measured_speed(lines))
    assert (run.run, run.seeds) == ("neco", 1) and run.hours == pytest.approx(hours)
    lines.write_text("{}\n")
    with pytest.raises(UserError, match="no line with backbone"):
        measured_speed(lines)


def test_lines_of_the_gpu_proofs_set_the_speed_of_each_network(tmp_path):
    line = {"device": "x", "part": "photographs", "data": "JPEGs", "rehearsed": False}
    small = {**line, "backbone": "dinov2-vits14", "gflop_per_image": 150.0}
    base = {**line, "backbone": "dinov2-vitb14", "gflop_per_image": 600.0}
    lines = tmp_path / "results.jsonl"
    rows = [
        {"part": "card", "status": "done"},
        {**base, "data": "noise in memory", "part": "step", "images_per_second": 300.0},
        {**small, "data": "noise in memory", "part": "step", "images_per_second": 1000.0},
        {**small, "images_per_second": 500.0},
        {**small, "images_per_second": 800.0},
        {**small, "images_per_second": 700.0},
        {**small, "rehearsed": True, "images_per_second": 2.0},
    ]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    speed = measured_speed(lines)
    assert speed.of(shape_of("dinov2-vits14")) == pytest.approx(800 * 150e9)
    assert speed.of(shape_of("dinov2-vitb14")) == pytest.approx(300 * 600e9)
    assert speed.of(shape_of("dinov2r-vitb14")) == speed.flops == pytest.approx(800 * 150e9)
    assert "800 images/s" in speed.source
    lines.write_text(json.dumps(rows[-1]) + "\n")
    with pytest.raises(UserError, match="gpu-proofs"):
        measured_speed(lines)


def test_jobs_that_share_features_count_once():
    common = {"datasets": {"pascal-voc": {}}, "backbones": ["dinov2xr-vits14"]}
    one = [{"protocol": "overcluster", "datasets": ["pascal-voc"]}]
    more = [*one, {"protocol": "linear", "datasets": ["pascal-voc"]}]
    few = gpu_hours(validated(Project, {**common, "evaluations": one}, ""), paper_speed())
    many = gpu_hours(validated(Project, {**common, "evaluations": more}, ""), paper_speed())
    assert [cost.rule for cost in few] == ["extract"]
    assert {cost.rule: cost.jobs for cost in many} == {"extract": 1, "linear": 1}


def test_released_students_cost_their_evaluations_and_no_training():
    paper = load_project(CONFIGS / "config.yaml")
    students = [name for name in paper.backbones if backbone_spec(name).start]
    assert len(students) == 7
    without = paper.model_copy(
        update={
            "backbones": [name for name in paper.backbones if name not in students],
            "evaluations": [
                one.model_copy(
                    update={"models": [m for m in one.models if m not in students]}
                )
                if isinstance(one.models, list)
                else one
                for one in paper.evaluations
            ],
        }
    )  # fmt: skip
    after = {cost.rule: cost for cost in gpu_hours(paper, paper_speed())}
    before = {cost.rule: cost for cost in gpu_hours(without, paper_speed())}
    asked = [key for key in paper.evaluated() if key[2] in students]
    more = {rule: after[rule].jobs - before[rule].jobs for rule in after}
    assert more["in_context"] == sum(protocol == "in-context" for protocol, *_ in asked) == 8
    assert more["linear"] == sum(protocol == "linear" for protocol, *_ in asked) == 22
    assert more["extract"] > 0
    assert more["train"] == more["fine_tune"] == more["attend"] == 0
    assert after["train"].hours == before["train"].hours


def test_images_are_counted_generated_or_official(tmp_path):
    official = validated(Project, {"data": str(tmp_path)}, "")
    assert image_count(official, "pascal-voc", "trainaug") == 10_582
    with pytest.raises(UserError, match="prepare my-photos"):
        image_count(official, "my-photos", "train")
    made = validated(Project, {"data": str(tmp_path), "scenes": {"train": 5, "unlabelled": 2}}, "")
    assert image_count(made, "coco", "train") == 7
    (tmp_path / "prepared" / "ade20k").mkdir(parents=True)
    (tmp_path / "prepared" / "ade20k" / "index.csv").write_text(
        "id,image,mask,split\na,a,a,train\nb,b,b,val\nc,c,c,val\n"
    )
    assert image_count(made, "ade20k", "val") == 2


def test_the_command_needs_the_repository(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.yaml").write_text("name: mine")
    assert main(["plan", "--config", "my.yaml"]) == 1
    assert "no Snakefile here" in capsys.readouterr().err


def test_every_shipped_project_has_a_plan():
    for name in ("config.yaml", "smoke.yaml", "demo.yaml"):
        project = load_project(CONFIGS / name)
        assert all(cost.hours >= 0 for cost in gpu_hours(project, paper_speed()))


def test_a_gated_mlp_counts_its_three_matrices_and_a_pyramid_not_at_all():
    plain, gated = shape_of("dinov3-vits16"), shape_of("dinov3-vits16plus")
    assert plain.hidden == 4 * 384 and plain.prefix_tokens == 5
    assert 2 * gated.hidden == 3 * 1536
    assert shape_of("resnet18") is None and forward_flops(None, 224) == 0.0
