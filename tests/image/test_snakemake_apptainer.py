"""The image as Apptainer's one file, and a training under `snakemake --sdm apptainer` with it."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.image.apptainer import make_apptainer

pytestmark = pytest.mark.slow

SPARSE = Path(__file__).with_name("sparse.yaml")
TRAINED = "results/demo/runs/neco.seed0/backbone.safetensors"


@pytest.fixture(scope="module")
def calls(machinery, tmp_path_factory) -> dict[str, str]:
    """The environment in which `apptainer` is a real one."""
    shared = tmp_path_factory.getbasetemp()
    path = f"{make_apptainer(machinery.folder / 'sid', shared)}:{os.environ['PATH']}"
    # Snakemake binds its cache into every container: it must lie where this apptainer sees it.
    folders = {"APPTAINER_TMPDIR": str(shared), "XDG_CACHE_HOME": str(shared / "cache")}
    return os.environ | folders | {"PATH": path}


def test_a_training_runs_with_the_image_as_its_software(
    machinery, image, context, calls, tmp_path, request
):
    archive, single = tmp_path / "image.tar", context / "build" / "neco-reproduction.sif"
    single.parent.mkdir()
    machinery.buildah("push", "--quiet", image, f"docker-archive:{archive}:{image}")
    start = time.monotonic()
    # Without compression, which a proof does not need and two processors take long over.
    squash = ["--mksquashfs-args", "-noI -noD -noF -noX"]
    build = ["apptainer", "build", *squash, str(single), f"docker-archive:{archive}"]
    subprocess.run(build, cwd=context, env=calls, check=True)
    archive.unlink()
    request.addfinalizer(lambda: shutil.rmtree(single.parent))
    size = single.stat().st_size / 1e9
    print(f"\nconverted in {time.monotonic() - start:.0f} s, {size:.2f} GB uncompressed")

    configuration = ["--configfile", "config/demo.yaml", str(SPARSE)]
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "2", "--sdm", "apptainer"]
    start = time.monotonic()
    called = subprocess.run(
        [*snakemake, *configuration, "--", TRAINED],
        cwd=context,
        env=calls,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert called.returncode == 0, called.stdout[-4000:]
    assert "Activating singularity image build/neco-reproduction.sif" in called.stdout
    assert (context / TRAINED).stat().st_size > 0
    print(f"trained under --sdm apptainer in {time.monotonic() - start:.0f} s")
