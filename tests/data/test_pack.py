"""Shards: the same images in the same order as the folder, readable as plain tar files."""

import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from neco.config.packing import Packing
from neco.data.dataset import read_dataset
from neco.data.pack import pack
from neco.data.prepare import prepare
from neco.errors import UserError


@pytest.fixture
def prepared(tmp_path):
    """Seven labelled images, two of them larger than 40 pixels on the shorter side."""
    folder = tmp_path / "plants"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rng = np.random.default_rng(0)
    lines = ["id,image,mask,split"]
    for number in range(7):
        size = (60, 80) if number < 2 else (30, 24)
        coarse = Image.fromarray(rng.integers(0, 256, (3, 4, 3), dtype=np.uint8))
        coarse.resize(size).save(folder / f"images/{number}.jpg")
        labels = rng.integers(0, 3, (size[1], size[0]), dtype=np.uint8)
        Image.fromarray(labels).save(folder / f"masks/{number}.png")
        split = "val" if number == 6 else "train"
        lines.append(f"{number},images/{number}.jpg,masks/{number}.png,{split}")
    (folder / "index.csv").write_text("\n".join(lines) + "\n")
    description = {"dataset": "plants", "classes": ["a", "b", "c"], "background": False}
    (folder / "classes.json").write_text(json.dumps(description))
    return folder


def test_without_a_cap_nothing_differs_from_the_folder(prepared, tmp_path):
    packed = pack(prepared, tmp_path / "packed", Packing(shard_mb=0.008))
    assert len(list((packed / "shards").glob("train-*.tar"))) > 1
    for split in ("train", "val"):
        first, second = read_dataset(prepared, split), read_dataset(packed, split)
        assert [item.id for item in first.items] == [item.id for item in second.items]
        assert (first.name, first.classes) == (second.name, second.classes)
        for ours, theirs in zip(second.items, first.items, strict=True):
            assert ours.image.read_bytes() == theirs.image.read_bytes()
            assert ours.read_image() == theirs.read_image()
            assert (ours.read_mask() == theirs.read_mask()).all()


def test_the_digest_is_kept_unless_images_shrink(official, tmp_path):
    ids = official.labels([0, 1, 255])
    official.voc({"train": {"a": ids, "b": ids}, "val": {"c": ids}})
    folder = official.prepared / "pascal-voc"
    prepare("pascal-voc", official.archives, folder, prepared=official.prepared)
    plain = read_dataset(folder, "train").digest()
    for name, packing, same in (("p", Packing(), True), ("s", Packing(shorter_side=8), False)):
        packed = pack(folder, tmp_path / name, packing)
        assert (read_dataset(packed, "train").digest() == plain) is same


def test_a_shard_is_a_tar_whose_index_tells_the_truth(prepared, tmp_path):
    packed = pack(prepared, tmp_path / "packed", Packing(), ["train"])
    shard = packed / "shards/train-00000.tar"
    lines = shard.with_suffix(".idx").read_text().splitlines()
    told = [line.split() for line in lines[1:]]
    with tarfile.open(shard) as tar:
        members = tar.getmembers()
    assert [(m.name, str(m.offset_data), str(m.size)) for m in members] == [
        (words[i + 3], words[i + 1], words[i + 2]) for words in told for i in (0, 4)
    ]
    assert [words[0] for words in told] == ["jpg"] * 6 and lines[0] == "v1.2 6"


def test_the_cap_shrinks_larger_images_and_their_masks_only(prepared, tmp_path):
    packed = pack(prepared, tmp_path / "packed", Packing(shorter_side=40))
    sizes = []
    pairs = zip(
        read_dataset(prepared, "train").items, read_dataset(packed, "train").items, strict=True
    )
    for before, after in pairs:
        sizes.append(after.read_image().size)
        assert after.read_mask().shape == sizes[-1][::-1]
        if min(before.read_image().size) <= 40:
            assert after.image.read_bytes() == before.image.read_bytes()
        else:
            small = np.asarray(before.read_image().resize(sizes[-1]), dtype=float)
            assert np.abs(np.asarray(after.read_image(), dtype=float) - small).mean() < 6
    assert sizes == [(40, 53)] * 2 + [(30, 24)] * 4


def test_ids_that_are_no_keys_are_numbered(prepared, tmp_path):
    index = prepared / "index.csv"
    index.write_text(index.read_text().replace("\n0,", "\nmy plant.v2,"))
    packed = pack(prepared, tmp_path / "packed", Packing())
    items = read_dataset(packed, "train").items
    assert items[0].id == "my plant.v2" and items[0].image.name == "00000000.jpg"


def test_a_packed_dataset_packs_again(prepared, tmp_path):
    once = pack(prepared, tmp_path / "once", Packing())
    twice = pack(once, tmp_path / "twice", Packing(shard_mb=0.01))
    pairs = zip(read_dataset(once, "val").items, read_dataset(twice, "val").items, strict=True)
    assert all(a.image.read_bytes() == b.image.read_bytes() for a, b in pairs)


def test_broken_shards_are_one_line(prepared, tmp_path):
    packed = pack(prepared, tmp_path / "packed", Packing(), ["val"])
    shard, index = packed / "shards/val-00000.tar", packed / "shards/val-00000.idx"
    whole, told = shard.read_bytes(), index.read_text()
    shard.write_bytes(whole[:700])
    with pytest.raises(UserError, match=r"val-00000\.tar: truncated.*pack it again"):
        read_dataset(packed, "val")
    shard.write_bytes(whole)
    item = read_dataset(packed, "val").items[0]
    index.write_text(told.replace("6.jpg", "7.jpg"))
    with pytest.raises(UserError, match=r"its index has no 6\.jpg"):
        read_dataset(packed, "val")
    index.write_text("nonsense")
    with pytest.raises(UserError, match="damaged index"):
        read_dataset(packed, "val")
    index.unlink()
    with pytest.raises(UserError, match=r"val-00000\.idx: cannot be read"):
        read_dataset(packed, "val")
    shard.write_bytes(whole.replace(b"6.jpg", b"8.jpg"))
    with pytest.raises(UserError, match=r"no 6\.jpg where its index says"):
        item.read_image()


def test_the_dataset_itself_and_foreign_folders_are_refused(prepared, tmp_path):
    with pytest.raises(UserError, match="is the dataset itself"):
        pack(prepared, prepared, Packing())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/holiday.jpg").write_bytes(b"mine")
    with pytest.raises(UserError, match="not a prepared dataset"):
        pack(prepared, tmp_path / "photos", Packing())
