"""The commands scenes, fetch, look, prepare and pack: they take archives, or a folder of your own
images, to datasets in the common layout."""

import argparse
from pathlib import Path

from neco.cli.arguments import (
    DATA,
    MIRROR,
    SKIP,
    Commands,
    add_config,
    add_into,
    count,
    file_or_folder,
    into_of,
    project_of,
    whole,
)
from neco.errors import UserError, command


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    scenes = commands.add_parser("scenes", help="generate scenes, written as the official archives")
    add_config(scenes)
    add_into(scenes, "folder for the archives")
    scenes.add_argument(
        "--processes", type=count, help="processes that draw scenes (default: one for each core)"
    )
    scenes.set_defaults(step=_scenes, writes=into_of)

    fetch = commands.add_parser("fetch", help="download an archive and check it")
    fetch.add_argument("archive", help="name of the file, as VOCtrainval_11-May-2012.tar")
    add_into(fetch, "folder for the archive")
    add_config(fetch)
    fetch.add_argument("--mirror", action="append", help=MIRROR)
    fetch.set_defaults(step=_fetch, writes=lambda chosen: chosen.into / chosen.archive)

    look = commands.add_parser("look", help="print what a folder of your own images holds")
    look.add_argument("folder", type=file_or_folder, help="folder of your images")
    look.add_argument(
        "--print",
        dest="only_print",
        action="store_true",
        help="print the dataset.yaml instead of writing it into the folder",
    )
    look.add_argument(
        "--processes", type=count, help="processes that read masks (default: one for each core)"
    )
    look.set_defaults(step=_look)

    prepare = commands.add_parser(
        "prepare", help="make a dataset of archives or of your own folder"
    )
    prepare.add_argument(
        "dataset",
        help="pascal-voc, coco, coco-things, coco-stuff, ade20k, ..., or your own folder",
    )
    prepare.add_argument(
        "--archives",
        type=file_or_folder,
        help="folder of the archives (not with a folder of your own)",
    )
    add_into(prepare, "folder of the dataset")
    prepare.add_argument(
        "--processes", type=count, help="processes that convert masks (default: one for each core)"
    )
    prepare.add_argument("--skip", type=whole, help=SKIP)
    prepare.add_argument(
        "--without-labels",
        action="store_true",
        help="do not read the masks: the images are for training only",
    )
    prepare.set_defaults(step=_prepare, writes=into_of)

    pack = commands.add_parser("pack", help="store a prepared dataset in a few large files")
    pack.add_argument("--data", type=file_or_folder, required=True, help=DATA)
    add_into(pack, "folder of the packed dataset")
    pack.add_argument("--split", action="append", help="pack only this split; may be given again")
    pack.add_argument(
        "--shorter-side", type=int, help="pixels to shrink larger images to (default: keep them)"
    )
    pack.add_argument("--shard-mb", type=float, help="largest shard in MB (default: 256)")
    pack.add_argument("--quality", type=int, help="JPEG quality of shrunk images (default: 95)")
    pack.add_argument(
        "--processes", type=count, help="threads that shrink images (default: one for each core)"
    )
    pack.set_defaults(step=_pack, writes=into_of)


def _scenes(chosen: argparse.Namespace) -> None:
    from neco.data.scenes.archives import write_archives
    from neco.data.sources import needed_for

    project = project_of(chosen)
    if project.scenes is None:
        raise UserError(
            "the configuration has no `scenes`; add `scenes: {}` to it, or fetch the real archives"
        )
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
            f"written: {path}; edit it, then "
            f"{command('prepare', chosen.folder, '--into', 'FOLDER')}"
        )


def _prepare(chosen: argparse.Namespace) -> None:
    from neco.data.prepare import prepare, prepare_folder
    from neco.data.sources import dataset_names

    if chosen.archives is None:
        if chosen.dataset in dataset_names():
            raise UserError(
                f"{chosen.dataset}: its archives are not named; give their folder as `--archives`"
            )
        prepare_folder(
            Path(chosen.dataset),
            chosen.into,
            workers=chosen.processes,
            skip=chosen.skip,
            labels=not chosen.without_labels,
        )
        return
    if chosen.without_labels:
        raise UserError(
            "--without-labels: works with a folder of your own only; leave it or `--archives` out"
        )
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
