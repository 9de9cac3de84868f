"""A real cluster of one node, a copy of the repository to run in, and Snakemake at its client."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.repository import copy_repository

CLUSTER = Path(__file__).parent / "cluster.sh"
CONFIGURATION = ["config/smoke.yaml", "tests/slurm/sparse.yaml"]

# What a wait costs here: jobs of seconds are looked at every few seconds.
HURRY = ["--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "10"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    if os.geteuid() != 0:
        pytest.skip("starting a cluster needs root")
    with tempfile.TemporaryDirectory(prefix="neco-slurm-") as folder:
        Path(folder).chmod(0o755)  # munged runs as another user
        environment = {**os.environ, "SLURM_TEST_FOLDER": folder}
        try:
            for step in ("install", "up"):
                subprocess.run([CLUSTER, step], env=environment, check=True)
            yield
        finally:
            subprocess.run([CLUSTER, "down"], env=environment, check=True)


class Client:
    """Snakemake in a copy of the repository, with the shipped profile."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, []
        copy_repository(folder)

    def start(self, name: str, *targets: str, overlay: dict | None = None) -> "Call":
        """Return a started Snakemake; an overlay is laid over the sparse configuration."""
        laid_over = []
        if overlay is not None:
            (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(overlay))
            laid_over = [f"{name}.yaml"]
        command = [
            sys.executable, "-m", "snakemake", *targets, *HURRY,
            "--workflow-profile", "profiles/slurm", "--configfile", *CONFIGURATION, *laid_over,
        ]  # fmt: skip
        self.calls.append(Call(command, self.folder, self.folder / f"{name}.log"))
        return self.calls[-1]


class Call:
    """A running Snakemake, in a session of its own, that heeds Ctrl-C.

    What a script starts with `&` ignores it, and so would all that is started from there.
    """

    def __init__(self, command: list[str], folder: Path, log: Path) -> None:
        self.log, self.folder = log, folder
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with log.open("w") as file:
            self.process = subprocess.Popen(
                ["env", "--default-signal=INT", *command],
                cwd=folder,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def wait(self, seconds: float = 1500) -> int:
        """Return the exit status; a call that takes too long is ended and fails the test."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.end()
            pytest.fail(f"still running after {seconds} s:\n{self.tail()}")

    def wait_until(self, happened: Callable[[], bool], seconds: float = 600) -> None:
        """Return once something happened; a Snakemake that ends or hangs first fails the test."""
        end = time.monotonic() + seconds
        while not happened():
            if self.process.poll() is not None or time.monotonic() > end:
                self.end()
                pytest.fail(f"it did not happen:\n{self.tail()}")
            time.sleep(0.2)

    def end(self) -> None:
        """Leave no process behind."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def text(self) -> str:
        return self.log.read_text()

    def tail(self) -> str:
        return self.text()[-4000:]


@pytest.fixture(scope="session")
def client(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    client = Client(tmp_path_factory.mktemp("repository"))
    yield client
    for call in client.calls:
        call.end()


def queue() -> dict[str, tuple[str, str]]:
    """Return (state, what) of every job that SLURM remembers, by number."""
    command = ["squeue", "--noheader", "--states=all", "--format=%i|%T|%k"]
    lines = subprocess.check_output(command, text=True).splitlines()
    return {number: (state, what) for number, state, what in (line.split("|", 2) for line in lines)}


def none_left(seconds: float = 60) -> bool:
    """Return whether no job waits or runs, after some seconds at most: a cancelled one may save."""
    end = time.monotonic() + seconds
    while any(state in ("PENDING", "RUNNING", "COMPLETING") for state, _ in queue().values()):
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True
