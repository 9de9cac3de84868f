"""`make test-conda`: every environment is made from its file, and every kind of step runs in it.

In a copy of the repository, with a channel on disk (channel.py) and a stand-in for conda (conda.py)
in place of what this needs a network and an installation for. In the order of what it shows:

1. without conda, `snakemake --use-conda` says what is missing;
2. the four environments are made from envs/*.yaml and the locks, before any job runs;
3. a small project runs from archives to report, each rule in its environment;
4. envs/pin.py pins conda's packages, and the environments are made from the pins.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.conda.channel import build_channel
from tests.repository import REPOSITORY, copy_repository

FOLDER = REPOSITORY / "build" / "test-conda"
COPY = FOLDER / "repository"
CONDA = FOLDER / "conda"
NAMES = ("evaluate", "report", "segmenter", "train")
SNAKEMAKE = [
    Path(sys.executable).with_name("snakemake"), "--cores", "2", "--use-conda",
    "--configfile", "config/smoke.yaml", "tests/conda/one_of_each.yaml",
]  # fmt: skip


def main() -> None:
    """Run the four steps; end with an AssertionError where one does not hold."""
    if sys.version_info[:2] != (3, 11):
        sys.exit("the environments ask for Python 3.11, and this is another: PYTHON=python3.11")
    shutil.rmtree(FOLDER, ignore_errors=True)
    copy_repository(COPY)
    start = time.monotonic()

    output = snakemake("--conda-create-envs-only", conda=False, succeeds=False)
    message = next(line for line in output.splitlines() if "conda" in line and "Error" in line)
    tell(start, f"without conda: {message.strip()}")

    build_channel(FOLDER / "channels" / "conda-forge")
    install_stand_in()
    tell(start, "a channel and a stand-in for conda are in place")

    output = snakemake("--conda-create-envs-only")
    assert output.count("Running post-deploy script") == len(NAMES), output
    assert not list((COPY / "results").glob("conda/*/")), "a job ran before it was asked to"
    before = environments()
    tell(start, f"{len(before)} environments are made")

    output = snakemake()
    used = set(re.findall(r"Activating conda environment: (\S+)", output))
    assert used == set(before.values()), (used, before)
    check_results(COPY / "results" / "conda")
    tell(start, f"{output.count('Finished jobid')} jobs ran in {len(used)} environments")

    run([sys.executable, "envs/pin.py", *NAMES])
    output = snakemake("--conda-create-envs-only")
    assert output.count("Using pinnings from") == len(NAMES), output
    assert "Failed to install" not in output, output
    after = environments()
    assert not set(after.values()) & set(before.values()), "a pin made no environment of its own"
    output = snakemake("--force", "results/conda/models.json")
    assert f"Activating conda environment: {after['report']}" in output, output
    tell(start, f"{len(after)} environments are made from pins, and a job ran in one")
    shutil.rmtree(FOLDER)


def install_stand_in() -> None:
    """Put `conda` and `activate` where an installation of conda has them."""
    (CONDA / "bin").mkdir(parents=True)
    here = Path(__file__).parent
    program = CONDA / "bin" / "conda"
    program.write_text(f"#!{sys.executable}\n{(here / 'conda.py').read_text()}")
    program.chmod(0o755)
    shutil.copy(here / "activate", CONDA / "bin" / "activate")


def run(command: list[str | Path], *, conda: bool = True, succeeds: bool = True) -> str:
    """Run a command in the copy, away from the venv's programs; return all that it printed."""
    folders = [folder for folder in os.environ["PATH"].split(":") if ".venv" not in folder]
    variables = os.environ | {
        "PATH": ":".join([str(CONDA / "bin"), *folders] if conda else folders),
        "CONDA_CHANNEL_ALIAS": (FOLDER / "channels").as_uri(),
        "RATTLER_CACHE_DIR": str(FOLDER / "packages"),
    }
    variables.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        command, cwd=COPY, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, check=False,
    )  # fmt: skip
    if (done.returncode == 0) != succeeds:
        sys.exit(f"{done.stdout}\n{command} ended with {done.returncode}")
    return done.stdout


def snakemake(*options: str, conda: bool = True, succeeds: bool = True) -> str:
    """Run Snakemake on the small project; return its log."""
    return run([*SNAKEMAKE, *options], conda=conda, succeeds=succeeds)


def environments() -> dict[str, str]:
    """Return the environments that Snakemake knows for the present files: name -> folder."""
    output = snakemake("--list-conda-envs")
    found = re.findall(r"envs/(\w+)\.yaml\t\S*\t(\S+)", output)
    assert sorted(name for name, _ in found) == list(NAMES), output
    assert all((COPY / folder).is_dir() for _, folder in found), output
    return dict(found)


def check_results(results: Path) -> None:
    """Hold what the jobs wrote against the environment that they were to run in."""
    assert (results / "report" / "report.html").stat().st_size > 100_000
    files = sorted((results / "metrics").rglob("*.json"))
    protocols = {path.parts[-3] for path in files}
    assert protocols == {"in-context", "segmenter", "unsupervised"}, protocols
    for path in files:
        conditions = json.loads(path.read_text())["conditions"]
        held = conditions["packages"]
        if path.parts[-3] == "segmenter":
            assert "mmsegmentation" in held and "scann" not in held, held
        else:
            assert {"faiss-gpu", "scann"} <= set(held), held
            assert not {"faiss-cpu", "mmsegmentation"} & set(held), held
        if path.parts[-3] == "in-context":
            assert conditions["search"].lower().startswith("scann"), conditions["search"]


def tell(start: float, what: str) -> None:
    """Print what held, and how long after the start."""
    print(f"{time.monotonic() - start:5.0f} s  {what}", flush=True)


if __name__ == "__main__":
    main()
