"""weights, pretrain, train, extract: from published weights to trained features."""

import argparse
from pathlib import Path
from typing import get_args

from neco.cli.arguments import (
    Commands,
    add_block,
    add_config,
    add_into,
    add_threads,
    block_of,
    chosen_backbone,
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
    add_config(extract)
    extract.add_argument("--model", required=True, help="name that results will carry")
    extract.add_argument("--backbone", required=True, help=BACKBONE)
    extract.add_argument("--weights", type=Path, help=WEIGHTS)
    add_block(extract)
    extract.add_argument("--data", type=Path, required=True, help="a prepared dataset")
    extract.add_argument("--split", required=True)
    extract.add_argument("--image-size", type=count, required=True, help="input side in pixels")
    extract.add_argument(
        "--colours",
        choices=get_args(Colours),
        default="backbone",
        help="mean and deviation that images are normalised with",
    )
    add_threads(extract)
    add_into(extract, "folder for the features")
    extract.set_defaults(step=_extract, writes=into_of)


def _weights(chosen: argparse.Namespace) -> None:
    from neco.backbones.fetch import fetch_and_convert

    mirrors = chosen.mirror or project_of(chosen).all_mirrors()
    print(fetch_and_convert(chosen.backbone, chosen.into, mirrors, chosen.downloads))


def _pretrain(chosen: argparse.Namespace) -> None:
    from neco.backbones.pretrain import write_demo_backbone
    from neco.config.pretraining import Pretraining

    use_threads(chosen)
    print(write_demo_backbone(chosen.into, Pretraining()))


def _train(chosen: argparse.Namespace) -> None:
    from neco.backbones.load import load_backbone
    from neco.config.base import merged, nearest, validated
    from neco.config.training import Train, with_preset
    from neco.data.dataset import read_dataset
    from neco.training import train
    from neco.training.launch import launch, refuse_unequal_shares
    from neco.training.stopping import held_together

    project = project_of(chosen)
    if chosen.run is not None:
        if chosen.run not in project.runs:
            raise UserError(f"--run {chosen.run}: no such run{nearest(chosen.run, project.runs)}")
        settings = project.training(chosen.run, chosen.seed)
        backbone_name = chosen.backbone or project.runs[chosen.run].backbone
    else:
        values = with_preset(project.train, "train")
        values = values if chosen.seed is None else merged(values, {"seed": chosen.seed})
        settings = validated(Train, values, "train")
        if chosen.backbone is None:
            raise UserError("say what to start from: --backbone NAME, or --config with --run")
        backbone_name = chosen.backbone
    if chosen.strict:
        settings = settings.model_copy(
            update={"watch": settings.watch.model_copy(update={"strict": True})}
        )
    use_threads(chosen)
    backbone = load_backbone(backbone_name, chosen.weights, drop_path=settings.drop_path)
    backbone.refuse_untrainable(settings.crops.global_size, settings.crops.local_size)
    dataset = read_dataset(chosen.data, settings.split)
    refuse_unequal_shares(settings, chosen.devices * chosen.nodes)
    fabric = launch(chosen.devices, chosen.nodes, settings.precision)
    try:
        with held_together(fabric, chosen.into, "neco train"):
            trained = train(backbone, dataset, settings, chosen.into, chosen.run or "NeCo", fabric)
    except UserError:
        if fabric.is_global_zero:
            raise
        raise SystemExit(1) from None  # the same in every process: one says it
    if fabric.is_global_zero:
        print(trained)


def _extract(chosen: argparse.Namespace) -> None:
    from neco.backbones.load import image_normalisation, weights_digest
    from neco.data.dataset import read_dataset
    from neco.features import extract_features

    project = project_of(chosen)
    use_threads(chosen)
    backbone = chosen_backbone(chosen, block_of(chosen, project))
    about = {"model": chosen.model, "backbone": chosen.backbone, "colours": chosen.colours}
    if chosen.weights is not None:
        about["weights_digest"] = weights_digest(chosen.weights)
    dataset = read_dataset(chosen.data, chosen.split)
    extract_features(
        backbone, dataset, chosen.image_size, project.extraction, chosen.into, about,
        normalisation_of(chosen.colours, image_normalisation(chosen.backbone)),
    )  # fmt: skip
    print(chosen.into)
