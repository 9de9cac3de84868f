"""A base image, the repository as a build context, and the image built from both."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.machinery import Machinery, install_tools
from tests.repository import REPOSITORY, copy_repository

BASE = "localhost/debian:latest"
IMAGE = "localhost/neco-reproduction:latest"
NEVER_SENT = ("data/photograph.jpg", "results/demo/report.html", ".git/config", "docs/note.md")
"""Files in the context that .dockerignore keeps out of the image."""


@pytest.fixture(scope="session")
def machinery() -> Iterator[Machinery]:
    """Buildah and podman with an empty storage, removed at the end unless KEEP_IMAGE is set."""
    install_tools()
    folder = REPOSITORY / "build" / "test-image"
    made = Machinery(folder)
    if folder.exists():
        made.remove()
    folder.mkdir(parents=True)
    yield made
    if "KEEP_IMAGE" not in os.environ:
        made.remove()


@pytest.fixture(scope="session")
def base(machinery: Machinery) -> str:
    machinery.make_base(BASE)
    return BASE


@pytest.fixture(scope="session")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, and files that must not reach the image."""
    folder = tmp_path_factory.mktemp("context")
    copy_repository(folder)
    for name in NEVER_SENT:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not for the image\n")
    return folder


@pytest.fixture(scope="session")
def image(machinery: Machinery, base: str, context: Path) -> str:
    seconds = machinery.build(context, base, IMAGE)
    print(f"\nbuilt in {seconds:.0f} s, {machinery.size(IMAGE) / 1e9:.2f} GB uncompressed")
    return IMAGE
