"""fit and export: one's own images to a model, and the model to other people's programs."""

import argparse
import re
from typing import TYPE_CHECKING

from neco.cli.arguments import (
    BACKBONE,
    SKIP,
    WEIGHTS_MIRROR,
    Commands,
    add_downloads,
    add_into,
    add_threads,
    count,
    file_or_folder,
    into_of,
    place,
    refuse_file,
    settings_of,
    use_threads,
    whole,
)
from neco.errors import UserError

if TYPE_CHECKING:
    from neco.fit.order import Order

FIT_WEIGHTS = (
    "weights file of the backbone, any checkpoint of its architecture (default: they are fetched)"
)


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    fit = commands.add_parser(
        "fit",
        help="train a backbone on your own images, and export it",
        description="Prepare your images, choose settings, say how long the training takes, train "
        "a backbone, and export it (docs/your-images.md). The same command continues where it was "
        "stopped.",
    )
    fit.add_argument("--images", type=file_or_folder, required=True, help="folder of images")
    fit.add_argument("--backbone", required=True, help=f"backbone to start from: {BACKBONE}")
    fit.add_argument(
        "--out", type=place, required=True, help="folder to write; the model will be OUT/model"
    )
    fit.add_argument("--weights", type=file_or_folder, help=FIT_WEIGHTS)
    length = fit.add_mutually_exclusive_group()
    length.add_argument("--steps", type=count, help="number of steps of the training")
    length.add_argument(
        "--time",
        type=seconds,
        help="time for the whole command, as in 10m; the number of steps is chosen for it",
    )
    fit.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a setting that `fit` would choose, as in train.batch_size=8, or change a rule by "
        "which it chooses, as in fit.epochs=5; may be given again",
    )
    fit.add_argument(
        "--dry-run",
        action="store_true",
        help="show the settings and how long the training takes; write and fetch nothing",
    )
    fit.add_argument("--skip", type=whole, help=SKIP)
    fit.add_argument("--mirror", action="append", help=f"{WEIGHTS_MIRROR} (default: official)")
    add_downloads(fit)
    add_threads(fit)
    fit.set_defaults(step=_fit, writes=lambda chosen: None if chosen.dry_run else chosen.out)

    export = commands.add_parser(
        "export", help="write a run as a folder for timm and Hugging Face, or as ONNX"
    )
    export.add_argument(
        "source",
        type=file_or_folder,
        help="what `neco fit` or `neco train` wrote, or a weights file",
    )
    add_into(export, "folder to write")
    export.add_argument(
        "--backbone", help="name of the backbone, for a file or a run that does not say it"
    )
    export.add_argument(
        "--onnx", action="store_true", help="add model.onnx, for images of any number and size"
    )
    export.set_defaults(step=_export, writes=into_of)


def _export(args: argparse.Namespace) -> None:
    from neco.export.export import export
    from neco.export.source import source_of

    print(export(source_of(args.source, args.backbone), args.into, args.onnx))


def _fit(args: argparse.Namespace) -> None:
    from neco.errors import StoppedError
    from neco.processes import number_of

    try:
        from neco.fit.fit import fit
        from neco.fit.settle import estimate
        from neco.fit.show import show

        use_threads(args)
        refuse_file("--out", args.out)
        order = _order(args)
        if args.dry_run:
            show(estimate(order))
        else:
            print(fit(order))
    except KeyboardInterrupt as ended:
        told = "interrupted; the same command continues"
        raise StoppedError(told, number_of(ended)) from None


def _order(args: argparse.Namespace) -> "Order":
    from neco.config.base import validated
    from neco.config.fit import Fit
    from neco.fit.order import Asked, Order

    given = settings_of(args)
    rules = validated(Fit, given.pop("fit", {}), "fit")
    train = given.pop("train", {})
    if not isinstance(train, dict):
        raise UserError(f"--set train={train}: write train.KEY=VALUE, as in train.batch_size=8")
    if given:
        raise UserError(f"--set {next(iter(given))}: fit takes train.KEY=VALUE and fit.KEY=VALUE")
    asked = Asked(args.steps, args.time, train or None)
    mirrors = tuple(args.mirror or ("official",))
    return Order(args.images, args.backbone, args.out, args.weights, asked, rules, args.skip,
                 mirrors, args.downloads)  # fmt: skip


def seconds(text: str) -> float:
    """Return the seconds of `90s`, `10m`, `2h` or `1h30m`, for argparse."""
    found = re.fullmatch(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", text)
    parts = [float(part or 0) for part in found.groups()] if found else [0.0]
    if len(parts) < 3 or not sum(parts):
        raise argparse.ArgumentTypeError(f"{text}: write a time as in 90s, 10m, 2h or 1h30m")
    return 3600 * parts[0] + 60 * parts[1] + parts[2]
