import numpy as np
import pytest

from neco.data.dataset import read_dataset
from neco.data.prepare import prepare
from neco.errors import UserError


@pytest.fixture
def mine(official):
    folder = official.archives / "mine"
    folder.mkdir(parents=True)
    return folder


def put(official, folder, *names):
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(official.jpeg(seed))


def put_masks(official, folder, masks):
    for name, ids in masks.items():
        path = folder / "masks" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(official.png(ids))


def run(official):
    into = official.prepared / "mine"
    return prepare("mine", official.archives, into, prepared=official.prepared)


def test_plain_images_are_one_unlabelled_training_split(official, mine):
    put(official, mine, "b.jpg", "holiday/a.PNG", "notes.txt.jpeg")
    (mine / "readme.txt").write_text("not an image")
    assert run(official).images == {"train": 3}
    dataset = read_dataset(official.prepared / "mine", "train")
    assert [item.id for item in dataset.items] == ["b", "holiday/a", "notes.txt"]
    assert dataset.items[1].read_image().size == (24, 16)


def test_preparing_does_not_touch_the_users_files(official, mine):
    put(official, mine, "a.jpg")
    run(official)
    run(official)  # replaces the first preparation, through its link
    assert [path.name for path in mine.iterdir()] == ["a.jpg"]


def test_pairs_hold_out_every_fifth(official, mine):
    names = [f"{n:02}" for n in range(11)]
    put(official, mine, *(f"images/{name}.jpg" for name in [*names, "unlabelled"]))
    masks = {name: official.labels([0, 1, 2, 255], seed) for seed, name in enumerate(names)}
    put_masks(official, mine, masks)
    (mine / "classes.txt").write_text("background\nleaf\nstem\n")
    summary = run(official)
    assert summary.images == {"train": 9, "val": 2}
    assert sum(summary.left_out.values()) == 1
    written = official.written("mine")
    assert {name for split, name in written if split == "val"} == {"04", "09"}
    for (_, name), (_, found) in written.items():
        np.testing.assert_array_equal(found, masks[name])
    description = official.description("mine")
    assert description["classes"] == ["background", "leaf", "stem"]
    assert description["background"] is True


def test_subfolders_are_splits(official, mine):
    put(official, mine, "images/train/a.jpg", "images/val/b.jpg")
    put_masks(official, mine, {n: official.labels([0, 1]) for n in ("train/a", "val/b")})
    (mine / "classes.txt").write_text("cat\ndog\n")
    assert run(official).images == {"train": 1, "val": 1}
    assert official.description("mine")["background"] is False


def test_lists_are_splits(official, mine):
    put(official, mine, "a.jpg", "b.jpg", "c.jpg")
    (mine / "train.txt").write_text("c\na\n")
    (mine / "val.txt").write_text("b\n")
    run(official)
    assert set(official.written("mine")) == {("train", "a"), ("train", "c"), ("val", "b")}


def test_a_list_that_names_a_missing_image_is_refused(official, mine):
    put(official, mine, "a.jpg")
    (mine / "train.txt").write_text("a\nb\n")
    with pytest.raises(UserError, match=r"train\.txt: names b"):
        run(official)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.full((16, 24), 2), r"masks/a\.png: impossible label 2 .*there are 2 classes"),
        (np.zeros((16, 20)), r"masks/a\.png: the mask is 20x16 but its image is 24x16"),
        (np.arange(16 * 24 * 3).reshape(16, 24, 3) % 9, r"classes\.txt: names .* hold colours"),
    ],
)
def test_an_impossible_mask_is_refused(official, mine, ids, message):
    put(official, mine, "images/a.jpg")
    put_masks(official, mine, {"a": ids})
    (mine / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(UserError, match=message):
        run(official)
    assert official.leftovers() == []


def test_masks_need_class_names(official, mine):
    put(official, mine, "images/a.jpg")
    put_masks(official, mine, {"a": official.labels([0])})
    with pytest.raises(UserError, match=r"classes\.txt: masks need class names"):
        run(official)


def test_masks_that_match_no_image_are_refused(official, mine):
    put(official, mine, "images/a.jpg")
    put_masks(official, mine, {"b": official.labels([0])})
    (mine / "classes.txt").write_text("cat\n")
    with pytest.raises(UserError, match=r"no image has a mask; masks are named like a\.png"):
        run(official)


def test_images_may_lie_beside_the_folder_of_masks(official, mine):
    put(official, mine, "a.jpg", "b.jpg")
    masks = {name: official.labels([0], seed) for seed, name in enumerate("ab")}
    put_masks(official, mine, masks)
    (mine / "classes.txt").write_text("cat\n")
    assert run(official).images == {"train": 2}


def test_images_that_differ_in_the_suffix_keep_it_in_their_ids(official, mine):
    put(official, mine, "a.jpg", "a.png")
    assert run(official).images == {"train": 2}
    assert set(official.written("mine")) == {("train", "a.jpg"), ("train", "a.png")}


def test_two_images_of_one_mask_are_refused(official, mine):
    put(official, mine, "images/a.jpg", "images/a.png")
    put_masks(official, mine, {"a": official.labels([0])})
    (mine / "classes.txt").write_text("cat\n")
    with pytest.raises(UserError, match=r"a\.png: differs from a\.jpg in the suffix only"):
        run(official)


def test_a_misspelt_dataset_is_told_the_nearest_name(official):
    with pytest.raises(UserError, match=r"did you mean 'pascal-voc'"):
        prepare(
            "pascal-vocs", official.archives, official.prepared / "x", prepared=official.prepared
        )
