import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neco.report.page.build import embedded, write_report
from neco.report.scores.groups import read_groups
from neco.report.tables.cells import Footer

Write = Callable[..., None]
VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects what a page refers to, and whether its tags close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.ids: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        values = dict(attrs)
        self.references += [values[name] or "" for name in ("src", "href") if name in values]
        self.ids.add(values.get("id") or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def report(project: Path, write: Write, tmp_path: Path) -> str:
    write(project, "dinov2r-vits14", "in-context", "pascal-voc", {"1/1": [70.0]}, val_images=80)
    for seed in range(3):
        write(project, f"main.seed{seed}", "in-context", "pascal-voc", {"1/1": [71.0 + seed]})
    write(project, "gone", "in-context", "pascal-voc", {"1/1": [1.0]})
    figures = tmp_path / "figures"
    figures.mkdir()
    Image.new("RGB", (8, 8)).save(figures / "figure-2.png")
    (tmp_path / "metrics.csv").write_text("step,loss,floor\n0,3,2\n1,2.5,2\n")
    (tmp_path / "config.yaml").write_text("name: demo  # <small>\n")
    path = write_report(
        tmp_path / "report.html",
        project / "metrics",
        read_groups(project / "models.json"),
        Footer("demo", scale="a <small> one", command="make demo"),
        figures=figures,
        tables=["1a", "8"],
        runs={"main": [tmp_path / "metrics.csv", tmp_path / "missing.csv"]},
        config=tmp_path / "config.yaml",
        rerun=["git clone project", "make demo"],
    )
    return path.read_text()


def test_it_needs_nothing_else(report: str) -> None:
    page = Page()
    page.feed(report)
    assert page.open == []
    for reference in page.references:
        assert reference.startswith(("data:image/", "#"))
    assert {link[1:] for link in page.references if link.startswith("#")} <= page.ids
    assert not re.search(r"https?://|<script|@import|url\(", report)


def test_it_holds_every_part(report: str) -> None:
    page = Page()
    page.feed(report)
    text = " ".join(page.text.split())
    for expected in (
        "NeCo (main, from dinov2r-vits14) beats its start in Pascal VOC in-context 1/1: better in "
        "3 of 3 seeds, gain +2.0 ± 1.0 (+1.0, +2.0, +3.0).",
        "Table 8. In-context segmentation by dense nearest neighbours",
        "Table 1a. Clustering of frozen features, ViT-S (nothing of ours ran)",
        "Not drawn: Predictions and clusters before and after NeCo; Figure 6.",
        "Scale: a <small> one",
        "Left out, of no model in the project: in-context/pascal-voc/gone.json",
        "git clone project make demo",
        "name: demo # <small>",
        "NeCo on DINOv2R ViT-S/14: +5.1 in Pascal VOC, in-context 1/1 — holds†.",
    ):
        assert expected in text
    assert report.count("data:image/png") == 2  # figure 2 and the curves
    assert "Table 2." not in text


def test_large_pictures_become_jpeg_and_small_ones_stay(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "small.png")
    assert embedded(tmp_path / "large.png").startswith("data:image/jpeg;base64,")
    assert embedded(tmp_path / "small.png").startswith("data:image/png;base64,")
