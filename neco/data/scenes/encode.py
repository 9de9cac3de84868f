"""What all archives of generated scenes share: splits, encoded images, and members of archives."""

import io
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from neco.config.datasets import Scenes
from neco.data.scenes.scene import Scene, render_scene


class Split(NamedTuple):
    """Which scenes a split of an archive holds, and how many of them carry annotations."""

    name: str
    first: int
    scenes: int
    labelled: int


def splits_of(
    settings: Scenes, first: int, names: tuple[str, str], unlabelled: int = 0
) -> tuple[Split, Split]:
    """Return the training and held-out split of an archive whose scenes start at `first`."""
    train = Split(names[0], first, settings.train + unlabelled, settings.train)
    return train, Split(names[1], first + 500_000, settings.val, settings.val)


def each(split: Split, pool: Executor, encode: Callable[[int], Any]) -> Iterator[tuple[int, Any]]:
    """Yield (scene number, what `encode` made of it) in order."""
    numbers = range(split.first, split.first + split.scenes)
    return zip(numbers, pool.map(encode, numbers, chunksize=16), strict=True)


def render(number: int, settings: Scenes) -> Scene:
    """Return scene `number` at the settings' size."""
    return render_scene(settings.seed, number, settings.height, settings.width)


def jpeg(image: np.ndarray) -> bytes:
    """Return uint8 (H, W, 3) as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def png(labels: np.ndarray, palette: bytes | None = None) -> bytes:
    """Return uint8 (H, W), or (H, W, 3), as a PNG file."""
    image = Image.fromarray(labels)
    if palette is not None:
        image.putpalette(palette)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def matlab(**variables: Any) -> bytes:
    """Return a MATLAB file of these variables."""
    from scipy.io import savemat  # slow to import, and needed for this alone

    buffer = io.BytesIO()
    savemat(buffer, variables, do_compression=True)
    return buffer.getvalue()


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file to a tar archive."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def lines(names: list[str]) -> bytes:
    """Return a list file: one name a line."""
    return ("\n".join(names) + "\n").encode()
