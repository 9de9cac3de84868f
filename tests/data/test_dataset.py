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
