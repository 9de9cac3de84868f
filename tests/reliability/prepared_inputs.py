"""Prepared datasets that were damaged afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.reliability.damage import copied
from tests.reliability.inputs import LINE, WITHOUT_DIGEST, Case, spoiled
from tests.reliability.world import World


def _copy(world: World, folder: Path) -> Path:
    copied(world.folder, folder / "mine")
    data = copied(world.data, folder / "data")
    (data / "images").unlink()
    (data / "images").symlink_to(folder / "mine" / "images", target_is_directory=True)
    return data


def cases() -> Iterator[Case]:
    """Yield prepared datasets that were damaged, plain and packed, where features are extracted."""
    for name in ("index.csv", "classes.json"):

        def make(world: World, folder: Path, name: str = name) -> tuple[Path, list[object]]:
            data = _copy(world, folder)
            return data / name, world.extract(folder / "out", data=data)

        yield from spoiled(f"prepared {name}", WITHOUT_DIGEST, make)

    def image(world: World, folder: Path) -> tuple[Path, list[object]]:
        data = _copy(world, folder)
        return folder / "mine" / "images" / "004.jpg", world.extract(folder / "out", data=data)

    yield from spoiled("prepared image", WITHOUT_DIGEST, image)

    def mask(world: World, folder: Path) -> tuple[Path, list[object]]:
        data = _copy(world, folder)
        command = world.evaluate(folder / "out.json", data=data)
        return data / "masks" / "val" / "004.png", command

    yield from spoiled("prepared mask", WITHOUT_DIGEST, mask)

    def changed(world: World, folder: Path) -> list[object]:
        data = _copy(world, folder)
        text = json.loads((data / "classes.json").read_text())
        text["classes"] = ["background", "dog", "cat"]
        (data / "classes.json").write_text(json.dumps(text))
        return world.evaluate(folder / "out.json", data=data)

    yield Case("prepared classes.json", "other classes than the features'", changed, LINE)
