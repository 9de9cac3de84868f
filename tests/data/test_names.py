import io
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neco.data import archives
from neco.data.archives import members_of, stream, unpack_nested
from neco.data.names import checked_name, is_held, listed_names, place
from neco.data.prepare import prepare
from neco.errors import UserError

LEADING_OUT = ["../x", "a/../../x", "/etc/x", "..", "a/..", "C:/x", "..\\x", "\\x", "", "a\0b"]


@pytest.mark.parametrize("name", [*LEADING_OUT, "a" * 300])
def test_names_that_lead_out_are_refused(name, tmp_path):
    with pytest.raises(UserError, match=r"list\.txt: names .* outside of the folder") as caught:
        checked_name(name, "list.txt")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError):
        place(tmp_path, name, "x")


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=60))
def test_a_placed_path_is_always_inside(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("work")
    try:
        path = place(folder, name, "x")
    except UserError:
        return
    assert path.resolve().is_relative_to(folder.resolve()) and path.parent.is_dir()


@pytest.mark.parametrize("name", ["a.jpg", "a/b.jpg", "a..b/c", ".hidden", "Grüße 1", "a b;c$(d)"])
def test_ordinary_names_pass(name, tmp_path):
    assert place(tmp_path, name, "x") == tmp_path / name


def test_a_link_inside_the_folder_does_not_lead_out(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "masks").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"leads out of .* by a link"):
        place(tmp_path / "work", "masks/a.png", "x")


def test_names_listed_again_count_once_and_are_said(capsys):
    assert listed_names(["b", "a", "b", "b"], "train.txt") == ["b", "a"]
    assert "train.txt: 2 names are listed again" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in LEADING_OUT if name and "\0" not in name])
def test_archives_with_such_members_are_refused(official, name):
    for path, write in (("x.zip", official.write_zip), ("x.tar", official.write_tar)):
        archive = write(official.archives / path, {"good": b"1", name: b"2"})
        with pytest.raises(UserError, match=rf"{path}: names .* outside of the folder"):
            members_of(archive)
    packed = official.write_tar(official.archives / "x.tgz", {name: b"2"}, "w:gz")
    with pytest.raises(UserError, match="outside of the folder"):
        list(stream(packed))


@pytest.mark.parametrize(
    ("link", "held"),
    [
        ("b", True),
        ("../b", True),
        ("../../b", False),
        ("/etc/passwd", False),
        ("c/../../..", False),
    ],
)
def test_links_out_of_a_tar_are_refused(official, link, held):
    assert is_held(link, "a/x") == held
    official.archives.mkdir()
    path = official.archives / "x.tar"
    with tarfile.open(path, "w") as tar:
        entry = tarfile.TarInfo("a/x")
        entry.type, entry.linkname = tarfile.SYMTYPE, link
        tar.addfile(entry)
        data = tarfile.TarInfo("a/b")
        data.size = 1
        tar.addfile(data, io.BytesIO(b"1"))
    if held:
        assert set(members_of(path)) == {"a/b"}
    else:
        with pytest.raises(UserError, match=r"a/x is a link to .* out of the archive"):
            members_of(path)


def evil(official, dataset, name):
    """Write the archives of `dataset` with an image called `name`, outside of its folder."""
    ids = official.labels([0, 1])
    if dataset == "pascal-voc":
        official.voc({"train": {name: ids}, "val": {"b": ids}})
    elif dataset == "coco":
        official.coco({"train": [name], "val": ["b"]})
    elif dataset == "ade20k":
        official.ade20k({"train": {name: ids}, "val": {"b": ids}})
    else:
        official.context({"train": {name: ids}, "val": {"b": ids}})


@pytest.mark.parametrize("dataset", ["pascal-voc", "coco", "ade20k", "pascal-context"])
def test_no_preparation_writes_outside_of_its_folder(official, dataset):
    evil(official, dataset, "../../../../evil")
    before = set(official.archives.parent.rglob("*"))
    with pytest.raises(UserError, match="outside of the folder"):
        prepare(dataset, official.archives, official.prepared / dataset, prepared=official.prepared)
    assert set(official.archives.parent.rglob("*")) - before <= {official.prepared}


def test_a_split_list_of_sbd_is_held_too(official):
    ids = official.labels([0, 1])
    official.voc({"train": {"a": ids}, "val": {"b": ids}})
    official.sbd({"train": {"../../evil": ids}, "val": {}})
    with pytest.raises(UserError, match="outside of the folder"):
        prepare(
            "pascal-voc", official.archives, official.prepared / "v", prepared=official.prepared
        )
    assert official.leftovers() == []


def test_a_list_that_names_an_image_twice_counts_it_once(official, capsys):
    def twice(files):
        name = "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt"
        files[name] = b"\xef\xbb\xbf" + files[name] * 2

    ids = official.labels([0, 1])
    official.voc({"train": {"a": ids}, "val": {"b": ids}}, twice)
    into = official.prepared / "pascal-voc"
    summary = prepare("pascal-voc", official.archives, into, prepared=official.prepared)
    assert summary.images == {"train": 1, "val": 1}
    assert "names are listed again" in capsys.readouterr().err


def test_what_unpacks_to_too_much_is_refused(official, tmp_path, monkeypatch):
    inner = official.write_zip(tmp_path / "inner.zip", {"a": b"x" * 1000})
    outer = official.write_zip(official.archives / "x.zip", {"i.zip": inner.read_bytes()})
    monkeypatch.setattr(archives, "LARGEST_NESTED", 500)
    with pytest.raises(UserError, match=r"i\.zip: unpacks to [\d,]+ bytes, more than"):
        unpack_nested(members_of(outer)["i.zip"], tmp_path / "work" / "i.zip")
    assert not (tmp_path / "work" / "i.zip").exists()
    monkeypatch.setattr(archives, "LARGEST", 500)
    with pytest.raises(UserError, match="unpacks to 1,000 bytes"):
        members_of(inner)["a"].read()
    packed = official.write_tar(official.archives / "x.tgz", {"a": np.zeros(600)}, "w:gz")
    with pytest.raises(UserError, match="unpacks to 600 bytes"):
        list(stream(packed))
