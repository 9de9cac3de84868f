"""Errors of the user's and the machine's kind become one line; bugs keep their traceback."""

import errno
import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from neco.errors import (
    MachineError,
    StoppedError,
    UserError,
    explained,
    first_line,
    interrupt_behind,
)


def killed(error: BaseException) -> None:
    os._exit(9)


def failing(error: BaseException) -> None:
    raise error


class Failing(Dataset):
    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        if self.error is None:
            os._exit(9)
        raise self.error


def missing() -> OSError:
    return OSError(errno.ENOENT, os.strerror(errno.ENOENT), "/photos/a.jpg")


@pytest.mark.parametrize(
    ("error", "line", "status"),
    [
        (UserError("a.jpg: cannot be read: truncated"), "a.jpg: cannot be read: truncated", 1),
        (missing(), "/photos/a.jpg: no such file or directory; check the path", 1),
        (OSError("not an image: a.jpg"), "not an image: a.jpg", 1),
        (MemoryError("Unable to allocate 9 GiB"), "not enough memory", 3),
        (RuntimeError("unable to write to file </torch_12_3>: No space left (28)"), "shared", 3),
        (None, "a worker that reads images was killed", 3),
    ],
)
def test_what_a_loading_worker_raised_arrives_as_one_line(error, line, status):
    with pytest.raises(Exception) as told:
        next(iter(DataLoader(Failing(error), num_workers=1)))
    found = explained(told.value)
    assert found is not None
    assert line in str(found)
    assert "\n" not in str(found)
    assert found.status == status


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("a bug"), RuntimeError("a bug")])
def test_bugs_are_not_explained_wherever_they_are_raised(error):
    assert explained(error) is None
    with pytest.raises(Exception) as told:
        next(iter(DataLoader(Failing(error), num_workers=1)))
    assert explained(told.value) is None


@pytest.mark.parametrize(
    ("work", "error", "line"),
    [
        (failing, UserError("a.jpg: broken"), "a.jpg: broken"),
        (failing, missing(), "/photos/a.jpg: no such file"),
        (killed, None, "a process of this command was killed"),
    ],
)
def test_what_a_pool_raised_arrives_as_one_line(work, error, line):
    with (
        ProcessPoolExecutor(1, get_context("fork")) as pool,
        pytest.raises((UserError, OSError, BrokenProcessPool)) as told,
    ):
        pool.submit(work, error).result()
    assert line in str(explained(told.value))


def test_a_circle_of_links_is_one_line(tmp_path):
    (tmp_path / "a").symlink_to("a")
    with pytest.raises((RuntimeError, OSError)) as told:  # by the version of Python
        (tmp_path / "a" / "b").resolve(strict=True)
    assert str(explained(told.value)).startswith(f"{tmp_path}/a")
    assert "too many levels of symbolic links; its links lead in a circle" in str(
        explained(told.value)
    )


def test_a_number_beyond_float32_is_one_line():
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    with pytest.raises(RuntimeError) as told:
        torch.optim.AdamW([weight], lr=1e300).step()
    found = explained(told.value)
    assert found is not None and found.status == 1
    assert "a number is too large for float32" in str(found)


@pytest.mark.parametrize(
    ("number", "words", "status"),
    [
        (errno.ENOSPC, "no space left on device; make room", 3),
        (errno.EDQUOT, "quota exceeded; make room", 3),
        (errno.EACCES, "permission denied; change its rights", 1),
        (errno.EROFS, "read-only file system; name a place", 1),
        (errno.ENOTDIR, "a file where a folder should be", 1),
        (errno.EEXIST, "a file where a folder should be", 1),
        (errno.EISDIR, "a folder where a file should be", 1),
        (errno.ENAMETOOLONG, "file name too long; shorten", 1),
        (errno.EMFILE, "too many open files; raise the limit", 3),
        (errno.EIO, "input/output error; the disk", 3),
    ],
)
def test_the_system_says_no(number, words, status):
    found = explained(OSError(number, os.strerror(number), "/out/a"))
    assert found is not None
    assert str(found).startswith("/out/a: ")
    assert words in str(found)
    assert found.status == status


def test_a_rename_names_its_target():
    error = OSError(errno.EXDEV, "Invalid cross-device link", "/out/.a.part", None, "/out/a")
    assert str(explained(error)).startswith("/out/a: ")


def test_memory_of_every_kind():
    with pytest.raises(MemoryError) as told:
        np.empty(1 << 60, np.uint8)
    assert isinstance(explained(told.value), MachineError)
    with pytest.raises(RuntimeError) as torch_told:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert isinstance(explained(torch_told.value), MachineError)
    assert "GPU's memory is full" in str(explained(torch.OutOfMemoryError("CUDA out of memory")))


def test_an_encoding_and_a_stop():
    with pytest.raises(UnicodeDecodeError) as told:
        "Bär".encode("latin-1").decode()
    assert "save the file as UTF-8" in str(explained(told.value))
    assert StoppedError("stopped", 15).status == 143


def test_a_traceback_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("NECO_TRACEBACK", "1")
    assert explained(missing()) is None


def test_the_first_line_of_a_message_that_is_long_or_empty():
    assert first_line(ValueError("\nnot a size\nsee above")) == "not a size"
    assert first_line(ValueError("not a size"), most=5) == "not a"
    assert first_line(EOFError()) == "EOFError"


def test_a_signal_while_a_class_is_made_is_an_interrupt():
    class Ends:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises((RuntimeError, KeyboardInterrupt)) as told:
        type("Made", (), {"part": Ends()})
    assert interrupt_behind(told.value) is not None
    assert interrupt_behind(ValueError()) is None
