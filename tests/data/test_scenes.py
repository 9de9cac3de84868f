"""Generated scenes: the same for the same seed, official archives that the preparation reads."""

import hashlib
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neco.config import Scenes
from neco.data.dataset import IGNORED, read_dataset
from neco.data.prepare import prepare
from neco.data.scenes.archives import FAMILIES, write_archives, written_with
from neco.data.scenes.scene import THING_NAMES, render_portrait, render_scene
from neco.data.scenes.shapes import MATERIALS, THINGS, USUAL, sketch_thing
from neco.data.scenes.surfaces import STUFF, stuff, texture
from neco.data.scenes.voc import VOC_IDS

SMALL = Scenes(train=5, val=3, unlabelled=2, width=48, height=40, seed=3)


COUNTS = {
    "pascal-voc": {"train": 5, "trainaug": 10, "val": 3},
    "coco": {"train": 7, "val": 3},
    "coco-things": {"train": 5, "val": 3},
    "coco-stuff": {"train": 5, "val": 3},
    "coco-stuff-164k": {"train": 5, "val": 3},
    "ade20k": {"train": 5, "val": 3},
    "pascal-context": {"train": 5, "val": 3},
    "imagenet-100": {"train": 5},
}


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    everything = [name for family, _ in FAMILIES for name in family]
    written = write_archives(folder, SMALL, everything, processes=1)
    assert {path.name for path in written} == set(everything) == {*written_with(everything)}
    return folder


@pytest.fixture(scope="module")
def prepared(archives, tmp_path_factory) -> Path:
    parent = tmp_path_factory.mktemp("prepared")
    for name in COUNTS:
        prepare(name, archives, parent / name, prepared=parent, workers=1)
    return parent


def test_a_seed_fixes_every_pixel_and_another_changes_them():
    first, again = render_scene(1, 2, 40, 56), render_scene(1, 2, 40, 56)
    assert first.image.shape == (40, 56, 3)
    assert (first.image == again.image).all() and (first.instances == again.instances).all()
    assert (first.image != render_scene(2, 2, 40, 56).image).mean() > 0.5


def test_labels_belong_to_things_that_are_there():
    for index in range(12):
        scene = render_scene(0, index, 48, 48)
        assert scene.instances.max() <= len(scene.things) <= 4
        assert scene.stuff.max() < len(STUFF)
        shown = set(np.unique(scene.thing_classes())) - {0}
        assert shown <= {1 + THING_NAMES.index(name) for name in scene.things}


def test_portraits_show_one_thing_in_the_middle():
    covered = 0
    for index in range(10):
        scene = render_portrait(0, index, 40)
        assert len(scene.things) == 1
        covered += (scene.instances[12:28, 12:28] == 1).any()
    assert covered == 10


@pytest.mark.parametrize("name", THINGS)
def test_every_class_has_parts_of_several_materials(name):
    used = {material for _, material in sketch_thing(name, np.random.default_rng(0)).parts}
    assert len(used) >= 3 and max(used) < MATERIALS == len(USUAL[name])


@pytest.mark.parametrize("name", STUFF)
def test_every_stuff_paints(name):
    painted = stuff(name, np.random.default_rng(0), 30, 50)
    assert painted.shape == (30, 50, 3) and np.isfinite(painted).all() and painted.std() > 0


def test_textures_keep_the_mean_brightness():
    rng = np.random.default_rng(0)
    for kind in ("plain", "striped", "spotted", "mottled"):
        assert abs(texture(rng, 64, 64, kind).mean() - 1) < 0.35


def test_archives_are_deterministic(archives, tmp_path):
    name = "VOCtrainval_11-May-2012.tar"
    write_archives(tmp_path, SMALL, [name, "benchmark.tgz"], processes=2)
    with tarfile.open(archives / name) as one, tarfile.open(tmp_path / name) as two:
        assert one.getnames() == two.getnames()
        for member in one.getnames():
            digests = {hashlib.sha256(a.extractfile(member).read()).digest() for a in (one, two)}
            assert len(digests) == 1


def test_the_preparation_reads_them_all(prepared):
    counts = {
        (name, split): len(read_dataset(prepared / name, split))
        for name, splits in COUNTS.items()
        for split in splits
    }
    assert counts == {
        (name, split): count for name, splits in COUNTS.items() for split, count in splits.items()
    }


def test_only_what_is_asked_for_is_written(tmp_path):
    write_archives(tmp_path, SMALL, ["VOCtrainval_11-May-2012.tar"], processes=1)
    assert [path.name for path in tmp_path.iterdir()] == ["VOCtrainval_11-May-2012.tar"]


def test_voc_labels_are_the_scene_s(prepared):
    dataset = read_dataset(prepared / "pascal-voc", "train")
    mask = dataset.items[0].read_mask()
    scene = render_scene(SMALL.seed, 1_000_000, SMALL.height, SMALL.width)
    ids = np.array([0, *(VOC_IDS[name] for name in THING_NAMES)])
    truth = ids[scene.thing_classes()]
    inside = mask != IGNORED
    assert (mask[inside] == truth[inside]).all()
    assert 0 < (~inside).mean() < 0.5
    with Image.open(dataset.items[0].image) as image:
        difference = np.abs(np.asarray(image, dtype=int) - scene.image)
    assert difference.mean() < 12  # JPEG


def test_coco_things_and_stuff_part_the_image(prepared):
    things = read_dataset(prepared / "coco-things", "val").items[0].read_mask()
    stuff_mask = read_dataset(prepared / "coco-stuff", "val").items[0].read_mask()
    assert ((things == IGNORED) ^ (stuff_mask == IGNORED)).all()
