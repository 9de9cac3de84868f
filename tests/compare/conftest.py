"""A folder of small photographs with masks, and its comparison, made once."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neco.cli import main

COLOURS = np.array([[40, 60, 40], [220, 60, 50], [60, 90, 230]], dtype=np.uint8)
SMALL = (
    "in_context.fractions=[1,2]", "in_context.seeds=[0,1]", "in_context.neighbours=5",
    "overcluster.clusters=[classes,6]", "overcluster.redos=1", "overcluster.seeds=[0,1]",
    "linear.epochs=3", "linear.batch_size=4", "linear.mask_size=32",
    "consistency.seeds=[0]", "consistency.image_size=64", "consistency.references=40",
    "consistency.neighbours=5", "extraction.workers=0", "compare.replicas=100",
    "compare.page.images=3", "compare.page.clusters=4",
)  # fmt: skip
PROTOCOLS = "in-context,overcluster,linear,consistency"


def write_photographs(root: Path, count: int = 16, masks: bool = True) -> Path:
    """Write images of coloured rectangles, 64 x 48 pixels, and masks of three classes."""
    generator = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    for number in range(count):
        mask = np.zeros((48, 64), np.uint8)
        for _ in range(2):
            top, left = generator.integers(0, 28), generator.integers(0, 40)
            mask[top : top + 22, left : left + 24] = generator.integers(1, 3)
        noise = generator.integers(-40, 41, (48, 64, 3))
        pixels = np.clip(COLOURS[mask].astype(int) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number:02}.png")
        if masks:
            (root / "masks").mkdir(exist_ok=True)
            Image.fromarray(mask).save(root / "masks" / f"{number:02}.png")
    if masks:
        (root / "dataset.yaml").write_text("classes: [background, red, blue]\n")
    return root


def compare(out: Path, *arguments: object, settings: tuple[str, ...] = SMALL) -> int:
    """Return the exit status of `neco compare` with small settings."""
    sets = [part for item in settings for part in ("--set", item)]
    given = [str(one) for one in arguments]
    return main(
        ["compare", "--out", str(out), "--image-size", "64", "--threads", "1", *given, *sets]
    )


@pytest.fixture(scope="session")
def photographs(tmp_path_factory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("some photos ü") / "Gärten und Höfe")


@pytest.fixture(scope="session")
def compared(tmp_path_factory, photographs) -> Path:
    """Return the folder of a comparison: one backbone against itself and against colours."""
    out = tmp_path_factory.mktemp("out here ö") / "the comparison"
    given = ["--data", photographs, "--protocols", PROTOCOLS]
    backbones = ["demo-vit", "demo-vit", "patch-colours"]
    for one in backbones:
        given += ["--backbone", one]
    assert compare(out, *given) == 0
    return out


@pytest.fixture(scope="session")
def content(compared) -> dict:
    return json.loads((compared / "comparison.json").read_text(encoding="utf-8"))
