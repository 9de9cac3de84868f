"""Files and folders are written whole or not at all, whatever interrupts it."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from neco.errors import UserError
from neco.files import (
    kept_if_filled,
    opened_whole,
    read_json,
    read_text,
    refuse_no_folder,
    refuse_no_place,
    whole_file,
    whole_folder,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_at_the_end_and_nothing_else_stays(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with opened_whole(target) as file:
        file.write("half")
        assert not target.exists()
    assert target.read_text() == "half"
    assert names(target.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_the_old_content_and_no_part(tmp_path, error):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(error), opened_whole(target) as file:
        file.write("new")
        raise error
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_the_umask_decides_the_rights_also_of_weights(tmp_path, umask):
    before = os.umask(umask)
    try:
        with whole_file(tmp_path / "a.safetensors") as unfinished:
            save_file({"a": torch.zeros(2)}, unfinished)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.safetensors").stat().st_mode) == 0o666 & ~umask


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "a.txt").symlink_to("scratch/a.txt")
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").is_symlink()
    assert (tmp_path / "scratch" / "a.txt").read_text() == "new"
    (tmp_path / "run").symlink_to("scratch")
    with whole_folder(tmp_path / "run") as work:
        (work / "b.txt").write_text("b")
    assert (tmp_path / "run").is_symlink()
    assert names(tmp_path / "scratch") == ["b.txt"]
    assert names(tmp_path) == ["a.txt", "run", "scratch"]


def test_the_longest_name_can_be_written(tmp_path):
    for name in ("x" * 250, "ü" * 125):
        write_text(tmp_path / name, "content")
        assert (tmp_path / name).read_text() == "content"
    assert len(names(tmp_path)) == 2


WRITE_FOREVER = """
import sys, time
from pathlib import Path
from neco.files import opened_whole, whole_folder
target = Path(sys.argv[1])
if sys.argv[2] == "file":
    with opened_whole(target) as file:
        file.write("half")
        file.flush()
        print("there", flush=True)
        time.sleep(60)
with whole_folder(target) as work:
    (work / "half").write_text("half")
    print("there", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_part_of_a_killed_process_goes_with_the_next_write(tmp_path, kind):
    target = tmp_path / "a"
    command = [sys.executable, "-c", WRITE_FOREVER, str(target), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as killed:
        assert killed.stdout.readline()
        killed.send_signal(signal.SIGKILL)
    assert not target.exists()
    assert len(names(tmp_path)) == 1
    write_text(tmp_path / "ab", "another target leaves it alone")
    assert len(names(tmp_path)) == 2
    if kind == "file":
        write_text(target, "whole")
    else:
        with whole_folder(target) as work:
            (work / "whole").write_text("whole")
    assert names(tmp_path) == ["a", "ab"]


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_is_replaced_whole_or_stays(tmp_path, monkeypatch, in_one_step):
    if not in_one_step:
        monkeypatch.setattr("neco.files._exchanged", lambda first, second: False)
    target = tmp_path / "run"
    with whole_folder(target) as work:
        (work / "old").write_text("old")
    with pytest.raises(ValueError), whole_folder(target) as work:
        (work / "new").write_text("new")
        raise ValueError
    assert names(target) == ["old"]
    with whole_folder(target) as work:
        (work / "new").write_text("new")
    assert names(target) == ["new"]
    assert names(tmp_path) == ["run"]


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path):
    (tmp_path / ".run.old.part").mkdir()
    (tmp_path / ".run.old.part" / "old").write_text("old")
    with pytest.raises(ValueError), whole_folder(tmp_path / "run"):
        raise ValueError
    assert names(tmp_path / "run") == ["old"]


def test_a_file_where_a_folder_should_be_is_left_alone(tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(NotADirectoryError), whole_folder(tmp_path / "run"):
        pass
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize("write", [torch.save, save_file])
def test_no_room_is_said_by_its_name_whatever_the_library_says(tmp_path, write):
    target = tmp_path / "a"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(OSError) as told, whole_file(target) as unfinished:
            write({"a": torch.zeros(1 << 20)}, unfinished)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (told.value.errno, told.value.filename) == (errno.EFBIG, str(target))
    assert names(tmp_path) == []


def test_no_room_in_a_folder_names_the_folder(tmp_path):
    with pytest.raises(OSError) as told, whole_folder(tmp_path / "a"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(tmp_path / "a"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_trouble_with_what_is_read_is_not_said_of_what_is_written(tmp_path, whole):
    source = str(tmp_path / "archive.zip")
    with pytest.raises(OSError) as told, whole(tmp_path / "a"):
        raise OSError(errno.EIO, os.strerror(errno.EIO), source)
    assert told.value.filename == source
    with pytest.raises(UserError, match="archive is damaged"), whole(tmp_path / "a"):
        try:
            raise OSError(errno.EIO, os.strerror(errno.EIO), source)
        except OSError:
            raise UserError("archive is damaged") from None


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_trouble_with_the_part_is_said_of_the_target(tmp_path, whole):
    with pytest.raises(OSError) as told, whole(tmp_path / "a") as part:
        name = part / "image" if part.is_dir() else part
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(name))
    assert told.value.filename == str(tmp_path / "a")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.touch(), "--data x: is a file; name the folder that holds photos"),
        (lambda path: path.symlink_to(path.name), "--data x: is a link that leads nowhere"),
        (lambda path: path.symlink_to("gone"), "--data x: is a link that leads nowhere"),
        (lambda path: None, "--data x: there is no such folder"),
    ],
)
def test_what_is_no_folder_is_called_what_it_is(tmp_path, monkeypatch, make, told):
    monkeypatch.chdir(tmp_path)
    make(Path("x"))
    with pytest.raises(UserError, match=told):
        refuse_no_folder(Path("x"), "photos", "--data")
    Path("folder").mkdir()
    refuse_no_folder(Path("folder"), "photos")


def test_a_place_behind_a_link_is_looked_at_where_it_is(tmp_path, monkeypatch):
    """The file is written behind the link, whoever may write to the folder of the link."""
    for name in ("kept", "free"):
        (tmp_path / name).mkdir()
    (tmp_path / "kept" / "link").symlink_to(tmp_path / "free" / "file")
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path / "kept")
    refuse_no_place(tmp_path / "kept" / "link", "--csv")
    refuse_no_place(tmp_path / "free" / "new" / "file", "--csv")
    with pytest.raises(PermissionError):
        refuse_no_place(tmp_path / "kept" / "new" / "file", "--csv")


def test_a_folder_that_may_not_be_read_is_said(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("os.scandir", refuse)  # root may read everything
    with pytest.raises(PermissionError):
        refuse_no_folder(tmp_path, "photos")


def test_a_folder_that_stays_empty_goes_again(tmp_path):
    with pytest.raises(ValueError), kept_if_filled(tmp_path / "a" / "b"):
        raise ValueError
    assert names(tmp_path) == []
    with pytest.raises(ValueError), kept_if_filled(tmp_path / "a" / "b"):
        (tmp_path / "a" / "b" / "done").touch()
        raise ValueError
    assert (tmp_path / "a" / "b" / "done").exists()


def test_text_of_other_encodings_is_named(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeffcat\nBär\n".encode())
    assert read_text(path) == "cat\nBär\n"
    path.write_bytes("cat\nBär\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"classes\.txt: line 2 is not UTF-8.*Latin-1"):
        read_text(path)
    path.write_bytes("cat".encode("utf-16"))
    with pytest.raises(UserError, match=r"line 1 is not UTF-8.*UTF-16"):
        read_text(path)
    with pytest.raises(UserError, match="no such list"):
        read_text(tmp_path / "none", "list")


def test_json_that_is_none(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": [1]})
    assert read_json(path, "metrics file", "evaluate again") == {"a": [1]}
    path.write_text('{"a": ')
    with pytest.raises(UserError, match=r"not a metrics file.*evaluate again"):
        read_json(path, "metrics file", "evaluate again")
    with pytest.raises(ValueError):
        write_json(path, float("nan"), allow_nan=False)
    assert path.read_text() == '{"a": '
