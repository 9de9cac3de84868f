"""Generated scenes as official archives: settings come in, files with the archives' names come out.

Each archive has the layout, the file formats and the ids of the official one, and scenes of its
own. So the same preparation reads it. The same settings give the same pixels and labels.
"""

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from neco.config.datasets import Scenes
from neco.data import ade20k, imagenet_100, pascal_context, pascal_voc
from neco.data.coco import SPLITS
from neco.data.scenes.ade20k import write_ade20k, write_imagenet_100
from neco.data.scenes.coco import ANNOTATIONS, write_coco
from neco.data.scenes.voc import write_context, write_voc
from neco.files import whole_file, whole_folder
from neco.processes import process_pool

Writer = Callable[[Path, Scenes, Executor], list[Path]]
FAMILIES: tuple[tuple[tuple[str, ...], Writer], ...] = (
    ((pascal_voc.TRAINVAL,), partial(write_voc, with_sbd=False)),
    ((pascal_voc.TRAINVAL, pascal_voc.SBD), partial(write_voc, with_sbd=True)),
    ((*(f"{photographs}.zip" for photographs in SPLITS.values()), *ANNOTATIONS), write_coco),
    ((ade20k.ARCHIVE,), write_ade20k),
    ((pascal_context.PHOTOGRAPHS, pascal_context.ANNOTATIONS), write_context),
    ((imagenet_100.NAME,), write_imagenet_100),
)
"""Archives that are written together."""


def written_with(names: Iterable[str]) -> list[str]:
    """Return the archives that are written when those of `names` are asked for."""
    return [name for family, _ in _asked(names) for name in family]


def write_archives(
    into: Path, settings: Scenes, names: Iterable[str], processes: int | None = None
) -> list[Path]:
    """Write the archives of `names`, and those written with them, and return their paths.

    Every archive appears whole, because it is first written in a folder of its own inside `into`.
    """
    work = into / ".scenes.part"
    shutil.rmtree(work, ignore_errors=True)  # of a command that was killed
    work.mkdir(parents=True)
    paths = []
    try:
        with process_pool(processes) as pool:
            for _, write in _asked(names):
                for written in write(work, settings, pool):
                    whole = whole_folder if written.is_dir() else whole_file
                    with whole(into / written.name) as unfinished:
                        written.replace(unfinished)
                    paths.append(into / written.name)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return paths


def _asked(names: Iterable[str]) -> list[tuple[tuple[str, ...], Writer]]:
    wanted = set(names)
    asked = [(family, write) for family, write in FAMILIES if wanted & set(family)]
    if pascal_voc.SBD in wanted:
        asked = [entry for entry in asked if entry[0] != (pascal_voc.TRAINVAL,)]
    else:
        asked = [entry for entry in asked if pascal_voc.SBD not in entry[0]]
    return asked
