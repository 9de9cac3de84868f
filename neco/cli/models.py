"""The commands weights, pretrain, train, extract and attend: they take published weights and a
prepared dataset to trained weights, features and attention, which evaluations read."""

import argparse
from typing import get_args

from neco.cli.arguments import (
    BACKBONE,
    DATA,
    WEIGHTS,
    WEIGHTS_MIRROR,
    Commands,
    add_block,
    add_config,
    add_downloads,
    add_into,
    add_threads,
    backbone_of,
    block_of,
    count,
    file_or_folder,
    into_of,
    project_of,
    refuse_file,
    use_threads,
)
from neco.errors import UserError
from neco.gpus import use_gpus
from neco.normalisation import Colours, normalisation_of


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    weights = commands.add_parser("weights", help="download and convert a backbone's weights")
    weights.add_argument("backbone", help=BACKBONE)
    add_into(weights, ".safetensors file to write")
    add_downloads(weights)
    add_config(weights)
    weights.add_argument(
        "--mirror",
        action="append",
        help=f"{WEIGHTS_MIRROR} (default: the configuration's mirrors)",
    )
    weights.set_defaults(step=_weights, writes=into_of)

    pretrain = commands.add_parser(
        "pretrain", help="make the demo's backbone again, from labels of whole images"
    )
    add_into(pretrain, ".safetensors file to write")
    add_threads(pretrain)
    pretrain.set_defaults(step=_pretrain, writes=into_of)

    train = commands.add_parser(
        "train",
        help="post-train a backbone with NeCo",
        description="Post-train a backbone with NeCo on a prepared dataset (docs/recipe.md, "
        "docs/training.md). The same command continues a training that was stopped.",
    )
    add_config(train)
    train.add_argument(
        "--run", help="run of the configuration (default: `train` of the configuration alone)"
    )
    train.add_argument(
        "--backbone", help=f"backbone to start from (default: the run's): {BACKBONE}"
    )
    train.add_argument("--weights", type=file_or_folder, help=WEIGHTS)
    train.add_argument("--data", type=file_or_folder, required=True, help=DATA)
    train.add_argument("--seed", type=int, help="seed of the training (default: train.seed)")
    add_threads(train, "threads that each process computes with")
    train.add_argument(
        "--devices",
        type=count,
        default=1,
        help="processes on each node, one for each device (default: 1)",
    )
    train.add_argument("--nodes", type=count, default=1, help="nodes to train on (default: 1)")
    train.add_argument(
        "--strict", action="store_true", help="stop when the training collapses (train.watch)"
    )
    add_into(train, "folder for the trained weights, metrics and checkpoints")
    train.set_defaults(step=_train)

    extract = commands.add_parser("extract", help="write a backbone's features of one split")
    extract.add_argument("--model", required=True, help="name of the model in results")
    extract.add_argument(
        "--colours",
        choices=get_args(Colours),
        default="backbone",
        help="mean and deviation that images are normalised with",
    )
    add_block(extract)
    attend = commands.add_parser("attend", help="write the class token's attention of one split")
    for command, step, into in (
        (extract, _extract, "folder for the features"),
        (attend, _attend, "file to write (.npz)"),
    ):
        add_config(command)
        command.add_argument("--backbone", required=True, help=BACKBONE)
        command.add_argument("--weights", type=file_or_folder, help=WEIGHTS)
        command.add_argument("--data", type=file_or_folder, required=True, help=DATA)
        command.add_argument("--split", required=True, help="name of the split")
        command.add_argument(
            "--image-size",
            type=count,
            required=True,
            help="width and height in pixels that images are resized to",
        )
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
    refuse_file("--into", args.into)
    project = project_of(args)
    if args.devices * args.nodes == 1 or not project.resources.train_gpus:
        use_gpus(project.resources.train_gpus)  # before anything that is imported asks CUDA
    from neco.backbones.load import load_backbone
    from neco.config.base import merged, nearest, validated
    from neco.config.training import Train, with_preset
    from neco.data.dataset import read_dataset
    from neco.training import train
    from neco.training.about import about_start
    from neco.training.check import refuse_impossible
    from neco.training.launch import launch
    from neco.training.stopping import held_together

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
            raise UserError("nothing to start from; give --backbone NAME, or --config with --run")
        backbone_name = args.backbone
    if args.strict:
        settings = settings.model_copy(
            update={"watch": settings.watch.model_copy(update={"strict": True})}
        )
    use_threads(args)
    backbone = load_backbone(backbone_name, args.weights, drop_path=settings.drop_path)
    backbone.prepare_training(settings.crops.global_size, settings.crops.local_size)
    dataset = read_dataset(args.data, settings.split)
    refuse_impossible(backbone, len(dataset), settings, args.devices * args.nodes)
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
    project = project_of(args)
    use_gpus(project.resources.evaluate_gpus)
    from neco.backbones.load import image_normalisation, weights_digest
    from neco.data.dataset import read_dataset
    from neco.features import extract_features

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
    project = project_of(args)
    use_gpus(project.resources.evaluate_gpus)
    from neco.backbones.load import image_normalisation
    from neco.data.dataset import read_dataset
    from neco.evaluate.unsupervised.attention import write_attention

    use_threads(args)
    attention = write_attention(
        backbone_of(args), read_dataset(args.data, args.split), args.image_size,
        project.extraction, args.into, image_normalisation(args.backbone),
    )  # fmt: skip
    print(attention)
