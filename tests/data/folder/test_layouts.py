"""The layouts that people have: each is prepared as it is, or says in one line what to write."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from neco.data.folder.look import look, write_document
from neco.errors import UserError

STREET = [f"class {number}" for number in range(11)]
FACADE = {"#804000": "wall", "#0080ff": "window", "#ffff00": "door"}


def street(mine):
    """A street set like CamVid: 11 classes, 11 itself is unlabelled, folders `trainannot`."""
    return {
        split: mine.pairs(
            6, f"{split}/{split}_{{}}.png", f"{split}annot/{split}_{{}}.png", range(12)
        )
        for split in ("train", "val", "test")
    }


def test_a_street_set_says_how_to_ignore_its_unlabelled_id(mine):
    truth = street(mine)
    mine.text("classes.txt", "\n".join(STREET))
    with pytest.raises(UserError, match=r"impossible label 11 .* write `ignore: \[11\]`") as caught:
        mine.prepare()
    assert "\n" not in str(caught.value) and mine.nothing_written()
    mine.text("dataset.yaml", "ignore: [11]\n")
    summary = mine.prepare()
    assert summary.images == {"train": 6, "val": 6, "test": 6} and summary.classes == 11
    for split, masks in truth.items():
        for name, ids in masks.items():
            expected = np.where(ids == 11, 255, ids)
            np.testing.assert_array_equal(mine.masks()[f"{split}_{name}"], expected)


def colours(ids, table):
    return np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in table], np.uint8)[ids]


def facade(mine, split_of=lambda number: "train" if number < 6 else "val"):
    """A facade set: 16-bit RGBA masks, colours for classes, lists with suffixes."""
    truth, lists = {}, {"train": [], "val": []}
    for number in range(8):
        name = f"f{number}"
        mine.photograph(f"images/{name}.jpg")
        truth[name] = mine.ids()
        pixels = colours(truth[name], FACADE).astype(np.uint16) * 257
        opaque = np.full((*pixels.shape[:2], 1), 65535, np.uint16)
        mine.text(f"labels/{name}.png", rgba_16(np.concatenate([pixels, opaque], -1)))
        lists[split_of(number)].append(f"{name}.jpg")
    for split, names in lists.items():
        mine.text(f"{split}.txt", "\n".join(names))
    return truth


def rgba_16(pixels):
    """Return a PNG of 16 bits and four channels, which Pillow cannot write."""
    import struct
    import zlib

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 16, 6, 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_a_facade_set_needs_a_map_of_its_colours_and_look_writes_one(mine):
    truth = facade(mine)
    with pytest.raises(UserError, match=r"for the colours \"#.* `python -m neco look"):
        mine.prepare()
    document = look(mine.root).document
    for colour in FACADE:
        assert f'"{colour}": class' in document
    assert 'list: "train.txt"' in document and "6 images" in document
    mine.text("dataset.yaml", f"classes: {json.dumps(FACADE)}\n")
    assert mine.prepare().images == {"train": 6, "val": 2}
    assert mine.classes() == ["wall", "window", "door"]
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("label_colors.txt", "128 64 0\twall\n0 128 255\twindow\n255 255 0\tdoor\n"),
        ("class_dict.csv", "name,r,g,b\nwall,128,64,0\nwindow,0,128,255\ndoor,255,255,0\n"),
    ],
)
def test_a_list_of_colours_beside_the_masks_is_read(mine, file, text):
    truth = facade(mine)
    mine.text(file, text)
    assert mine.prepare().classes == 3
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)


def test_a_colour_that_is_not_named_is_refused_or_ignored(mine):
    truth = facade(mine)
    two = dict(list(FACADE.items())[:2])
    mine.text("dataset.yaml", f"classes: {json.dumps(two)}\n")
    with pytest.raises(UserError, match=r'the colour "#ffff00" .* means no class; name it in'):
        mine.prepare()
    for ignore in ('["255 255 0"]', '["#FFFF00"]', "others"):
        mine.text("dataset.yaml", f"classes: {json.dumps(two)}\nignore: {ignore}\n")
        mine.prepare()
        for name, ids in truth.items():
            np.testing.assert_array_equal(mine.masks()[name], np.where(ids == 2, 255, ids))


def test_cityscapes_names_and_ids_are_known(mine):
    truth = {}
    for split, city in (("train", "aachen"), ("train", "bonn"), ("val", "ulm")):
        name = f"{city}_000000_000019"
        mine.photograph(f"leftImg8bit/{split}/{city}/{name}_leftImg8bit.png")
        truth[f"{city}/{name}"] = ids = mine.ids([0, 4, 7, 11, 33])
        base = f"gtFine/{split}/{city}/{name}_gtFine"
        mine.mask(f"{base}_labelIds.png", ids.astype(np.uint8))
        mine.mask(f"{base}_color.png", np.stack([ids * 7] * 3, -1).astype(np.uint8))
        mine.mask(f"{base}_instanceIds.png", (ids * 1000).astype(np.uint16))
        mine.text(f"{base}_polygons.json", "{}")
    summary = mine.prepare()
    assert summary.images == {"train": 2, "val": 1} and summary.classes == 19
    assert "never labelled" in str(summary)
    meaning = np.full(256, 255)
    meaning[[7, 11, 33]] = [0, 2, 18]
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], meaning[ids])


def test_own_label_ids_go_by_their_own_names(mine):
    truth = mine.pairs(6, "shots/{}.jpg", "truth/{}_labelIds.png")
    mine.text("classes.txt", "sky\nwall\ndoor\n")
    assert mine.prepare().images == {"train": 5, "val": 1}
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)


def polygons(mine, names, number_from=0, folder=""):
    """Return COCO JSON of two boxes per image (the second is inside the first), and the truth."""
    content = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 5, "name": "leaf"}, {"id": 9, "name": "vein"}],
    }
    truth = {}
    for number, name in enumerate(names, number_from):
        mine.photograph(f"{folder}{name}.jpg")
        image = {"id": number, "file_name": f"{name}.jpg", "width": 40, "height": 32}
        content["images"].append(image)
        ids = np.zeros((32, 40), int)
        for category, (left, top, right, bottom) in (
            (9, (12, 10, 20, 18)),  # listed first, yet seen: it is the smaller one
            (5, (8, 6, 30, 24)),
        ):
            corners = [left, top, right, top, right, bottom, left, bottom]
            entry = {"image_id": number, "category_id": category, "segmentation": [corners]}
            content["annotations"].append(entry)
        ids[6:24, 8:30] = 1
        ids[10:18, 12:20] = 2
        truth[name] = ids
    return content, truth


def test_coco_polygons_become_masks(mine):
    content, truth = polygons(mine, [f"a{n}" for n in range(6)], folder="images/")
    content["images"].append({"id": 99, "file_name": "plain.jpg", "width": 40, "height": 32})
    mine.photograph("images/plain.jpg")
    mine.text("annotations/instances.json", json.dumps(content))
    assert mine.prepare().images == {"train": 6, "val": 1}
    assert mine.classes() == ["background", "leaf", "vein"]
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)
    assert not mine.masks()["plain"].any()


def test_coco_of_every_split_in_its_folder(mine):
    for split, names in (("train", ["a", "b"]), ("valid", ["c"])):
        content, truth = polygons(mine, names, folder=f"{split}/")
        mine.text(f"{split}/_annotations.coco.json", json.dumps(content))
    mine.text("dataset.yaml", "unannotated: ignored\n")
    assert mine.prepare().images == {"train": 2, "val": 1}
    assert mine.classes() == ["leaf", "vein"]
    expected = np.array([255, 0, 1])[truth["c"]]
    np.testing.assert_array_equal(mine.masks()["c"], expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3]]), "cannot be drawn"),
        (lambda c: c["annotations"][0].update(category_id=77), "no COCO annotations"),
        (lambda c: c["images"][0].update(file_name="../../x.jpg"), "outside of the folder"),
        (lambda c: c["images"][0].update(file_name="gone.jpg"), "annotated but not there|lacks"),
        (lambda c: c["images"][0].update(width=30), "the mask is 30x32 but its image is 40x32"),
    ],
)
def test_annotations_that_cannot_be_are_one_line(mine, change, message):
    content, _ = polygons(mine, ["a", "b"])
    change(content)
    mine.text("train.json", json.dumps(content))
    with pytest.raises(UserError, match=message) as caught:
        mine.prepare()
    assert "\n" not in str(caught.value) and mine.nothing_written()


def test_overlapping_outlines_equal_a_drawing(mine):
    """A triangle and a box, drawn once more by Pillow: equal but for the pixels of the edge."""
    content, _ = polygons(mine, ["a"])
    corners = [4, 2, 36, 10, 10, 30]
    content["annotations"] = [{"image_id": 0, "category_id": 5, "segmentation": [corners]}]
    mine.text("annotations.json", json.dumps(content))
    mine.prepare()
    canvas = Image.new("L", (40, 32))
    ImageDraw.Draw(canvas).polygon(corners, fill=1)
    assert (mine.masks()["a"] != np.array(canvas)).mean() < 0.05


def test_images_and_annotations_with_lists(mine):
    truth = mine.pairs(8, mask="annotations/{}.png")
    mine.text("classes.txt", "sky\nwall\ndoor\n")
    mine.text("ImageSets/Segmentation/train.txt", "\n".join(list(truth)[:5]))
    mine.text("ImageSets/Segmentation/val.txt", "\n".join(list(truth)[5:]))
    assert mine.prepare().images == {"train": 5, "val": 3}


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, bool])
def test_masks_as_numpy_files(mine, kind):
    truth = {}
    for number in range(5):
        mine.photograph(f"images/{number}.jpg")
        truth[str(number)] = mine.ids((0, 1)).astype(kind)
        mine.mask(f"masks/{number}.npy", truth[str(number)])
    mine.text("classes.txt", "sky\nwall\n")
    assert mine.prepare().images == {"train": 4, "val": 1}
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids.astype(int))


def test_one_folder_per_class_without_masks(mine):
    for name in ("aeroplane", "boat", "bus", "train"):
        for number in range(3):
            mine.photograph(f"{name}/{number}.jpg")
    summary = mine.prepare()
    assert summary.images == {"train": 12} and summary.classes == 0
    assert ("train", "train/0") in mine.items()


def test_a_folder_that_is_no_split_beside_splits_is_counted(mine):
    for name in ("train", "val", "extra"):
        mine.photograph(f"{name}/a.jpg")
    summary = mine.prepare()
    assert summary.images == {"train": 1, "val": 1} and summary.reasons == {"in no split": 1}


def every_layout(mine):
    yield lambda: street(mine)
    yield lambda: facade(mine)
    yield lambda: mine.pairs(6)
    yield lambda: mine.text("train.json", json.dumps(polygons(mine, ["a", "b"])[0]))


@pytest.mark.parametrize("number", range(4))
def test_what_look_writes_can_be_prepared_as_it_is(mine, number):
    list(every_layout(mine))[number]()
    found = look(mine.root)
    path = write_document(mine.root, found.document)
    assert path.read_text() == found.document
    summary = mine.prepare()
    assert sum(summary.images.values()) >= 2 and summary.classes >= 2
    with pytest.raises(UserError, match="cannot be written"):
        write_document(mine.root, found.document)
