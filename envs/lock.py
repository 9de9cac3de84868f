"""Renews the locks of the conda environments: run by `make lock`, after requirements.lock.

For each environment NAME: envs/NAME.in lists packages; envs/NAME.lock.txt gets them and all they
need on linux-64 with hashes, at the versions of requirements.lock; envs/NAME.post-deploy.sh, which
Snakemake runs in a new environment, gets that lock's digest.

    python envs/lock.py [options of `uv pip compile`, such as --upgrade]
"""

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

ENVS = Path(__file__).resolve().parent
# The oldest glibc that torch's wheels run on.
PLATFORM = "x86_64-manylinux_2_28"
POST_DEPLOY = """\
#!/usr/bin/env bash
# Written by `make lock`. Snakemake runs it in a new environment, from the folder of the workflow.
# Its text is part of what identifies the environment: another digest, another environment.
sh envs/install.sh {lock} {digest}
"""


def python_version() -> str:
    """Return the Python that requirements.lock is resolved for, from requires-python."""
    project = tomllib.loads((ENVS.parent / "pyproject.toml").read_text())["project"]
    return project["requires-python"].removeprefix(">=")


def renew(listed: Path, options: list[str]) -> Path:
    """Write the lock and the post-deploy script of the packages in `listed`; return the lock."""
    lock = listed.with_suffix(".lock.txt")
    uv = Path(sys.executable).with_name("uv")
    command = [
        uv, "pip", "compile", "--quiet", "--generate-hashes", "--no-annotate",
        "--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock",
        "--python-version", python_version(), "--python-platform", PLATFORM,
        "--constraints", "requirements.lock", *options, "-o", lock, listed,
    ]  # fmt: skip
    subprocess.run(command, cwd=ENVS.parent, check=True)  # noqa: S603 (own words, no shell)
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    text = POST_DEPLOY.format(lock=lock.relative_to(ENVS.parent), digest=digest)
    listed.with_suffix(".post-deploy.sh").write_text(text)
    return lock


if __name__ == "__main__":
    for path in sorted(ENVS.glob("*.in")):
        print(f"{renew(path, sys.argv[1:]).name}: renewed")
