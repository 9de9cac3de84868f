"""Masks, class lists and split lists as people have them."""

import numpy as np
import pytest
from PIL import Image

from neco.errors import UserError

CLASSES = "sky\nwall\ndoor\n"


def several(mine, save, values=(0, 1, 2), classes=CLASSES, count=5):
    """Write labelled images whose masks `save(ids)` makes; return the ids by name."""
    truth = {}
    for number in range(count):
        mine.photograph(f"images/{number}.jpg")
        truth[str(number)] = mine.ids(values)
        mine.mask(f"masks/{number}.png", save(truth[str(number)].astype(np.uint8)))
    mine.text("classes.txt", classes)
    return truth


def with_palette(ids):
    image = Image.fromarray(ids)
    image.putpalette([7] * 768)
    return image


@pytest.mark.parametrize(
    "save",
    [
        lambda ids: ids,
        lambda ids: ids.astype(np.uint16),
        with_palette,
        lambda ids: np.stack([ids] * 3, -1),
        lambda ids: Image.fromarray(ids).convert("LA"),
        lambda ids: Image.fromarray(np.stack([ids] * 3, -1)).convert("RGBA"),
    ],
    ids=["8 bit", "16 bit", "palette", "RGB", "LA", "RGBA"],
)
def test_ids_are_read_from_every_kind_of_image(mine, save):
    truth = several(mine, save)
    mine.prepare()
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)


def test_masks_of_tiff_hold_ids_of_32_bits_and_floats(mine):
    mine.text("classes.txt", CLASSES)
    truth = {}
    for number, kind in enumerate((np.int32, np.float32)):
        mine.photograph(f"images/{number}.jpg")
        truth[str(number)] = mine.mask(f"masks/{number}.tif", mine.ids().astype(kind))
    mine.prepare()
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)


def test_one_bit_masks_hold_0_and_1(mine):
    truth = several(mine, lambda ids: Image.fromarray(ids > 0), (0, 1), "sky\nwall\n")
    mine.prepare()
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)


def test_white_of_two_classes_is_the_second_and_said(mine):
    truth = several(mine, lambda ids: ids * 255, (0, 1), "background\nobject\n")
    assert "255 is 'object', not ignored" in str(mine.prepare())
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)


@pytest.mark.parametrize("classes", ["object\n", CLASSES])
def test_white_of_another_number_of_classes_says_what_to_write(mine, classes):
    truth = several(mine, lambda ids: ids * 255, (0, 1), classes)
    with pytest.raises(UserError, match=r"hold only 0 and 255; write, .* `classes: \{0: backgro"):
        mine.prepare()
    mine.text("dataset.yaml", "classes: {0: sky, 255: wall}\n")
    mine.prepare()
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)


def test_255_beside_ids_stays_ignored(mine):
    truth = several(mine, lambda ids: ids, (0, 1, 255), "sky\nwall\n")
    mine.prepare()
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)


@pytest.mark.parametrize("lists", [{}, {"train": "0\n1\n2", "val": "3\n4"}])
def test_masks_of_nothing_but_ignored_pixels_are_refused(mine, lists):
    several(mine, lambda ids: np.full_like(ids, 255))
    for split, text in lists.items():
        mine.text(f"{split}.txt", text)
    with pytest.raises(UserError, match="every pixel of the masks of split 'train'"):
        mine.prepare()
    assert mine.nothing_written()


def test_a_split_of_nothing_but_ignored_pixels_is_refused(mine):
    several(mine, lambda ids: ids)
    mine.mask("masks/4.png", np.full((32, 40), 255, np.uint8))
    with pytest.raises(UserError, match=r"masks of split 'val' \(1\) is ignored"):
        mine.prepare()


def test_a_class_that_is_never_labelled_is_said(mine):
    several(mine, lambda ids: ids, (0, 2))
    assert "never labelled: wall" in str(mine.prepare())


def test_ids_from_one_say_what_to_write(mine):
    truth = several(mine, lambda ids: ids + 1)
    remedy = r"if ids begin at 1, write `classes: \{1: sky, 2: wall, 3: door\}`"
    with pytest.raises(UserError, match=remedy):
        mine.prepare()
    mine.text("dataset.yaml", "classes: {1: sky, 2: wall, 3: door}\nignore: [0]\n")
    mine.prepare()
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], ids)


def test_ids_of_one_name_are_one_class(mine):
    truth = several(mine, lambda ids: ids * 10)
    mine.text("dataset.yaml", "classes: {0: sky, 10: house, 20: house}\n")
    assert mine.prepare().classes == 2
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], np.minimum(ids, 1))


def test_a_palette_goes_by_its_colours_where_classes_do(mine):
    def palette(ids):
        image = Image.fromarray(ids)
        image.putpalette([1, 2, 3, 4, 5, 6, 7, 8, 9] + [0] * 759)
        return image

    truth = several(mine, palette)
    mine.text("dataset.yaml", 'classes: {"7 8 9": door, "#010203": sky, "4,5,6": wall}\n')
    mine.prepare()
    assert mine.classes() == ["door", "sky", "wall"]
    for name, ids in truth.items():
        np.testing.assert_array_equal(mine.masks()[name], np.array([1, 2, 0])[ids])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_lists_of_every_encoding_name_the_same(mine, encoding, line_end):
    several(mine, lambda ids: ids, count=4)
    mine.photograph("images/grün.jpg")
    mine.mask("masks/grün.png", mine.ids().astype(np.uint8))
    mine.text("classes.txt", line_end.join(["Bäume", "wall", "door"]).encode(encoding))
    mine.text("train.txt", line_end.join(["0", "1", "grün"]).encode(encoding))
    mine.text("val.txt", line_end.join(["2.jpg", "images/3.jpg"]).encode(encoding))
    assert mine.prepare().images == {"train": 3, "val": 2}
    assert mine.classes() == ["Bäume", "wall", "door"]


def test_names_that_are_listed_again_count_once(mine, capsys):
    several(mine, lambda ids: ids)
    mine.text("train.txt", "0\n1\n0\n1.jpg\n2\n")
    mine.text("val.txt", "3\n4\n4\n2\n")
    summary = mine.prepare()
    assert summary.images == {"train": 3, "val": 3}
    said = capsys.readouterr().err
    assert "train.txt: 1 names are listed again" in said
    assert "1 images are in more than one split" in str(summary)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("classes.txt", "", "masks need class names"),
        ("classes.txt", "sky\n\nwall\ndoor", "line 2 is empty"),
        ("classes.txt", "sky\nwall\nsky", "names 'sky' twice"),
        ("classes.txt", b"\0\1\2", "is no readable text"),
        ("train.txt", "0\n../../etc/passwd", "outside of the folder"),
        ("train.txt", "/etc/passwd", "outside of the folder"),
        ("train.txt", "0\n77", r"train\.txt: names 77, but .*images holds no such image"),
    ],
)
def test_lists_that_cannot_be_are_one_line(mine, name, text, message):
    several(mine, lambda ids: ids)
    mine.text(name, text)
    with pytest.raises(UserError, match=message) as caught:
        mine.prepare()
    assert "\n" not in str(caught.value) and mine.nothing_written()


def test_a_listed_image_that_is_missing_may_be_left_out(mine):
    several(mine, lambda ids: ids)
    mine.text("train.txt", "0\n1\n77")
    assert mine.prepare(skip=1).reasons == {"listed but not there": 1, "in no split": 3}


@pytest.mark.parametrize(
    "line", ["{}", "{}.jpg", "images/{}.jpg", "./images/{}.jpg", "{}.jpg {}.png", "{},1", "mine/{}"]
)
def test_lists_name_images_in_many_ways(mine, line):
    several(mine, lambda ids: ids)
    mine.text("train.txt", "\n".join(line.format(n, n) for n in range(3)))
    mine.text("val.csv", "filename\n" + "\n".join(line.format(n, n) for n in (3, 4)))
    assert mine.prepare().images == {"train": 3, "val": 2}


def test_photographs_are_turned_to_their_upright_masks(mine):
    truth = {}
    for number in range(5):
        upright = mine.photograph("seed.png")
        exif = Image.Exif()
        exif[0x0112] = 6  # stored lying, a viewer turns it
        lying = upright.transpose(Image.Transpose.ROTATE_90)
        lying.save(mine.path(f"images/{number}.jpg"), quality=95, exif=exif)
        truth[str(number)] = (
            upright,
            mine.mask(f"masks/{number}.png", mine.ids().astype(np.uint8)),
        )
    mine.path("seed.png").unlink()
    mine.text("classes.txt", CLASSES)
    assert "5 turned upright by EXIF" in str(mine.prepare())
    for (_, name), item in mine.items().items():
        upright, ids = truth[name]
        found = np.array(item.read_image()).astype(int)
        assert np.abs(found - np.array(upright).astype(int)).mean() < 4
        np.testing.assert_array_equal(item.read_mask(), ids)
    mine.text("dataset.yaml", "orientation: stored\n")
    with pytest.raises(UserError, match="the mask is 40x32 but its image is 32x40"):
        mine.prepare()


def test_masks_of_the_stored_pixels_say_what_to_write(mine):
    several(mine, lambda ids: ids, count=4)
    exif = Image.Exif()
    exif[0x0112] = 8
    mine.photograph("images/4.jpg", exif=exif)
    mine.mask("masks/4.png", mine.ids().astype(np.uint8))
    with pytest.raises(UserError, match=r"fits the image as stored.* `orientation: stored`"):
        mine.prepare()
    mine.text("dataset.yaml", "orientation: stored\n")
    mine.prepare()
    item = mine.items()["val", "4"]
    assert item.read_image().size == (40, 32) == item.read_mask().shape[::-1]


def test_a_mask_with_exif_is_turned_too(mine):
    several(mine, lambda ids: ids, count=4)
    exif = Image.Exif()
    exif[0x0112] = 3
    mine.photograph("images/4.jpg", exif=exif)
    ids = mine.mask("masks/4.png", mine.ids().astype(np.uint8), exif=exif)
    mine.prepare()
    np.testing.assert_array_equal(mine.masks()["4"], ids[::-1, ::-1])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_bytes(b""), "truncated or damaged mask"),
        (lambda path: path.write_bytes(path.read_bytes()[:60]), "truncated or damaged mask"),
        (lambda path: path.write_text("<html>"), "truncated or damaged mask"),
        (lambda path: Image.new("L", (9, 9)).save(path), "the mask is 9x9 but its image is 40x32"),
    ],
)
def test_a_broken_mask_is_named_and_may_be_left_out(mine, write, message):
    several(mine, lambda ids: ids)
    write(mine.path("masks/1.png"))
    with pytest.raises(UserError, match=rf"masks/1\.png: .*{message}") as caught:
        mine.prepare()
    assert "--skip 1" in str(caught.value) and mine.nothing_written()
    summary = mine.prepare(skip=1)
    assert sum(summary.images.values()) == 4 and sum(summary.reasons.values()) == 1


@pytest.mark.parametrize(
    "array",
    [
        np.full((32, 40), 0.5),
        np.zeros((32, 40, 5), np.uint8),
        np.zeros(7, int),
        np.array([["a"]]),
        np.array([None, 1], object),
    ],
)
def test_arrays_that_are_no_masks_are_one_line(mine, array):
    mine.photograph("images/0.jpg")
    np.save(mine.path("masks/0.npy"), array, allow_pickle=True)
    mine.text("classes.txt", CLASSES)
    with pytest.raises(UserError, match=r"masks/0\.npy: ") as caught:
        mine.prepare()
    assert "\n" not in str(caught.value) and mine.nothing_written()
