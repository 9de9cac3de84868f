"""The summary's differences: the paired bootstrap of `neco compare`, from the workflow's files."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from neco.config.compare import Compare
from neco.evaluate.metrics import Tally
from neco.evaluate.result import parts_beside, read_result, write_parts_beside, write_result
from neco.report.scores.groups import read_groups
from neco.report.scores.measured import read_measured
from neco.report.summary.gains import Overview, build_overview
from neco.report.summary.render import as_csv, html, markdown
from tests.report.conftest import Write

FEW = Compare(replicas=200)
IMAGES, CLASSES = 40, 3


def tables(skill: float, seed: int = 0) -> np.ndarray:
    """Return confusion tables (images, classes, classes + 1) of images that differ in hardness."""
    random = np.random.default_rng([1, seed])
    hard = np.random.default_rng(0).uniform(0.2, 0.9, (IMAGES, 1, 1))
    right = np.eye(CLASSES, CLASSES + 1)[None] * 100 * np.clip(skill + 1 - hard, 0, 1.5)
    return np.round(
        right + random.uniform(0, 5, (IMAGES, CLASSES, CLASSES + 1)) + 30 * hard
    ).astype(int)


def result_of(counts: np.ndarray, seed: int):
    score = Tally([f"class {number}" for number in range(CLASSES)])
    for table in counts:
        score.add(table)
    return score.result("1/1", seed)


def measure(project: Path, write: Write, name: str, *seeds: np.ndarray, keep: bool = True) -> None:
    """Write a metrics file whose numbers are those of confusion tables, one for each seed."""
    results = [result_of(counts, seed) for seed, counts in enumerate(seeds)]
    write(project, name, "in-context", "pascal-voc", {"1/1": [r.mIoU for r in results]})
    path = project / "metrics" / "in-context" / "pascal-voc" / f"{name}.json"
    metrics = read_result(path).model_copy(update={"results": results})
    if keep:
        write_parts_beside(path, metrics)
    write_result(path, metrics)


def overview_of(project: Path, against: str | None) -> Overview:
    groups = read_groups(project / "models.json")
    return build_overview(read_measured(project / "metrics", groups), None, against, FEW)


def miou(counts: np.ndarray) -> float:
    """Return the mIoU of summed tables in percent, written out."""
    total = counts.sum(axis=0)
    ious = [
        total[k, k] / (total[k].sum() + total[:, k].sum() - total[k, k]) for k in range(CLASSES)
    ]
    return 100 * float(np.mean(ious))


def test_an_interval_is_that_of_images_drawn_for_both(project: Path, write: Write) -> None:
    one, other, second = tables(0.5), tables(0.6, 1), tables(0.6, 2)
    measure(project, write, "patch-colours", one)
    measure(project, write, "dino-vits16", other, second)
    found = overview_of(project, "patch-colours").paired.found
    (((handle, quantity), apart),) = found.items()
    assert (handle, quantity.setting) == ("dino-vits16", "1/1")
    weights = np.random.default_rng([FEW.seed, IMAGES]).multinomial(
        IMAGES, np.full(IMAGES, 1 / IMAGES), size=FEW.replicas
    )
    drawn = [
        (miou(other * w[:, None, None]) + miou(second * w[:, None, None])) / 2
        - miou(one * w[:, None, None])
        for w in weights
    ]
    assert apart.interval == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=1e-6)
    assert apart.value == pytest.approx((miou(other) + miou(second)) / 2 - miou(one), abs=1e-3)
    assert apart.sure


def test_seeds_of_a_run_are_one_model_and_equal_models_differ_by_nothing(
    project: Path, write: Write
) -> None:
    for name in ("dinov2r-vits14", "main.seed0", "main.seed1", "main.seed2"):
        measure(project, write, name, tables(0.5))
    overview = overview_of(project, "dinov2r-vits14")
    (apart,) = overview.paired.found.values()
    assert (apart.value, *apart.interval) == pytest.approx((0, 0, 0), abs=1e-9)
    assert not apart.sure
    assert "0 of the 1 intervals do not hold zero" in markdown(overview)


def test_it_stands_in_the_summary(project: Path, write: Write) -> None:
    measure(project, write, "patch-colours", tables(0.4))
    measure(project, write, "dino-vits16", tables(0.7, 1))
    overview = overview_of(project, "patch-colours")
    (apart,) = overview.paired.found.values()
    text = f"+{apart.value:.1f} [+{apart.interval[0]:.1f}, +{apart.interval[1]:.1f}]*"
    for shown in (markdown(overview), html(overview)):
        assert text in shown.replace("\\", "")
        assert "paired bootstrap over images" in shown
    assert "difference to Patch colours" in markdown(overview)
    rows = list(csv.DictReader(io.StringIO(as_csv(overview))))
    by_model = {row["model"]: row for row in rows}
    assert by_model["dino-vits16"]["against"] == "patch-colours"
    assert float(by_model["dino-vits16"]["difference_low"]) == pytest.approx(
        apart.interval[0], abs=1e-4
    )
    assert by_model["patch-colours"]["difference"] == ""
    assert "paired bootstrap" not in markdown(overview_of(project, None))


def test_metrics_without_results_of_images_say_so(project: Path, write: Write) -> None:
    measure(project, write, "patch-colours", tables(0.4))
    measure(project, write, "dino-vits16", tables(0.7, 1), keep=False)
    overview = overview_of(project, "patch-colours")
    assert not overview.paired.found
    assert "No intervals of DINO ViT-S/16 by in-context" in markdown(overview)


def test_parts_of_other_numbers_are_not_taken(project: Path, write: Write) -> None:
    measure(project, write, "patch-colours", tables(0.4))
    path = project / "metrics" / "in-context" / "pascal-voc" / "patch-colours.json"
    assert parts_beside(path, read_result(path)) is not None
    measure(project, write, "patch-colours", tables(0.5), keep=False)
    assert parts_beside(path, read_result(path)) is None
    path.with_suffix(".images.npz").write_bytes(b"torn")
    assert parts_beside(path, read_result(path)) is None
