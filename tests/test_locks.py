"""The second writer is told who the first is; a killed one holds nothing."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from neco.errors import UserError
from neco.locks import held

HOLD = """
import os, sys, time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from neco.locks import held
with held(Path(sys.argv[1]), "neco train"):
    child = sys.argv[2] == "fork" and os.fork() == 0
    if child or sys.argv[2] == "plain":
        print("held", flush=True)
    time.sleep(3 if child else 60)
    os._exit(0)
"""


@contextmanager
def hold(target: Path, how: str = "plain") -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", HOLD, str(target), how]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_second_is_told_who_holds_it(tmp_path):
    with (
        hold(tmp_path / "run") as first,
        pytest.raises(UserError, match=rf"`neco train` \(process {first.pid} on .*since"),
        held(tmp_path / "run", "neco extract"),
    ):
        pass
    with hold(tmp_path / "run"), held(tmp_path / "other", "neco train"):
        pass


@pytest.mark.parametrize("how", ["plain", "fork"])
def test_a_killed_holder_holds_nothing(tmp_path, how):
    with hold(tmp_path / "run", how) as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        with held(tmp_path / "run", "neco train"):
            pass


def test_nothing_stays_behind(tmp_path):
    with held(tmp_path / "new" / "deep" / "run", "neco train"):
        assert names(tmp_path / "new" / "deep") == [".run.lock"]
    assert names(tmp_path) == []
    with held(tmp_path / "new" / "run", "neco train"):
        (tmp_path / "new" / "run").mkdir()
    assert names(tmp_path / "new") == ["run"]


def test_a_link_to_the_same_folder_is_the_same_folder(tmp_path):
    (tmp_path / "scratch").mkdir()
    (tmp_path / "run").symlink_to("scratch")
    with (
        held(tmp_path / "scratch", "neco train"),
        pytest.raises(UserError, match="is being written by `neco train`"),
        held(tmp_path / "run", "neco train"),
    ):
        pass


def test_the_top_of_all_folders_is_refused():
    with pytest.raises(UserError, match="name a folder in it"), held(Path("/"), "neco train"):
        pass
