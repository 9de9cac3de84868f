import pytest

from neco.data.prepare import prepare
from neco.errors import UserError


def run(official):
    return prepare(
        "imagenet-100",
        official.archives,
        official.prepared / "imagenet-100",
        prepared=official.prepared,
    )


def put(official, *names):
    for seed, name in enumerate(names):
        path = official.archives / "imagenet-100" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(official.jpeg(seed))


def test_class_folders_become_one_unlabelled_split(official):
    put(official, "train/n01/a.JPEG", "train/n02/a.JPEG", "val/n01/b.JPEG")
    summary = run(official)
    assert summary.images == {"train": 2, "val": 1} and summary.classes == 0
    written = official.written("imagenet-100")
    assert set(written) == {
        ("train", "n01/a"),
        ("train", "n02/a"),
        ("val", "n01/b"),
    }
    image, mask = written["train", "n02/a"]
    assert image.read_bytes() == official.jpeg(1) and mask is None
    assert official.description("imagenet-100")["notes"]["class_folders"] == 2


def test_class_folders_without_splits_are_all_training_images(official):
    put(official, "n01/a.JPEG", "n02/a.JPEG")
    assert run(official).images == {"train": 2}


def test_a_missing_folder_says_where_to_put_it(official):
    with pytest.raises(UserError, match=r"archives/imagenet-100: no such folder.*put it there"):
        run(official)
    assert official.leftovers() == []


def test_a_folder_without_classes_is_refused(official):
    put(official, "a.JPEG")
    with pytest.raises(UserError, match=r"no class folders"):
        run(official)
