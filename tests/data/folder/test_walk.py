import os

import pytest

from neco.data.folder.walk import walk
from neco.errors import UserError


def test_companions_of_other_systems_are_passed_over_and_counted(mine):
    mine.photograph("a.jpg")
    mine.text("._a.jpg", b"\0\5\x16\7 Mac OS X")
    mine.text(".DS_Store", b"\0\0\0\1Bud1")
    mine.text("__MACOSX/._a.jpg", b"\0\5\x16\7")
    mine.photograph("@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg")
    mine.text("Thumbs.db", b"x")
    mine.photograph(".hidden/b.jpg")
    summary = mine.prepare()
    assert summary.images == {"train": 1}
    assert summary.reasons == {"hidden or of a system": 6}
    assert "left out: 6 hidden or of a system" in str(summary)


def test_linked_folders_are_followed_but_not_in_circles(mine, tmp_path):
    for name in ("n01", "n02"):
        (tmp_path / "full" / name).mkdir(parents=True)
        mine.photograph("seed.jpg")
        (mine.root / "seed.jpg").rename(tmp_path / "full" / name / "x.jpg")
        mine.path(f"train/{name}").symlink_to(tmp_path / "full" / name)
    mine.path("train/again").symlink_to(mine.root)
    listing = walk(mine.root)
    assert listing.images == ["train/n01/x.jpg", "train/n02/x.jpg"]
    assert listing.left_out.counts() == {"linked to a folder above": 1}


def test_links_to_nothing_and_kinds_that_are_not_read_are_unusable(mine):
    mine.photograph("a.jpg")
    mine.path("gone.jpg").symlink_to("nowhere")
    mine.path("self.jpg").symlink_to("self.jpg")
    mine.text("b.HEIC", b"ftypheic")
    os.mkfifo(mine.path("pipe.jpg"))
    mine.text("readme.md", "text")
    listing = walk(mine.root)
    assert (listing.images, listing.others) == (["a.jpg"], ["readme.md"])
    assert listing.left_out.counts() == {"no file": 1, "of the kind .heic": 1, "dangling link": 2}
    assert "convert it to JPEG or PNG" in listing.left_out.unusable[0].message


def test_a_folder_with_an_images_suffix_is_a_folder(mine):
    mine.photograph("holiday.jpg/a.jpg")
    assert walk(mine.root).images == ["holiday.jpg/a.jpg"]


def test_a_folder_that_cannot_be_read_is_unusable(mine, monkeypatch):
    mine.photograph("a.jpg")
    mine.photograph("closed/b.jpg")
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert walk(mine.root).left_out.counts() == {"unreadable folder": 1}
    with pytest.raises(UserError, match=r"closed: cannot be read \(Permission denied\)"):
        mine.prepare()
    assert mine.nothing_written()
    assert mine.prepare(skip=1).images == {"train": 1}
    with pytest.raises(UserError, match="cannot be read"):
        walk(mine.root / "closed")


def test_a_name_that_is_not_utf_8_is_said(mine):
    mine.photograph("a.jpg")
    (mine.root / "a.jpg").rename(os.fsdecode(os.fsencode(mine.root) + b"/caf\xe9.jpg"))
    mine.photograph("b.jpg")
    with pytest.raises(UserError, match="its name is not UTF-8; rename it"):
        mine.prepare()
    assert mine.prepare(skip=1).images == {"train": 1}
