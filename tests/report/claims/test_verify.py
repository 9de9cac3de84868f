import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from neco.paper.reported import read_reported
from neco.report.claims.render import write_claims
from neco.report.claims.verify import Claim, verify
from neco.report.scores.groups import read_groups
from neco.report.scores.measured import Measured, read_measured
from neco.report.summary.gains import build_overview
from neco.report.tables.cells import Footer

Write = Callable[..., None]


def claims_of(project: Path) -> list[Claim]:
    measured = read_measured(project / "metrics", read_groups(project / "models.json"))
    return verify(measured, read_reported())


def ran(claims: list[Claim], kind: str) -> dict[str, Claim]:
    return {c.text: c for c in claims if c.kind == kind and c.status != "not run"}


def test_without_metrics_no_claim_is_judged() -> None:
    claims = verify(Measured([]), read_reported())
    assert {claim.status for claim in claims} == {"not run"}
    assert sum(claim.kind == "value" for claim in claims) == 571


@pytest.mark.parametrize(
    ("after", "status"),
    [
        ([74.0, 75.0, 76.0], "holds"),
        ([74.0, 72.0, 76.0], "holds in some seeds"),
        ([72.0, 71.0, 70.0], "does not hold"),
    ],
)
def test_a_gain_is_judged_seed_by_seed(
    project: Path, write: Write, after: list[float], status: str
) -> None:
    write(project, "dinov2r-vits14", "in-context", "pascal-voc", {"1/1": [73.0]})
    for seed, value in enumerate(after):
        write(project, f"main.seed{seed}", "in-context", "pascal-voc", {"1/1": [value]})
    gains = ran(claims_of(project), "gain")
    (claim,) = gains.values()
    assert claim.text == "NeCo on DINOv2R ViT-S/14: +5.1 in Pascal VOC, in-context 1/1"
    assert claim.status == status
    assert not claim.scaled


def test_a_loss_that_the_paper_reports_is_a_claim_too() -> None:
    """Table 4: NeCo is 0.3 below DINOv2R on COCO-Stuff 164k with ViT-S/14."""
    texts = [claim.text for claim in verify(Measured([]), read_reported()) if claim.table == "4"]
    assert "NeCo on DINOv2R ViT-S/14: -0.3 in COCO-Stuff 164k, segmenter" in texts


def test_best_and_order_need_two_rows(project: Path, write: Write) -> None:
    write(project, "main.seed0", "linear", "pascal-voc", {"": [80.0]})
    assert not ran(claims_of(project), "best")
    write(project, "dinov2r-vits14", "linear", "pascal-voc", {"": [74.0]})
    write(project, "dino-vits16", "linear", "pascal-voc", {"": [75.0]})
    best = ran(claims_of(project), "best")
    assert best["NeCo ViT-S/14 best in Pascal VOC, linear (ViT-S)"].status == "holds"
    order = ran(claims_of(project), "order")["the rows' order in Pascal VOC, linear (ViT-S)"]
    assert order.status == "does not hold"  # DINO above DINOv2R, which the paper has below
    assert order.evidence == "2 of 3 pairs ordered as in the paper"


@pytest.mark.parametrize(
    ("value", "status"), [(81.3, "holds"), (80.4, "holds"), (79.0, "does not hold")]
)
def test_a_value_holds_within_what_a_rerun_moves(
    project: Path, write: Write, value: float, status: str
) -> None:
    write(project, "main.seed0", "linear", "pascal-voc", {"": [value]})
    (claim,) = (c for c in ran(claims_of(project), "value").values() if c.table == "2")
    assert claim.status == status


def test_a_value_at_another_scale_is_not_judged_but_a_gain_is(project: Path, write: Write) -> None:
    for name, value in (("main.seed0", 40.0), ("dinov2r-vits14", 30.0)):
        write(project, name, "linear", "pascal-voc", {"": [value]}, val_images=80)
    claims = claims_of(project)
    assert {c.status for c in ran(claims, "value").values()} == {"another scale"}
    (gain,) = ran(claims, "gain").values()
    assert (gain.status, gain.scaled) == ("holds", True)


def test_files(project: Path, write: Write, tmp_path: Path) -> None:
    write(project, "main.seed0", "linear", "pascal-voc", {"": [80.0]})
    write(project, "dinov2r-vits14", "linear", "pascal-voc", {"": [81.0]})
    into = tmp_path / "out"
    measured = read_measured(project / "metrics", read_groups(project / "models.json"))
    gains = [gain.sentence for gain in build_overview(measured).gains]
    paths = write_claims(verify(measured, read_reported()), gains, Footer("demo"), into)
    assert [path.name for path in paths] == ["claims.md", "claims.csv", "claims.html"]
    text = paths[0].read_text()
    assert "### Does not hold (1)" in text
    assert "does not beat its start in Pascal VOC linear: better in 0 of 1 seed, gain -1.0" in text
    with paths[1].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(claims_of(project))
