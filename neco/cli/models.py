"""weights, pretrain, train, extract, attend: from published weights to what evaluations read."""

import argparse
from pathlib import Path
from typing import get_args

from neco.cli.arguments import (
    Commands,
    add_block,
    add_config,
    add_into,
    add_threads,
    backbone_of,
    block_of,
    count,
    into_of,
    project_of,
    use_threads,
)
from neco.errors import UserError
from neco.normalisation import Colours, normalisation_of

BACKBONE = "a name of docs/backbones.md, timm's name, hf-hub:OWNER/NAME, local-dir:FOLDER"
WEIGHTS = "its weights: any checkpoint of the architecture (default: as shipped or fetched)"


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    weights = commands.add_parser("weights", help="fetch and convert a backbone's weights")
    weights.add_argument("backbone", help=BACKBONE)
    add_into(weights, "the .safetensors to write")
    weights.add_argument("--downloads", type=Path, default=Path("data/downloads"))
    add_config(weights)
    weights.add_argument("--mirror", action="append", help="as for `fetch`")
    weights.set_defaults(step=_weights, writes=into_of)

    pretrain = commands.add_parser(
        "pretrain", help="make the demo backbone anew, image labels only"
    )
    add_into(pretrain, "the .safetensors to write")
    add_threads(pretrain)
    pretrain.set_defaults(step=_pretrain, writes=into_of)

    train = commands.add_parser("train", help="post-train a backbone with NeCo")
    add_config(train)
    train.add_argument("--run", help="a run of the configuration; default: its `train` alone")
    train.add_argument("--backbone", help=f"start (default: the run's); {BACKBONE}")
    train.add_argument("--weights", type=Path, help=WEIGHTS)
    train.add_argument("--data", type=Path, required=True, help="a prepared dataset")
    train.add_argument("--seed", type=int, help="training seed")
    add_threads(train, "arithmetic threads of each process")
    train.add_argument("--devices", type=count, default=1, help="processes of a node, one a device")
    train.add_argument("--nodes", type=count, default=1, help="nodes with as many processes each")
    train.add_argument(
        "--strict", action="store_true", help="stop where a training collapses (train.watch)"
    )
    add_into(train, "folder for the run")
    train.set_defaults(step=_train)

    extract = commands.add_parser("extract", help="extract frozen features of one split")
    extract.add_argument("--model", required=True, help="name that results will carry")
    extract.add_argument(
        "--colours",
        choices=get_args(Colours),
        default="backbone",
        help="mean and deviation that images are normalised with",
    )
    add_block(extract)
    attend = commands.add_parser("attend", help="store the class token's attention of a split")
    for command, step, into in (
        (extract, _extract, "folder for the features"),
        (attend, _attend, "file to write (.npz)"),
    ):
        add_config(command)
        command.add_argument("--backbone", required=True, help=BACKBONE)
        command.add_argument("--weights", type=Path, help=WEIGHTS)
        command.add_argument("--data", type=Path, required=True, help="a prepared dataset")
        command.add_argument("--split", required=True)
        command.add_argument("--image-size", type=count, required=True, help="side in pixels")
        add_threads(command)
        add_into(command, into)
        command.set_defaults(step=step, writes=into_of)


def _weights(args: argparse.Namespace) -> None:
    from neco.backbones.fetch import fetch_and_convert

    mirrors = args.mirror or project_of(args).all_mirrors()
    print(fetch_and_convert(args.backbone, args.into, mirrors, args.downloads))


def _pretrain(args: argparse.Namespace) -> None:
    from neco.backbones.pretrain import write_demo_backbone
    from neco.config.pretraining import Pretraining

    use_threads(args)
    print(write_demo_backbone(args.into, Pretraining()))


def _train(args: argparse.Namespace) -> None:
    from neco.backbones.load import load_backbone
    from neco.config.base import merged, nearest, validated
    from neco.config.training import Train, with_preset
    from neco.data.dataset import read_dataset
    from neco.training import train
    from neco.training.about import about_start
    from neco.training.launch import launch, refuse_unequal_shares
    from neco.training.stopping import held_together

    project = project_of(args)
    if args.run is not None:
        if args.run not in project.runs:
            raise UserError(f"--run {args.run}: no such run{nearest(args.run, project.runs)}")
        settings = project.training(args.run, args.seed)
        backbone_name = args.backbone or project.runs[args.run].backbone
    else:
        values = with_preset(project.train, "train")
        values = values if args.seed is None else merged(values, {"seed": args.seed})
        settings = validated(Train, values, "train")
        if args.backbone is None:
            raise UserError("say what to start from: --backbone NAME, or --config with --run")
        backbone_name = args.backbone
    if args.strict:
        settings = settings.model_copy(
            update={"watch": settings.watch.model_copy(update={"strict": True})}
        )
    use_threads(args)
    backbone = load_backbone(backbone_name, args.weights, drop_path=settings.drop_path)
    backbone.prepare_training(settings.crops.global_size, settings.crops.local_size)
    dataset = read_dataset(args.data, settings.split)
    refuse_unequal_shares(settings, args.devices * args.nodes)
    fabric = launch(args.devices, args.nodes, settings.precision)
    try:
        with held_together(fabric, args.into, "neco train"):
            trained = train(
                backbone, dataset, settings, args.into, args.run or "NeCo", fabric,
                about_start(backbone_name, args.weights),
            )  # fmt: skip
    except UserError:
        if fabric.is_global_zero:
            raise
        raise SystemExit(1) from None  # the same in every process: one says it
    if fabric.is_global_zero:
        print(trained)


def _extract(args: argparse.Namespace) -> None:
    from neco.backbones.load import image_normalisation, weights_digest
    from neco.data.dataset import read_dataset
    from neco.features import extract_features

    project = project_of(args)
    use_threads(args)
    about = {"model": args.model, "backbone": args.backbone, "colours": args.colours}
    if args.weights is not None:
        about["weights_digest"] = weights_digest(args.weights)
    extract_features(
        backbone_of(args, block=block_of(args, project)),
        read_dataset(args.data, args.split), args.image_size,
        project.extraction, args.into, about,
        normalisation_of(args.colours, image_normalisation(args.backbone)),
    )  # fmt: skip
    print(args.into)


def _attend(args: argparse.Namespace) -> None:
    from neco.backbones.load import image_normalisation
    from neco.data.dataset import read_dataset
    from neco.evaluate.unsupervised.attention import write_attention

    project = project_of(args)
    use_threads(args)
    attention = write_attention(
        backbone_of(args), read_dataset(args.data, args.split), args.image_size,
        project.extraction, args.into, image_normalisation(args.backbone),
    )  # fmt: skip
    print(attention)
