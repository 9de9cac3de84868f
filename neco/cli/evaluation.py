"""evaluate: a protocol on frozen features or on a whole backbone, one metrics file out."""

import argparse
from pathlib import Path
from typing import Any

from neco.cli import segmenter, unsupervised
from neco.cli.arguments import (
    Commands,
    add_block,
    add_config,
    add_into,
    add_threads,
    block_of,
    chosen_backbone,
    into_of,
    project_of,
    use_threads,
)
from neco.config import Project
from neco.config.evaluation import PROTOCOLS
from neco.errors import UserError


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    evaluate = commands.add_parser("evaluate", help="evaluate a backbone")
    evaluate.add_argument("protocol", choices=sorted(PROTOCOLS))
    add_config(evaluate)
    evaluate.add_argument("--model", help="whose settings among the project's evaluations to take")
    evaluate.add_argument("--data", type=Path, required=True, help="a prepared dataset")
    evaluate.add_argument("--train-split", default="train")
    evaluate.add_argument("--val-split", default="val")
    evaluate.add_argument("--train-features", type=Path, help="of the training split")
    evaluate.add_argument("--val-features", type=Path, help="of the held-out split")
    evaluate.add_argument("--backbone", help="for protocols that send images through it")
    evaluate.add_argument("--weights", type=Path, help="its weights (default: as shipped)")
    add_block(evaluate)
    add_threads(evaluate)
    add_into(evaluate, "metrics file to write (JSON)")
    segmenter.add_arguments(evaluate)
    unsupervised.add_arguments(evaluate)
    evaluate.set_defaults(step=_evaluate, writes=into_of)


def _evaluate(chosen: argparse.Namespace) -> None:
    if chosen.protocol == "segmenter":
        segmenter.fine_tune(chosen)
        return
    if chosen.protocol == "unsupervised":
        unsupervised.evaluate(chosen)
        return
    if chosen.val_features is None:
        raise UserError(f"{chosen.protocol} needs --val-features; extract them first")
    from neco.data.dataset import read_dataset
    from neco.evaluate.result import write_result
    from neco.features import read_features

    use_threads(chosen, searching=True)
    project = project_of(chosen)
    val_dataset = read_dataset(chosen.data, chosen.val_split)
    settings = project.settings_for(chosen.protocol, val_dataset.name, chosen.model)
    val = read_features(chosen.val_features)
    if chosen.protocol == "overcluster":
        from neco.evaluate import overcluster

        metrics = overcluster.evaluate(val, val_dataset, settings)
    else:
        train_dataset = read_dataset(chosen.data, chosen.train_split)
        train = read_features(chosen.train_features) if chosen.train_features else None
        if chosen.protocol == "in-context":
            from neco.evaluate import in_context

            metrics = in_context.evaluate(
                train, train_dataset, val, val_dataset, settings,
                extraction=project.extraction, **_backbone(chosen, project),
            )  # fmt: skip
        else:
            from neco.evaluate import linear

            metrics = linear.evaluate(
                train, train_dataset, val, val_dataset, settings,
                extraction=project.extraction, **_backbone(chosen, project),
            )  # fmt: skip
    write_result(chosen.into, metrics)
    print(f"{chosen.into}: {chosen.protocol} on {val_dataset.name}, mIoU {metrics['mIoU']:.2f}")


def _backbone(chosen: argparse.Namespace, project: Project) -> dict[str, Any]:
    """Return the backbone and its normalisation where one was named."""
    if chosen.backbone is None:
        return {}
    from neco.backbones.load import image_normalisation

    return {
        "backbone": chosen_backbone(chosen, block_of(chosen, project)),
        "normalisation": image_normalisation(chosen.backbone),
    }
