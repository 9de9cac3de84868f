"""compare: backbones side by side on one's own images, as a table and as a page."""

import argparse
import re
from typing import Annotated, Any, get_args

from neco.cli.arguments import (
    SKIP,
    Commands,
    add_block,
    add_config,
    add_downloads,
    add_threads,
    file_or_folder,
    place,
    project_of,
    refuse_file,
    typed,
    whole,
)
from neco.config.compare import Compared
from neco.config.project import PROTOCOLS
from neco.errors import UserError
from neco.gpus import use_gpus

BACKBONE = (
    "a name of docs/backbones.md, a timm name, hf-hub:OWNER/NAME, local-dir:FOLDER, the folder of "
    "a training, a file of weights, or NAME=FILE; the first one is the baseline; may be repeated"
)


SIDE = Annotated[int, *PROTOCOLS["in-context"].model_fields["image_size"].metadata]
"""A side that features can be extracted at, as the settings have it."""


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    compare = commands.add_parser(
        "compare",
        help="compare backbones on your own images",
        description="Compare backbones on your own images by every protocol that fits, and write a "
        "table and a page (docs/compare.md).",
    )
    compare.add_argument(
        "--data",
        type=file_or_folder,
        action="append",
        required=True,
        help="a folder of images, with masks or without, or a prepared dataset; may be repeated",
    )
    compare.add_argument("--backbone", action="append", required=True, help=BACKBONE)
    compare.add_argument("--out", type=place, required=True, help="folder to write")
    compare.add_argument(
        "--protocols",
        help=f"which of {', '.join(get_args(Compared))}, with commas between (default: all that "
        "fit)",
    )
    compare.add_argument(
        "--quick",
        action="store_true",
        help="smaller and fewer images, for a laptop (docs/compare.md)",
    )
    compare.add_argument(
        "--image-size",
        type=typed(SIDE),
        help="side in pixels of features (default: 448, quick: 224)",
    )
    add_block(compare)
    compare.add_argument("--csv", type=place, help="file to write the table to as well")
    compare.add_argument("--train-split", help="training split (default: trainaug or train)")
    compare.add_argument("--val-split", help="held-out split (default: val, else the first)")
    compare.add_argument("--skip", type=whole, help=SKIP)
    add_downloads(compare)
    add_config(compare)
    add_threads(compare)
    compare.set_defaults(step=_compare, writes=lambda chosen: chosen.out)


def _below(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that a configuration and --set lie over."""
    from neco.config.base import merged, nearest
    from neco.config.compare import BELOW, QUICK, at_size

    below = merged(BELOW, QUICK) if args.quick else BELOW
    if args.image_size:
        below = merged(below, at_size(args.image_size))
    if args.protocols is not None:
        names = [name for name in re.split(r"[,\s]+", args.protocols) if name]
        unknown = [name for name in names if name not in get_args(Compared)]
        if unknown:
            near = nearest(unknown[0], get_args(Compared))
            raise UserError(f"--protocols: unknown protocol '{unknown[0]}'{near}")
        below = merged(below, {"compare": {"protocols": names}})
    return below if args.block is None else merged(below, {"extraction": {"block": args.block}})


def _compare(args: argparse.Namespace) -> None:
    project = project_of(args, _below(args))
    if not project.compare.protocols:
        raise UserError("--protocols: name at least one")
    use_gpus(project.resources.evaluate_gpus)
    from neco.cli.arguments import use_threads
    from neco.compare.candidates import candidates, refuse_unfit
    from neco.compare.folders import datasets
    from neco.compare.run import CSV, JSON, PAGE, compare, left_out_lines
    from neco.compare.table import text
    from neco.files import refuse_no_folder, refuse_no_place

    use_threads(args)
    if args.threads:
        import faiss

        faiss.omp_set_num_threads(args.threads)
    refuse_file("--out", args.out)
    for folder in args.data:  # before backbones are downloaded
        refuse_no_folder(folder, "your images", "--data")
    backbones = candidates(args.backbone)
    asked = {"train": args.train_split, "val": args.val_split}
    splits = {part: split for part, split in asked.items() if split}
    if args.csv is not None:
        refuse_no_place(args.csv, "--csv")
    refuse_unfit(
        backbones, project.extraction.block, args.out / "weights", project.all_mirrors(),
        args.downloads,
    )  # fmt: skip
    data = datasets(args.data, args.out / "data", project.compare, splits, args.skip)
    comparison = compare(data, backbones, project, args.out, args.downloads, args.quick)
    print(text(comparison.rows, project.compare.level))
    said = [f"{one.name}: {line}" for one in data for line in one.said]
    for line in [*said, *left_out_lines(comparison)]:
        print(line)
    if args.csv is not None:
        from neco.files import write_text

        write_text(args.csv, (args.out / CSV).read_text(encoding="utf-8"))
    print(f"\n{args.out / JSON}\n{args.out / CSV}\n{args.out / PAGE}")
