"""Archives that are damaged, foreign or malicious, and the mirrors that hold them."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from tests.reliability.damage import CUT, FOREIGN, PLACES
from tests.reliability.folder_inputs import as_many
from tests.reliability.inputs import EQUAL, LINE, Case, spoiled
from tests.reliability.world import World, label_image, photograph

TOP = "ADEChallengeData2016"


def _ade20k(path: Path, names: dict[str, bytes] | None = None) -> Path:
    """Write ADE20K's archive with one image a split, or with other members."""
    if names is None:
        names = {
            **_members("training", "ADE_train_00000001"),
            **_members("validation", "ADE_val_00000001"),
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return path


def _members(split: str, stem: str) -> dict[str, bytes]:
    """Return the classes, and the image of that name with its mask."""
    lines = ["Idx\tRatio\tTrain\tVal\tName"]
    lines += [f"{i}\t0.1\t1\t1\tclass {i}" for i in range(1, 151)]
    image, mask = io.BytesIO(), io.BytesIO()
    photograph(0).save(image, "JPEG")
    Image.fromarray(label_image(0)).save(mask, "PNG")
    return {
        f"{TOP}/objectInfo150.txt": "\n".join(lines).encode(),
        f"{TOP}/images/{split}/{stem}.jpg": image.getvalue(),
        f"{TOP}/annotations/{split}/{stem}.png": mask.getvalue(),
    }


def _archive(world: World, folder: Path) -> tuple[Path, list[object]]:
    path = _ade20k(folder / "archives" / f"{TOP}.zip")
    command = ["prepare", "ade20k", "--archives", folder / "archives", "--into", folder / "out",
               "--processes", 1]  # fmt: skip
    return path, command


def _fetched(world: World, folder: Path) -> tuple[Path, list[object]]:
    path = _ade20k(folder / "mirror" / f"{TOP}.zip")
    command = ["fetch", path.name, "--into", folder / "archives", "--mirror", path.parent]
    return path, command


def cases() -> Iterator[Case]:
    """Yield archives that are damaged, foreign or malicious."""

    def whole(world: World, folder: Path) -> list[object]:
        return _archive(world, folder)[1]

    yield Case("archive", "whole", whole, EQUAL, as_many(2))
    yield from spoiled("archive", (*CUT, *FOREIGN, *PLACES), _archive)
    not_its_kind = ("empty", "one byte", "a web page", "an LFS pointer", "zeros", "noise",
                    "a JSON list", "UTF-16 text", "missing", "a dangling link")  # fmt: skip
    yield from spoiled("mirror", not_its_kind, _fetched)
    for out in ("../../escaped", "/tmp/escaped", "..\\escaped", "a/../../../escaped"):

        def escaping(world: World, folder: Path, out: str = out) -> list[object]:
            path, command = _archive(world, folder)
            _ade20k(path, _members("training", out))
            return command

        yield Case("archive", f"with a member {out}", escaping, LINE)
    for name in ("../x.zip", "", ".", "a/b.zip", "/etc/passwd"):

        def odd(world: World, folder: Path, name: str = name) -> list[object]:
            return ["fetch", name, "--into", folder / "archives", "--mirror", folder]

        yield Case("mirror", f"asked for {name!r}", odd, LINE)
    yield Case("archive", "a tar of links", _tar_of_links, LINE)


def _tar_of_links(world: World, folder: Path) -> list[object]:
    path = folder / "archives" / "VOCtrainval_11-May-2012.tar"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    return ["prepare", "pascal-voc", "--archives", folder / "archives", "--into", folder / "out",
            "--processes", 1]  # fmt: skip
