"""What a step imports: seconds that a workflow would spend again for every job."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import neco

HEAVY = ("torch", "torchvision", "timm", "faiss", "lightning_fabric", "pandas", "snakemake")


@pytest.mark.parametrize(
    "modules",
    [
        "neco.cli",
        "neco.data.prepare, neco.data.download, neco.data.pack, neco.data.scenes.archives",
        "neco.report.tables.build, neco.report.summary.render, neco.report.claims.render",
        "neco.report.page.build",
        "neco.report.scores.models, neco.report.needs, neco.report.figures.figure_2",
        "neco.evaluate.segmenter.choice",
    ],
)
def test_a_step_that_needs_no_network_imports_no_torch(modules):
    code = f"import sys, {modules}; print(*(set({HEAVY}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_only_the_command_line_imports_the_command_line():
    root = Path(neco.__file__).parent
    outside = [path for path in root.rglob("*.py") if root / "cli" not in path.parents]
    importing = [path.name for path in outside if re.search(r"\bneco\.cli\b", path.read_text())]
    assert importing == ["__main__.py"]
