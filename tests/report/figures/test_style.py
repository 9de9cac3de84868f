import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from neco.report.figures.style import cluster_colours, drawn, label_colours, painted


def test_black_is_for_background_alone() -> None:
    assert tuple(label_colours(["background", "cat"])[0]) == (0, 0, 0)
    assert label_colours(["sky", "tree"]).any(axis=1).all()
    assert len(np.unique(label_colours([str(k) for k in range(171)]), axis=0)) == 171


@settings(max_examples=30)
@given(st.integers(1, 500))
def test_clusters_have_colours_of_their_own(count: int) -> None:
    colours = cluster_colours(count)
    assert colours.shape == (count, 3)
    assert len(np.unique(colours, axis=0)) > 0.95 * count


def test_ignored_pixels_show_the_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    labels = np.full((4, 5), 255, np.uint8)
    labels[0, 0] = 1
    mixed = painted(image, labels, label_colours(["background", "cat"]))
    expected = 0.4 * image[0, 0] + 0.6 * np.array([128, 0, 0])
    assert np.abs(mixed[0, 0] - expected).max() <= 1
    assert (mixed.reshape(-1, 3)[1:] == image.reshape(-1, 3)[1:]).all()


def test_fonts_are_embedded_and_the_file_repeats(tmp_path) -> None:
    def draw() -> Figure:
        figure = Figure(figsize=(2, 1))
        figure.text(0.1, 0.5, "mIoU ± †")
        return figure

    png, pdf = drawn(draw, tmp_path, "x")
    first = pdf.read_bytes()
    assert b"/FontFile2" in first
    assert b"/Type3" not in first
    drawn(draw, tmp_path, "x")
    assert pdf.read_bytes() == first
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["figure.figsize", "font.size", "pdf.fonttype"])
def test_matplotlibs_own_settings_are_left_alone(tmp_path, name: str) -> None:
    import matplotlib as mpl

    before = mpl.rcParams[name]
    drawn(Figure, tmp_path, "x")
    assert mpl.rcParams[name] == before
