"""Where the repository is, and a copy of it to run in."""

import shutil
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]


def copy_repository(into: Path) -> None:
    """Copy what git tracks, or would track: no environment, no data, no results."""
    files = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY, text=True,
    )  # fmt: skip
    for name in files.split("\0"):
        if name and (REPOSITORY / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, into / name)
