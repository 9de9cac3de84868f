"""The image, built for real on a base made here, and the demo's workflow run inside it.

make test-image                  # the demo, shortened by sparse.yaml
make test-image WHOLE_DEMO=1     # the demo as it is
"""

import os
import time
from pathlib import Path

import pytest

from tests.image.conftest import NEVER_SENT

pytestmark = pytest.mark.slow

SPARSE = Path(__file__).with_name("sparse.yaml")
CALLER = 4321
"""A user that the image has never heard of, as the one who calls `docker run --user` is."""
SHORT = ["snakemake", "--cores", "2", "--configfile", "config/demo.yaml", "/sparse.yaml"]
WHOLE = ["python", "-m", "neco", "demo", "--cores", "2"]
PROJECT_LAYERS = 2
"""The last layers hold the project; all others are the base, packages and the lock."""


def test_holds_the_lock_and_no_installer(machinery, image):
    found = machinery.run(image, ["sh", "-c", "which python && ! which uv && ls /opt && ls /tmp"])
    assert found.split() == ["/opt/venv/bin/python", "requirements.lock", "venv"]


def test_holds_nothing_but_what_is_named(machinery, image):
    looked_for = " ".join(f"-e /neco/{name} -o" for name in NEVER_SENT)
    machinery.run(image, ["sh", "-c", f"! test {looked_for} -e /neco/tests"])


def test_runs_as_its_own_user_without_privileges(machinery, image):
    assert machinery.run(image, ["id", "-u"]) == "10001"
    machinery.run(
        image, ["sh", "-c", "! touch /neco/neco/x && ! touch /opt/venv/x && touch results/x"]
    )


def test_every_library_loads_and_the_sorting_loss_compiles(machinery, image):
    program = (
        "import cv2, faiss, infomap, scann, torchvision\n"
        "from neco.evaluate.segmenter import library\n"
        "from neco.sorting.compiled.build import load_kernel\n"
        "load_kernel()\n"
        "print(torchvision.__version__)\n"
    )
    machinery.run(image, ["python", "-c", program])


def test_a_changed_project_builds_only_its_own_layers(machinery, base, context, image):
    before = machinery.layers(image)
    with (context / "README.md").open("a") as readme:
        readme.write("\nChanged.\n")
    seconds = machinery.build(context, base, "localhost/neco-reproduction:changed")
    after = machinery.layers("localhost/neco-reproduction:changed")
    print(f"\nbuilt again in {seconds:.0f} s")
    assert len(after) == len(before)
    assert after[:-PROJECT_LAYERS] == before[:-PROJECT_LAYERS]
    assert after[-PROJECT_LAYERS] != before[-PROJECT_LAYERS]


def test_the_demo_runs_without_a_network_and_its_results_are_the_callers(
    machinery, image, tmp_path
):
    volumes = []
    for name in ("data", "results", ".snakemake"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, CALLER, CALLER)
        volumes += ["--volume", f"{tmp_path / name}:/neco/{name}"]
    volumes += ["--volume", f"{SPARSE}:/sparse.yaml:ro", "--user", f"{CALLER}:{CALLER}"]
    start = time.monotonic()
    machinery.run(image, WHOLE if os.environ.get("WHOLE_DEMO") else SHORT, *volumes)
    print(f"\nthe demo's workflow ran in {time.monotonic() - start:.0f} s")
    report = tmp_path / "results" / "demo" / "report" / "report.html"
    assert report.stat().st_size > 100_000
    assert report.stat().st_uid == CALLER
    again = machinery.run(image, [*SHORT, "--dry-run"], *volumes)
    if not os.environ.get("WHOLE_DEMO"):
        assert "Nothing to be done" in again  # what Snakemake noted came out with the results
