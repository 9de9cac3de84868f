"""The state of a folder changes with what a preparation of it would give, and with nothing else."""

import os
import time

import pytest
from PIL import Image

from neco.data import prepare
from neco.data.folder.match import make_plan
from neco.data.folder.plan import read_settings
from neco.data.folder.walk import walk
from neco.data.state import folder_state


@pytest.fixture
def folder(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / "mine" / part).mkdir(parents=True)
        for number in range(6):
            Image.new("L", (8, 8), number).save(tmp_path / "mine" / part / f"{number}.png")
    return tmp_path / "mine"


def states(folder, skip=None):
    listing = walk(folder)
    plan = make_plan(walk(folder), read_settings(folder))
    return folder_state(listing, skip), folder_state(listing, skip, plan)


def put_back(path, change):
    """Change a file and put its size and times back."""
    at = path.stat()
    time.sleep(0.02)  # the clock of a file system ticks slower than Python's
    change(path)
    os.utime(path, ns=(at.st_atime_ns, at.st_mtime_ns))


def other_content(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def replaced(path):
    other = path.with_name(".other")
    other.write_bytes(path.read_bytes())
    other.replace(path)


ANY = {
    "an image comes": lambda folder: Image.new("L", (8, 8)).save(folder / "images" / "9.png"),
    "an image goes": lambda folder: (folder / "images" / "3.png").unlink(),
    "an image is renamed": lambda folder: (folder / "images" / "3.png").rename(
        folder / "images" / "7.png"
    ),
    "an image is written anew": lambda folder: put_back(folder / "images" / "3.png", other_content),
    "an image is another file": lambda folder: put_back(folder / "images" / "3.png", replaced),
    "dataset.yaml comes": lambda folder: (folder / "dataset.yaml").write_text("skip: 1\n"),
    "a link leads nowhere": lambda folder: (folder / "images" / "l.png").symlink_to("nowhere"),
}
LABELS = {
    "a mask is written anew": lambda folder: put_back(folder / "masks" / "3.png", other_content),
    "names of classes come": lambda folder: (folder / "classes.txt").write_text("a\nb\n"),
}
NOTHING = {
    "a hidden file comes": lambda folder: (folder / ".DS_Store").write_bytes(b"x"),
    "a file of a system comes": lambda folder: (folder / "images" / "Thumbs.db").write_bytes(b"x"),
    "files are read": lambda folder: [path.read_bytes() for path in folder.rglob("*.png")],
    "a folder's time changes": lambda folder: os.utime(folder / "images", (1, 1)),
}


@pytest.mark.parametrize("name", [*ANY, *LABELS, *NOTHING])
def test_what_changes_the_state(folder, name):
    before = states(folder)
    assert states(folder) == before
    (ANY | LABELS | NOTHING)[name](folder)
    after = states(folder)
    assert (after[0] != before[0]) == (name not in NOTHING)
    assert (after[1] != before[1]) == (name in ANY)


def test_files_behind_a_linked_folder_count(folder, tmp_path):
    (folder / "images").rename(tmp_path / "elsewhere")
    (folder / "images").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    before = states(folder)
    put_back(tmp_path / "elsewhere" / "3.png", other_content)
    assert not {*before} & {*states(folder)}


def test_skip_and_version_count(folder, monkeypatch):
    before = states(folder)
    assert not {*before} & {*states(folder, skip=1)}
    monkeypatch.setitem(prepare.VERSIONS, "folder", 99)
    assert not {*before} & {*states(folder)}
