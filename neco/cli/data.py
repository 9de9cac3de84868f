"""scenes, fetch, look, prepare, pack: from archives to datasets in the common layout."""

import argparse
from pathlib import Path

from neco.cli.arguments import Commands, add_config, project_of
from neco.errors import UserError


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    scenes = commands.add_parser("scenes", help="generate scenes as official archives")
    add_config(scenes)
    scenes.add_argument("--into", type=Path, required=True, help="folder for the archives")
    scenes.add_argument("--processes", type=int, help="processes that render")
    scenes.set_defaults(step=_scenes)

    fetch = commands.add_parser("fetch", help="fetch an official archive from mirrors")
    fetch.add_argument("archive", help="file name, as in VOCtrainval_11-May-2012.tar")
    fetch.add_argument("--into", type=Path, required=True, help="folder for the archive")
    add_config(fetch)
    fetch.add_argument(
        "--mirror",
        action="append",
        help="`official`, a folder, or a base address; in order (default: the project's)",
    )
    fetch.set_defaults(step=_fetch)

    look = commands.add_parser("look", help="say what a folder of images and masks holds")
    look.add_argument("folder", type=Path, help="folder of one's own images")
    look.add_argument(
        "--print",
        dest="only_print",
        action="store_true",
        help="print the dataset.yaml instead of writing it into the folder",
    )
    look.add_argument("--processes", type=_positive, help="processes that read masks")
    look.set_defaults(step=_look)

    prepare = commands.add_parser("prepare", help="turn archives or a folder into a dataset")
    prepare.add_argument(
        "dataset",
        help="pascal-voc, coco, coco-things, coco-stuff, ade20k, ..., or a folder of one's own",
    )
    prepare.add_argument(
        "--archives", type=Path, help="folder of the archives (not for a folder of one's own)"
    )
    prepare.add_argument("--into", type=Path, required=True, help="folder of the dataset")
    prepare.add_argument("--processes", type=_positive, help="processes that convert masks")
    prepare.add_argument(
        "--skip",
        type=_count,
        help="leave out up to so many files that cannot be used (default: as dataset.yaml says, 0)",
    )
    prepare.set_defaults(step=_prepare)

    pack = commands.add_parser("pack", help="store a prepared dataset in a few large files")
    pack.add_argument("--data", type=Path, required=True, help="a prepared dataset")
    pack.add_argument("--into", type=Path, required=True, help="folder of the packed dataset")
    pack.add_argument("--split", action="append", help="only this split; may be given repeatedly")
    pack.add_argument(
        "--shorter-side", type=int, help="shrink larger images to this (default: store as they are)"
    )
    pack.add_argument("--shard-mb", type=float, help="most that a shard holds (default: 256)")
    pack.add_argument("--quality", type=int, help="JPEG quality of shrunk images (default: 95)")
    pack.add_argument("--processes", type=int, help="threads that shrink images")
    pack.set_defaults(step=_pack)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("name 1 or more")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("name 0 or more")
    return number


def _scenes(chosen: argparse.Namespace) -> None:
    from neco.data.scenes.archives import write_archives
    from neco.data.sources import needed_for

    project = project_of(chosen)
    if project.scenes is None:
        raise UserError("this configuration has no `scenes`; add them, or fetch real archives")
    needed = [
        archive
        for name, splits in project.datasets.items()
        for archive in needed_for(name, (splits.train, splits.val))
    ]
    for path in write_archives(chosen.into, project.scenes, needed, chosen.processes):
        print(path)


def _fetch(chosen: argparse.Namespace) -> None:
    from neco.data.download import fetch_archive

    print(
        fetch_archive(
            chosen.archive, chosen.into, chosen.mirror or project_of(chosen).all_mirrors()
        )
    )


def _look(chosen: argparse.Namespace) -> None:
    from neco.data.folder.look import look, write_document
    from neco.data.folder.plan import FILE

    found = look(chosen.folder, chosen.processes)
    print(found.text)
    if (chosen.folder / FILE).exists():
        print(f"{chosen.folder / FILE} is there and was read; it stays as it is")
    elif chosen.only_print:
        print(f"\n{found.document}", end="")
    else:
        path = write_document(chosen.folder, found.document)
        print(
            f"written: {path}; edit it, then `python -m neco prepare {chosen.folder} --into FOLDER`"
        )


def _prepare(chosen: argparse.Namespace) -> None:
    from neco.data.prepare import prepare, prepare_folder
    from neco.data.sources import dataset_names

    if chosen.archives is None:
        if chosen.dataset in dataset_names():
            raise UserError(f"{chosen.dataset}: name the folder of its archives by `--archives`")
        prepare_folder(
            Path(chosen.dataset), chosen.into, workers=chosen.processes, skip=chosen.skip
        )
        return
    prepare(
        chosen.dataset,
        chosen.archives,
        chosen.into,
        prepared=chosen.into.parent,
        workers=chosen.processes,
        skip=chosen.skip,
    )


def _pack(chosen: argparse.Namespace) -> None:
    from neco.config.base import validated
    from neco.config.packing import Packing
    from neco.data.pack import pack

    asked = {name: getattr(chosen, name) for name in Packing.model_fields}
    given = {name: value for name, value in asked.items() if value is not None}
    packing = validated(Packing, given, "pack")
    pack(chosen.data, chosen.into, packing, chosen.split, chosen.processes)
