"""What a bare machine lacks, gathered where there is a network and laid out where there is none.

    python -m benchmarks.gpu.bundle build/gpu/bundle --weights FILE --prepared FOLDER
    python -m benchmarks.gpu.bundle build/gpu/bundle --python 3.12 --without rich pytest --train 48

FOLDER/wheels        packages, as wheels for Linux on x86-64
FOLDER/photographs   a small prepared dataset: JPEGs and masks, of generated scenes or of a dataset
FOLDER/weights       a backbone in float16, where --weights names one
FOLDER.tar           the same with this repository, to be unpacked anywhere
"""

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path

from benchmarks.gpu.parts import MissingError

ROOT = Path(__file__).resolve().parents[2]
WHEELS = {
    "pydantic": "pydantic",
    "pydantic-core": "pydantic_core",
    "annotated-types": "annotated_types",
    "typing-inspection": "typing_inspection",
    "typing-extensions": "typing_extensions",
    "lightning-fabric": "lightning_fabric",
    "lightning-utilities": "lightning_utilities",
    "safetensors": "safetensors",
    "rich": "rich",
    "markdown-it-py": "markdown_it",
    "mdurl": "mdurl",
    "pygments": "pygments",
    "tensorboard": "tensorboard",
    "absl-py": "absl",
    "protobuf": "google.protobuf",
    "diffsort": "diffsort",
    "packaging": "packaging",
    "pytest": "pytest",
    "pluggy": "pluggy",
    "iniconfig": "iniconfig",
    "hypothesis": "hypothesis",
    "sortedcontainers": "sortedcontainers",
}
"""Distributions and the module each is imported as"""
LARGE = {"scipy": "scipy"}
"""Those of tens of MB for each Python, which only the part `run` needs: --scipy takes them"""
EVER_NEWER = ("typing-extensions",)
"""What others need a recent version of, and what only ever gains: an older one is replaced"""
GOES_WITH = {"pydantic-core": "pydantic"}
"""Only one version of the first fits the second: both are taken, or neither"""
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (17, 24, 26, 27, 28, 31, 34)]
PYTHONS = ("3.11", "3.12", "3.13")
SOURCES = ("neco", "benchmarks", "tests", "config", "workflow", "Snakefile", "Makefile",
           "pyproject.toml", "LICENSE")  # fmt: skip
LEFT_OUT = ("__pycache__", "results", "cases")
CONTENT = ("wheels", "photographs", "weights")
SCENES = {"train": 72, "val": 24}
SIDE = (480, 640)
"""Height and width of scenes: those of a COCO photograph"""
SHORT_SIDE = 320
"""Pixels to which a dataset's photographs are shrunk"""


def lay_out(bundle: Path | None, into: Path) -> list[str]:
    """Unpack the wheels whose modules are not here into a folder; return it for Python's path.

    A wheel is an archive of what is imported: neither pip nor a network is needed.
    """
    if bundle is None or not (bundle / "wheels").is_dir():
        return []
    for wheel in sorted((bundle / "wheels").glob("*.whl")):
        name = wheel.name.split("-")[0].replace("_", "-").lower()
        if fits(wheel) and (not _importable(_module_of(name)) or _older(name, wheel)):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(into)
    return [str(into)]


def _older(name: str, wheel: Path) -> bool:
    """Return whether this Python has an older version than a wheel's that must not be older."""
    if name not in EVER_NEWER:
        return False
    try:
        here = version(name)
    except PackageNotFoundError:
        return False
    return _numbers(here) < _numbers(wheel.name.split("-")[1])


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(".") if part.isdecimal()]


def _module_of(name: str) -> str:
    return (WHEELS | LARGE).get(GOES_WITH.get(name, name), name)


def fits(wheel: Path) -> bool:
    """Return whether a wheel is for this Python; its file name says so."""
    python, abi = wheel.stem.split("-")[-3:-1]
    here = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return "py3" in python.split(".") or abi == "abi3" or python == here


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def photographs_in(bundle: Path | None, scratch: Path, *, toy: bool) -> Path:
    """Return the folder of a prepared dataset of JPEGs: the bundle's, else scenes drawn now."""
    if toy:
        return draw_scenes(scratch / "photographs", {"train": 4, "val": 2}, (64, 80))
    if bundle is not None and (bundle / "photographs" / "index.csv").exists():
        return bundle / "photographs"
    return draw_scenes(scratch / "photographs", SCENES, SIDE)


def weights_in(bundle: Path | None) -> tuple[str, Path]:
    """Return name and file of the bundle's backbone. Raises MissingError where there is none."""
    found = sorted((bundle / "weights").glob("*.safetensors")) if bundle else []
    if not found:
        raise MissingError(
            "no weights came along: make gpu-bundle WEIGHTS=FILE takes those of vits14-imgfocus"
        )
    return found[0].stem, found[0]


def draw_scenes(folder: Path, splits: dict[str, int], side: tuple[int, int]) -> Path:
    """Write generated scenes of things, (height, width), as a prepared dataset; return its folder.

    A large scene takes a second of one processor.
    """
    from neco.data.scenes.scene import THING_NAMES

    names = [(split, number) for split, count in splits.items() for number in range(count)]
    numbers = [10_000 * (split == "val") + number for split, number in names]
    draw = partial(_scene, side=side)
    if len(numbers) < 16:
        drawn = list(map(draw, numbers))
    else:
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            drawn = list(pool.map(draw, numbers))
    samples = [
        (f"{split}-{number}", split, *files)
        for (split, number), files in zip(names, drawn, strict=True)
    ]
    write_prepared(folder, "scenes", ["background", *THING_NAMES], samples)
    return folder


def _scene(number: int, side: tuple[int, int]) -> tuple[bytes, bytes]:
    from neco.data.scenes.encode import jpeg, png
    from neco.data.scenes.scene import render_scene

    scene = render_scene(0, number, *side)
    return jpeg(scene.image), png(scene.thing_classes())


def shrink_dataset(
    prepared: Path, folder: Path, splits: dict[str, int], side: int = SHORT_SIDE
) -> None:
    """Write some images of a prepared dataset's splits as a dataset of its own.

    side: pixels of the shorter side of an image, which is never enlarged.
    """
    from neco.data.dataset import read_dataset

    samples, classes, name = [], [], ""
    for split, count in splits.items():
        dataset = read_dataset(prepared, split)
        classes, name = dataset.classes, dataset.name
        step = max(1, len(dataset) // count)
        samples += [
            (item.id, split, *_shrunk(item.read_image(), item.read_mask(), side))
            for item in dataset.items[::step][:count]
        ]
    write_prepared(folder, name, classes, samples)


def _shrunk(image, mask, side) -> tuple[bytes, bytes]:  # type: ignore[no-untyped-def]
    import numpy as np
    from PIL import Image

    from neco.data.scenes.encode import jpeg, png

    share = min(1.0, side / min(image.size))
    size = (round(image.width * share), round(image.height * share))
    labels = Image.fromarray(mask).resize(size, Image.Resampling.NEAREST)
    photograph = image.resize(size, Image.Resampling.BICUBIC)
    return jpeg(np.asarray(photograph)), png(np.asarray(labels))


def write_prepared(
    folder: Path, name: str, classes: list[str], samples: list[tuple[str, str, bytes, bytes]]
) -> None:
    """Write (id, split, JPEG, PNG) as a prepared dataset."""
    rows = ["id,image,mask,split"]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for key, split, photograph, mask in samples:
        (folder / "images" / f"{key}.jpg").write_bytes(photograph)
        (folder / "masks" / f"{key}.png").write_bytes(mask)
        rows.append(f"{key},images/{key}.jpg,masks/{key}.png,{split}")
    (folder / "index.csv").write_text("\n".join(rows) + "\n")
    about = {"dataset": name, "classes": classes, "background": True, "notes": {}}
    (folder / "classes.json").write_text(json.dumps(about) + "\n")


def gather_wheels(folder: Path, pythons: list[str], names: Iterable[str]) -> None:
    """Download the wheels in the versions that are installed here, for each Python once."""
    wanted = [f"{name}=={version(name)}" for name in names]
    for python in pythons:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary=:all:", "--implementation", "cp", "--python-version", python]
        for platform in PLATFORMS:
            command += ["--platform", platform]
        subprocess.run([*command, "--dest", str(folder), *wanted], check=True)


def half_weights(path: Path, name: str, folder: Path) -> None:
    """Write the weights in float16 under the backbone's name."""
    import torch
    from safetensors.torch import load_file, save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.to(torch.float16) for key, value in load_file(path).items()}
    save_file(state, folder / f"{name}.safetensors")


def chosen_wheels(scipy: bool, without: Iterable[str]) -> list[str]:
    """Return the distributions to take. Raises SystemExit for one to leave out that is none."""
    names = WHEELS | LARGE if scipy else WHEELS
    strange = set(without) - set(WHEELS | LARGE)
    if strange:
        raise SystemExit(
            f"--without {' '.join(sorted(strange))}: the bundle has no such package; it has "
            f"{', '.join(WHEELS | LARGE)}"
        )
    return [name for name in names if name not in without]


def members() -> Iterator[Path]:
    """Yield the files of the repository that the measurements need."""
    for source in SOURCES:
        path = ROOT / source
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.is_file() and not set(LEFT_OUT) & set(file.relative_to(ROOT).parts):
                yield file


def main() -> None:
    """Gather, and say how much it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path, help="what `neco weights` wrote")
    parser.add_argument("--backbone", default="vits14-imgfocus", help="whose weights they are")
    parser.add_argument("--prepared", type=Path, help="a prepared dataset (default: scenes)")
    parser.add_argument("--train", type=int, default=SCENES["train"], help="images to take")
    parser.add_argument("--val", type=int, default=SCENES["val"], help="held-out images")
    parser.add_argument(
        "--side", type=int, default=SHORT_SIDE, help="pixels of a photograph's shorter side"
    )
    parser.add_argument("--python", nargs="+", default=list(PYTHONS), help="versions to serve")
    parser.add_argument("--scipy", action="store_true", help="take SciPy along, for part `run`")
    parser.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="PACKAGE",
        help="wheels to leave out, because the other machine has them",
    )
    chosen = parser.parse_args()
    folder, splits = chosen.folder, {"train": chosen.train, "val": chosen.val}
    names = chosen_wheels(chosen.scipy, chosen.without)
    for part in CONTENT:  # nothing of an earlier choice travels along
        shutil.rmtree(folder / part, ignore_errors=True)
    if names:
        gather_wheels(folder / "wheels", chosen.python, names)
    if chosen.prepared:
        shrink_dataset(chosen.prepared, folder / "photographs", splits, chosen.side)
    else:
        draw_scenes(folder / "photographs", splits, SIDE)
    if chosen.weights:
        half_weights(chosen.weights, chosen.backbone, folder / "weights")
    archive = folder.with_name(f"{folder.name}.tar")
    with tarfile.open(archive, "w") as tar:
        for file in members():
            tar.add(file, Path("neco-gpu") / file.relative_to(ROOT))
        tar.add(folder, "neco-gpu/bundle")
    for line in told(folder, archive):
        print(line)


def told(folder: Path, archive: Path) -> Iterator[str]:
    """Yield how large everything is, and what to do with it."""
    sizes = {path.name: size_of(path) for path in sorted(folder.iterdir())}
    everything = sum(sizes.values())
    rest = archive.stat().st_size - everything
    for name, size in (sizes | {"bundle": everything, "repository": rest}).items():
        yield f"{name:>12}  {size / 2**20:6.1f} MiB"
    yield f"{archive}: {archive.stat().st_size / 2**20:.1f} MiB. On the machine with the card:"
    yield f"    tar xf {archive.name} && cd neco-gpu && python3 -m benchmarks.gpu --bundle bundle"
    yield (
        "Where the repository is there already, the folder alone is enough: "
        "python3 -m benchmarks.gpu --bundle FOLDER"
    )


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
