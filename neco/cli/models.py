"""weights, pretrain, train, extract: from published weights to trained features."""

import argparse
from pathlib import Path

from neco.cli.arguments import Commands, add_block, add_config, block_of, project_of
from neco.errors import UserError

BACKBONE = "a name of docs/backbones.md, timm's name, hf-hub:OWNER/NAME, local-dir:FOLDER"
WEIGHTS = "its weights: any checkpoint of the architecture (default: as shipped or fetched)"


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    weights = commands.add_parser("weights", help="fetch and convert a backbone's weights")
    weights.add_argument("backbone", help=BACKBONE)
    weights.add_argument("--into", type=Path, required=True, help="the .safetensors to write")
    weights.add_argument("--downloads", type=Path, default=Path("data/downloads"))
    add_config(weights)
    weights.add_argument("--mirror", action="append", help="as for `fetch`")
    weights.set_defaults(step=_weights)

    pretrain = commands.add_parser(
        "pretrain", help="make the demo backbone anew, image labels only"
    )
    pretrain.add_argument("--into", type=Path, required=True, help="the .safetensors to write")
    pretrain.add_argument("--threads", type=int)
    pretrain.set_defaults(step=_pretrain)

    train = commands.add_parser("train", help="post-train a backbone with NeCo")
    add_config(train)
    train.add_argument("--run", help="a run of the configuration; default: its `train` alone")
    train.add_argument("--backbone", help=f"start (default: the run's); {BACKBONE}")
    train.add_argument("--weights", type=Path, help=WEIGHTS)
    train.add_argument("--data", type=Path, required=True, help="a prepared dataset")
    train.add_argument("--seed", type=int, help="training seed")
    train.add_argument("--threads", type=int, help="arithmetic threads of each process")
    train.add_argument("--devices", type=int, default=1, help="processes of a node, one a device")
    train.add_argument("--nodes", type=int, default=1, help="nodes with as many processes each")
    train.add_argument("--into", type=Path, required=True, help="folder for the run")
    train.set_defaults(step=_train)

    extract = commands.add_parser("extract", help="extract frozen features of one split")
    add_config(extract)
    extract.add_argument("--model", required=True, help="name that results will carry")
    extract.add_argument("--backbone", required=True, help=BACKBONE)
    extract.add_argument("--weights", type=Path, help=WEIGHTS)
    add_block(extract)
    extract.add_argument("--data", type=Path, required=True, help="a prepared dataset")
    extract.add_argument("--split", required=True)
    extract.add_argument("--image-size", type=int, required=True, help="input side in pixels")
    extract.add_argument("--threads", type=int)
    extract.add_argument("--into", type=Path, required=True, help="folder for the features")
    extract.set_defaults(step=_extract)


def _weights(chosen: argparse.Namespace) -> None:
    from neco.backbones.fetch import fetch_and_convert

    mirrors = chosen.mirror or project_of(chosen).all_mirrors()
    print(fetch_and_convert(chosen.backbone, chosen.into, mirrors, chosen.downloads))


def _pretrain(chosen: argparse.Namespace) -> None:
    import torch

    from neco.backbones.pretrain import write_demo_backbone
    from neco.config.pretraining import Pretraining

    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    print(write_demo_backbone(chosen.into, Pretraining()))


def _train(chosen: argparse.Namespace) -> None:
    import torch

    from neco.backbones.load import load_backbone
    from neco.config.base import merged, nearest, validated
    from neco.config.training import PRESETS, Train
    from neco.data.dataset import read_dataset
    from neco.training import train
    from neco.training.launch import launch, refuse_unequal_shares

    project = project_of(chosen)
    if chosen.run is not None:
        if chosen.run not in project.runs:
            raise UserError(f"--run {chosen.run}: no such run{nearest(chosen.run, project.runs)}")
        settings = project.training(chosen.run, chosen.seed)
        backbone_name = chosen.backbone or project.runs[chosen.run].backbone
    else:
        preset = PRESETS[project.train.get("preset", "paper")]
        values = merged(preset, project.train)
        values = values if chosen.seed is None else merged(values, {"seed": chosen.seed})
        settings = validated(Train, values, "train")
        if chosen.backbone is None:
            raise UserError("say what to start from: --backbone NAME, or --config with --run")
        backbone_name = chosen.backbone
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    backbone = load_backbone(backbone_name, chosen.weights, drop_path=settings.drop_path)
    backbone.prepare_training(settings.crops.global_size, settings.crops.local_size)
    dataset = read_dataset(chosen.data, settings.split)
    refuse_unequal_shares(settings, chosen.devices * chosen.nodes)
    fabric = launch(chosen.devices, chosen.nodes, settings.precision)
    try:
        trained = train(backbone, dataset, settings, chosen.into, chosen.run or "NeCo", fabric)
    except UserError:
        if fabric.is_global_zero:
            raise
        raise SystemExit(1) from None  # the same in every process: one says it
    if fabric.is_global_zero:
        print(trained)


def _extract(chosen: argparse.Namespace) -> None:
    import torch

    from neco.backbones.load import image_normalisation, load_backbone, weights_digest
    from neco.data.dataset import read_dataset
    from neco.features import extract_features

    project = project_of(chosen)
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    backbone = load_backbone(chosen.backbone, chosen.weights, block=block_of(chosen, project))
    if torch.cuda.is_available():
        backbone = backbone.cuda()
    about = {"model": chosen.model, "backbone": chosen.backbone}
    if chosen.weights is not None:
        about["weights_digest"] = weights_digest(chosen.weights)
    dataset = read_dataset(chosen.data, chosen.split)
    extract_features(
        backbone, dataset, chosen.image_size, project.extraction, chosen.into, about,
        image_normalisation(chosen.backbone),
    )  # fmt: skip
    print(chosen.into)
