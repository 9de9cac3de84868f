"""attend, and the unsupervised protocol: what it needs beyond features is attention."""

import argparse
from pathlib import Path

from neco.cli.arguments import (
    Commands,
    add_config,
    add_into,
    add_threads,
    chosen_backbone,
    count,
    into_of,
    project_of,
    use_threads,
)
from neco.errors import UserError


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    attend = commands.add_parser("attend", help="store the class token's attention of a split")
    add_config(attend)
    attend.add_argument("--backbone", required=True)
    attend.add_argument("--weights", type=Path, help="its weights (default: as shipped)")
    attend.add_argument("--data", type=Path, required=True, help="a prepared dataset")
    attend.add_argument("--split", default="train")
    attend.add_argument("--image-size", type=count, required=True, help="side in pixels")
    add_threads(attend)
    add_into(attend, "file to write (.npz)")
    attend.set_defaults(step=_attend, writes=into_of)


def add_arguments(evaluate: argparse.ArgumentParser) -> None:
    """Add what only the protocol `unsupervised` reads."""
    evaluate.add_argument("--train-attention", type=Path, help="of the training split (attend)")
    evaluate.add_argument("--val-attention", type=Path, help="of the held-out split (attend)")
    evaluate.add_argument("--maps", type=Path, help="also keep the predicted classes (.npz)")


def _attend(chosen: argparse.Namespace) -> None:
    from neco.backbones.load import image_normalisation
    from neco.data.dataset import read_dataset
    from neco.evaluate.unsupervised.attention import write_attention

    use_threads(chosen)
    print(
        write_attention(
            chosen_backbone(chosen),
            read_dataset(chosen.data, chosen.split),
            chosen.image_size,
            project_of(chosen).extraction,
            chosen.into,
            image_normalisation(chosen.backbone),
        )
    )


def evaluate(chosen: argparse.Namespace) -> None:
    """Run the protocol from features and attention of both splits; write its metrics."""
    from neco.data.dataset import read_dataset
    from neco.evaluate.result import write_result
    from neco.evaluate.unsupervised import evaluate as protocol
    from neco.evaluate.unsupervised.attention import read_attention
    from neco.features import read_features

    needed = ("train_features", "val_features", "train_attention", "val_attention")
    missing = [f"--{name.replace('_', '-')}" for name in needed if getattr(chosen, name) is None]
    if missing:
        raise UserError(f"unsupervised needs {', '.join(missing)}; make them with extract, attend")
    use_threads(chosen, searching=True)
    val_dataset = read_dataset(chosen.data, chosen.val_split)
    train_dataset = read_dataset(chosen.data, chosen.train_split)
    settings = project_of(chosen).settings_for("unsupervised", val_dataset.name, chosen.model)
    train, val = read_features(chosen.train_features), read_features(chosen.val_features)
    attention = (read_attention(chosen.train_attention, train),
                 read_attention(chosen.val_attention, val))  # fmt: skip
    metrics = protocol.evaluate(
        train, train_dataset, val, val_dataset, attention, settings, chosen.maps
    )
    write_result(chosen.into, metrics)
    print(f"{chosen.into}: unsupervised on {val_dataset.name}, mIoU {metrics['mIoU']:.2f}")
