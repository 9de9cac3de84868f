"""Guessed patterns against the layouts that public data sets have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neco.data.folder.pairs import guess_patterns
from neco.data.folder.patterns import Pattern, are_splits, literal_folder, split_marked
from neco.errors import UserError

N = [f"{n:03}" for n in range(4)]
SPLITS = ("train", "val")


def spread(*forms, splits=SPLITS, names=N):
    return sorted({form.format(n=n, s=s) for form in forms for n in names for s in splits})


@pytest.mark.parametrize(
    ("images", "arrays", "expected"),
    [
        (
            spread("{s}/{n}.png", "{s}annot/{n}.png"),
            [],
            ("{split}/{id}.*", "{split}annot/{id}.png"),
        ),
        (spread("images/{n}.jpg", "masks/{n}.png"), [], ("images/{id}.*", "masks/{id}.png")),
        (spread("images/{n}.jpg", "labels/{n}.tif"), [], ("images/{id}.*", "labels/{id}.tif")),
        (
            spread(
                "images/{s}/{n}.jpg", "annotations/{s}/{n}.png", splits=("training", "validation")
            ),
            [],
            ("images/{split}/{id}.*", "annotations/{split}/{id}.png"),
        ),
        (
            spread("{s}/images/{n}.jpg", "{s}/masks/{n}.png"),
            [],
            ("{split}/images/{id}.*", "{split}/masks/{id}.png"),
        ),
        (
            spread("images_{s}/{n}.jpg", "masks_{s}/{n}.png"),
            [],
            ("images_{split}/{id}.*", "masks_{split}/{id}.png"),
        ),
        (
            spread("leftImg8bit/{s}/bonn/{n}_leftImg8bit.png")
            + spread(
                "gtFine/{s}/bonn/{n}_gtFine_color.png", "gtFine/{s}/bonn/{n}_gtFine_labelIds.png"
            ),
            [],
            ("leftImg8bit/{split}/{id}_leftImg8bit.*", "gtFine/{split}/{id}_gtFine_labelIds.png"),
        ),
        (
            spread("JPEGImages/{n}.jpg"),
            spread("masks/{n}.npy"),
            ("JPEGImages/{id}.*", "masks/{id}.npy"),
        ),
        (spread("{n}.jpg", "{n}_mask.png"), [], ("{id}.*", "{id}_mask.png")),
        (spread("{n}.jpg"), spread("{n}.npy"), ("{id}.*", "{id}.npy")),
        (spread("{n}.jpg", "masks/{n}.png"), [], ("{id}.*", "masks/{id}.png")),
        (
            spread("set/images/image_{n}.jpg", "set/labels/mask_{n}.png"),
            [],
            ("set/images/image_{id}.*", "set/labels/mask_{id}.png"),
        ),
        (
            spread("{s}/images/{n}.jpg", "{s}/labels/{n}.png", splits=("site1", "site2")),
            [],
            ("{folder}/images/{id}.*", "{folder}/labels/{id}.png"),
        ),
        (
            spread("images/{s}/{n}.jpg", "masks/{s}/{n}.png", splits=("bus", "train")),
            [],
            ("images/{id}.*", "masks/{id}.png"),
        ),
        (
            [*spread("images/{n}.jpg", "masks/{n}.png"), "images/x.jpg", "masks/x.PNG"],
            [],
            ("images/{id}.*", "masks/{id}.*"),
        ),
        (spread("{s}/{n}.jpg", splits=("cat", "dog", "train")), [], ("{id}.*", "")),
        (spread("{s}/cat/{n}.jpg"), [], ("{split}/{id}.*", "")),
        (spread("images/{s}/{n}.jpg"), [], ("images/{split}/{id}.*", "")),
        (spread("masks/{n}.jpg"), [], ("{id}.*", "")),  # photographs of masks
        ([], [], ("{id}.*", "")),
    ],
)
def test_public_layouts(images, arrays, expected):
    assert guess_patterns(sorted(images), arrays) == expected
    pattern = Pattern(expected[0], "x")
    masks = Pattern(expected[1], "x") if expected[1] else None
    kept = [path for path in images if not (masks and masks.key(path))]
    assert all(pattern.key(path) for path in kept if "color" not in path)


def test_a_pattern_takes_a_path_apart():
    key = Pattern("gt/{split}/{id}_x.*", "x").key("gt/val/ulm/a_x.PNG")
    assert key == ("val", "", "ulm/a")
    assert Pattern("a/{id}.png", "x").key("a/b.PNG") and not Pattern("A/{id}.png", "x").key(
        "a/b.png"
    )
    assert Pattern("{folder}/x*/{id}.*", "x").key("s1/x7/new\nline.jpg") == ("", "s1", "new\nline")


@given(st.from_regex(r"[a-z0-9+.()\[\] ]{1,8}(/[a-z0-9+.()\[\] ]{1,8}){0,2}", fullmatch=True))
def test_a_pattern_finds_the_path_that_it_makes(name):
    for text in ("a.b/{id}_m.png", "{split}/{id}.png", "({id}).*"):
        path = text.replace("{id}", name).replace("{split}", "val").replace("*", "jpg")
        key = Pattern(text, "x").key(path)
        assert key is not None and key.id.endswith(name.split("/")[-1])


@pytest.mark.parametrize("text", ["{name}/{id}.png", "{id}/{id}.png", "{split}/{split}/{id}.jpg"])
def test_patterns_that_cannot_be_are_refused(text):
    with pytest.raises(UserError, match=r"dataset\.yaml: the pattern"):
        Pattern(text, "dataset.yaml")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["train"], True),
        (["train", "val"], True),
        (["Training", "VALIDATION"], True),
        (["train", "val", "extra"], True),
        (["train", "bus"], False),
        (["val", "bus"], False),
        (["bus"], False),
        ([], False),
    ],
)
def test_folders_are_splits_only_together(names, expected):
    assert are_splits(names) is expected


def test_splits_are_found_inside_names():
    assert split_marked("trainannot") == ("{split}annot", "train")
    assert split_marked("instances_val2017") == ("instances_{split}2017", "val")
    assert split_marked("training-images") == ("{split}-images", "training")
    assert split_marked("trains") is None and split_marked("constrain") is None
    assert literal_folder("a/b/{id}.*") == "a/b/" and literal_folder("{split}/a/{id}") == ""
