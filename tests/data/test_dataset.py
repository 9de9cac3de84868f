import json
import shutil

import pytest

from neco.data.dataset import Item, read_dataset
from neco.data.prepare import prepare
from neco.errors import UserError


@pytest.fixture
def folder(official):
    official.coco({"train": ["b", "a"], "val": ["c"]})
    into = official.prepared / "coco"
    prepare("coco", official.archives, into, prepared=official.prepared)
    return into


def test_items_keep_the_order_of_the_index(folder):
    dataset = read_dataset(folder, "train")
    assert [item.id for item in dataset.items] == ["a", "b"] and len(dataset) == 2
    assert dataset.items[0].read_image().mode == "RGB"


def test_an_unknown_split_is_told_the_nearest(folder):
    with pytest.raises(UserError, match="no split 'vall'; did you mean 'val'"):
        read_dataset(folder, "vall")


def test_a_folder_that_is_not_prepared_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"not a prepared dataset .*neco prepare"):
        read_dataset(tmp_path, "train")


def test_an_unlabelled_image_has_no_mask(folder):
    with pytest.raises(UserError, match="has no mask; choose a labelled split"):
        read_dataset(folder, "val").items[0].read_mask()


def test_a_broken_image_is_named(tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(b"not a jpeg")
    with pytest.raises(UserError, match=r"x\.jpg: cannot be read as an image"):
        Item("x", path, None, "train").read_image()
    with pytest.raises(UserError, match=r"x\.jpg: cannot be read as a mask"):
        Item("x", path, path, "train").read_mask()


def digests(folder):
    return [read_dataset(folder, split).digest() for split in ("train", "val")]


def test_the_digest_knows_no_path_and_comes_again(folder, official, tmp_path):
    first = digests(folder)
    assert first[0] != first[1] and all(len(digest) == 64 for digest in first)
    prepare("coco", official.archives, folder, prepared=official.prepared)
    assert digests(folder) == first
    shutil.copytree(folder, tmp_path / "elsewhere")
    assert digests(tmp_path / "elsewhere") == first


def test_the_digest_sees_other_content_of_the_same_name_and_size(folder, official):
    first = digests(folder)
    official.coco({"train": ["a", "b"], "val": ["c"]})  # a and b have changed places
    prepare("coco", official.archives, folder, prepared=official.prepared)
    second = digests(folder)
    assert second[0] != first[0] and second[1] == first[1]


def test_the_digest_of_the_images_alone_leaves_the_labels_out(official):
    found = []
    for labels in ([0, 1], [1, 2]):
        ids = official.labels(labels)
        official.voc({"train": {"a": ids}, "val": {"b": ids}})
        into = official.prepared / "pascal-voc"
        prepare("pascal-voc", official.archives, into, prepared=official.prepared)
        dataset = read_dataset(into, "train")
        found.append((dataset.digest(masks=False), dataset.digest()))
    assert found[0][0] == found[1][0] and found[0][1] != found[1][1]


def test_a_dataset_from_before_digests_goes_by_sizes(folder):
    index = folder / "index.csv"
    rows = [",".join(line.split(",")[:4]) for line in index.read_text().splitlines()]
    index.write_text("\n".join(rows) + "\n")
    first = digests(folder)
    assert digests(folder) == first
    path = read_dataset(folder, "train").items[0].image
    path.write_bytes(path.read_bytes() + b"!")
    assert digests(folder)[0] != first[0]
    path.unlink()
    with pytest.raises(UserError, match=r"cannot be read .*prepare the dataset again"):
        digests(folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("index.csv", b"id,image\na,b\n"),
        ("index.csv", b"\xff\xfe\x00"),
        ("classes.json", b"{"),
        ("classes.json", b"[]"),
        ("classes.json", json.dumps({"dataset": "x"}).encode()),
    ],
)
def test_a_damaged_description_is_one_line(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"{name}: .*prepare the dataset again"):
        read_dataset(folder, "train")
