"""make test-dvc: a stranger's clone, real DVC, a real S3 server. Each step goes on from the last.

Nothing of this checkout is used but its committed files: a fresh clone, its own environment from
the lock, an empty home, no credentials.
"""

import csv
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.publish.conftest import ROOT

pytestmark = pytest.mark.slow

PLACE = Path("published", "demo")
TOLERANCE = {"in-context": 0.1, "overcluster": 1.0}
"""Points of mIoU that another CPU may differ by. Its arithmetic moves features in the last digits:
exact search hardly notices, k-means may take another way (its seeds differ by 0.2 to 0.7)."""
SECRET = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": "eu-west-1",
}


class Clone:
    """A fresh clone, and a stranger who works in it."""

    def __init__(self, folder: Path, environment: Path, home: Path) -> None:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
        self.folder, self.environment, self.home = folder, environment, home

    def run(self, command: str, fails: bool = False, **more: str) -> str:
        """Run a command line as documented, print its time, and return what it said."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "DVC_"))
        }
        path = f"{self.environment / 'bin'}:{kept['PATH']}"
        settings = {"HOME": str(self.home), "PATH": path, "DVC_SITE_CACHE_DIR": f"{self.home}/dvc"}
        settings["AWS_EC2_METADATA_DISABLED"] = "true"  # or a client asks the network for a role
        began = time.perf_counter()
        ran = subprocess.run(
            command, shell=True, cwd=self.folder, env=kept | settings | more, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        print(f"[{time.perf_counter() - began:6.1f} s] {command}", flush=True)
        assert (ran.returncode != 0) == fails, ran.stdout
        return ran.stdout

    def model(self) -> str:
        """Return the first model whose checkpoint is published."""
        return min(path.parent.name for path in self.folder.glob(f"{PLACE}/runs/*/*.safetensors"))

    def digests(self) -> dict[str, str]:
        """Return the sha256 of every published file that is here."""
        files = [path for path in (self.folder / PLACE).rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.suffix != ".dvc" and path.name != ".gitignore"
        }


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """A clone in which `dvc pull` was called."""
    home = tmp_path_factory.mktemp("home")
    found = Clone(home / "clone", home / "clone" / ".venv", home)
    began = time.perf_counter()
    subprocess.run(["make", "--silent", "setup"], cwd=found.folder, check=True)
    print(f"\n[{time.perf_counter() - began:6.1f} s] make setup", flush=True)
    assert not found.digests()
    found.run("dvc pull")
    return found


def test_everything_published_arrives_and_is_sound(clone):
    told = clone.run("python -m neco published")
    assert f"{len(clone.digests())} published files" in told and "all sound" in told
    assert clone.run("git status --porcelain") == ""
    assert "up to date" in clone.run("dvc status")


def test_metrics_are_a_row_per_model_and_say_what_the_metrics_files_say(clone):
    print(clone.run("dvc metrics show"))
    (shown,) = json.loads(clone.run("dvc metrics show --json")).values()
    for path in (clone.folder / PLACE / "metrics").rglob("*.json"):
        metrics = json.loads(path.read_text())
        row = shown["data"][str(PLACE / "scores" / path.name)]["data"]
        columns = row[metrics["protocol"]][metrics["dataset"]]
        for setting, value in metrics["summary"].items():
            assert columns[setting or "mIoU"] == pytest.approx(value["mIoU"], abs=1e-4)


def test_plots_hold_every_curve_point_and_figure(clone):
    told = clone.run("dvc plots show")
    page = Path(told.strip().splitlines()[-1].removeprefix("file://"))
    html = page.read_text()
    stated = yaml.safe_load((clone.folder / "dvc.yaml").read_text())["plots"]
    for plot in stated:
        if isinstance(plot, str):
            assert Path(plot).name in html
            continue
        ((title, about),) = plot.items()
        assert title in html
        for name in about["y"]:
            with (clone.folder / name).open() as file:
                last = list(csv.DictReader(file))[-1]
            assert json.dumps(last[about["x"]]) in html


def test_a_pulled_checkpoint_evaluates_to_the_metrics_beside_it(clone):
    config, data = f"--config {PLACE}/project.yaml", "data/check"
    model = clone.model()
    weights = f"{PLACE}/runs/{model}/backbone.safetensors"
    project = yaml.safe_load((clone.folder / PLACE / "project.yaml").read_text())
    start = project["runs"][model.rpartition(".seed")[0]]["backbone"]
    clone.run(f"python -m neco scenes {config} --into {data}/archives")
    voc = f"--data {data}/prepared/pascal-voc"
    clone.run(
        f"python -m neco prepare pascal-voc --archives {data}/archives"
        f" --into {data}/prepared/pascal-voc"
    )
    for split in ("train", "val"):
        clone.run(
            f"python -m neco extract {config} --model {model} --backbone {start}"
            f" --weights {weights} {voc} --split {split} --threads 1"
            f" --image-size {project['in_context']['image_size']} --into {data}/{split}"
        )
    for protocol, tolerance in TOLERANCE.items():
        train = f" --train-features {data}/train" if protocol == "in-context" else ""
        clone.run(
            f"python -m neco evaluate {protocol} {config} --model {model} {voc} --threads 1"
            f"{train} --val-features {data}/val --into {data}/{protocol}.json"
        )
        published = clone.folder / PLACE / "metrics" / protocol / "pascal-voc" / f"{model}.json"
        before = json.loads(published.read_text())
        now = json.loads((clone.folder / data / f"{protocol}.json").read_text())
        digest = "weights_digest"
        assert now["conditions"][digest] == before["conditions"][digest]
        for setting, value in before["summary"].items():
            again = now["summary"][setting]["mIoU"]
            print(f"{protocol} {setting}: published {value['mIoU']:.4f}, now {again:.4f}")
            assert again == pytest.approx(value["mIoU"], abs=tolerance)


def test_pulled_files_are_not_taken_for_a_running_workflow(clone, tmp_path):
    def jobs(one: Clone) -> str:
        told = one.run("snakemake --dry-run --quiet rules --configfile config/demo.yaml")
        return told[told.index("job ") :]

    before = Clone(tmp_path / "bare", clone.environment, clone.home)
    assert jobs(before) == jobs(clone)


@pytest.fixture(scope="module")
def bucket(clone) -> Iterator[str]:
    """The address of a real S3 server on the loopback, with one bucket `results` in it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [clone.environment / "bin" / "moto_server", "--host", "127.0.0.1", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(
                    urllib.request.Request(f"{address}/results", method="PUT"), timeout=5
                )
                break
            except OSError:
                assert server.poll() is None, "the S3 server has ended"
                time.sleep(0.2)
        else:
            raise AssertionError("the S3 server does not answer")
        yield address
    finally:
        server.terminate()
        server.wait(30)


def test_a_larger_remote_takes_and_gives_back_everything(clone, bucket):
    before = clone.digests()
    clone.run("dvc remote add --local large s3://results/neco")
    clone.run(f"dvc remote modify --local large endpointurl {bucket}")
    told = clone.run("dvc push --remote large", fails=True)
    assert "credentials" in told.lower()
    clone.run("dvc push --remote large", **SECRET)
    shutil.rmtree(clone.folder / ".dvc" / "cache")
    for path in before:
        (clone.folder / path).unlink()
    assert not clone.digests()
    clone.run("dvc pull --remote large", **SECRET)
    assert clone.digests() == before


def test_a_project_too_large_for_the_repository_lives_in_another_remote(clone, bucket):
    results = clone.folder / "results" / "large"
    shutil.copytree(clone.folder / PLACE, results, ignore=shutil.ignore_patterns("*.dvc", ".git*"))
    project = yaml.safe_load((results / "project.yaml").read_text())
    project["name"] = "large"
    project["publish"] |= {"remote": "large", "megabytes": 0.001}
    # Whoever publishes has the checkpoints of all that was measured; a clone has this one.
    project["runs"]["neco"]["seeds"] = [0]
    (results / "project.yaml").write_text(yaml.safe_dump(project))
    in_repository = clone.run("git status --porcelain published/remote")
    clone.run("python -m neco publish results/large", **SECRET)
    assert clone.run("git status --porcelain published/remote") == in_repository == ""
    shutil.rmtree(clone.folder / ".dvc" / "cache")
    clone.run("dvc pull --recursive published/demo")
    shutil.rmtree(clone.folder / "published" / "large" / "runs")
    clone.run("dvc pull --recursive published/large", fails=True)
    clone.run("dvc pull --recursive published/large", **SECRET)
    for beside in clone.folder.glob(f"{PLACE}/runs/{clone.model()}/*"):
        pulled = clone.folder / "published" / "large" / beside.relative_to(clone.folder / PLACE)
        assert pulled.read_bytes() == beside.read_bytes()


def test_a_damaged_remote_is_refused_and_named_in_one_line(clone, tmp_path):
    other = Clone(tmp_path / "damaged", clone.environment, clone.home)
    objects = (other.folder / "published" / "remote").rglob("*")
    largest = max(
        (path for path in objects if path.is_file()), key=lambda path: path.stat().st_size
    )
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    other.run("dvc pull", fails=True)
    there = other.digests()
    assert hashlib.sha256(data).hexdigest() not in there.values()
    assert there.items() < clone.digests().items()
    told = other.run("python -m neco published", fails=True).strip()
    print(told)
    assert told.splitlines()[-1].startswith(
        f"neco published: {largest.relative_to(other.folder)}: damaged"
    )
    other.run("git checkout --quiet -- published/remote && dvc pull")
    assert other.digests() == clone.digests()
