"""evaluate segmenter: fine-tune with one learning rate; best-rate: choose among all of them."""

import argparse
from pathlib import Path

from neco.cli.arguments import Commands, add_config, add_into, project_of, use_threads
from neco.errors import UserError


def add_commands(commands: Commands) -> None:
    """Add this module's command; `evaluate segmenter` is `neco.cli.evaluation`'s."""
    best = commands.add_parser("best-rate", help="choose the best learning rate of segmenter")
    best.add_argument("parts", type=Path, nargs="+", help="what `evaluate segmenter` wrote")
    add_config(best)
    add_into(best, "metrics file to write (JSON)")
    best.set_defaults(step=_best_rate)


def add_arguments(evaluate: argparse.ArgumentParser) -> None:
    """Add what `evaluate segmenter` needs beyond other protocols."""
    group = evaluate.add_argument_group("segmenter")
    group.add_argument("--learning-rate", type=float)
    group.add_argument("--seed", type=int, default=0)
    group.add_argument("--checkpoints", type=Path, help="folder to continue from when stopped")


def fine_tune(chosen: argparse.Namespace) -> None:
    """Run `evaluate segmenter` for one model, dataset, learning rate and seed."""
    from neco.backbones.load import image_normalisation, load_backbone, weights_digest
    from neco.data.dataset import read_dataset
    from neco.evaluate.result import write_result

    for name in ("backbone", "learning_rate"):
        if getattr(chosen, name) is None:
            raise UserError(f"segmenter needs --{name.replace('_', '-')}")
    from neco.evaluate.segmenter.evaluate import evaluate
    from neco.training.checkpoint import remove_checkpoint

    use_threads(chosen)
    project = project_of(chosen)
    train_dataset = read_dataset(chosen.data, chosen.train_split)
    val_dataset = read_dataset(chosen.data, chosen.val_split)
    settings = project.settings_for("segmenter", val_dataset.name, chosen.model)
    about = {"model": chosen.model or chosen.backbone, "backbone": chosen.backbone}
    if chosen.weights is not None:
        about["weights_digest"] = weights_digest(chosen.weights)
    folder = chosen.checkpoints or chosen.into.with_suffix("")
    metrics = evaluate(
        load_backbone(chosen.backbone, chosen.weights, drop_path=settings.drop_path),
        train_dataset, val_dataset, settings, chosen.learning_rate, chosen.seed, folder,
        about=about, workers=project.extraction.workers,
        normalisation=image_normalisation(chosen.backbone),
    )  # fmt: skip
    write_result(chosen.into, metrics)
    remove_checkpoint(folder / "checkpoint.ckpt")
    print(f"{chosen.into}: segmenter on {val_dataset.name}, mIoU {metrics['mIoU']:.2f}")


def _best_rate(chosen: argparse.Namespace) -> None:
    from neco.evaluate.result import read_result, write_result
    from neco.evaluate.segmenter.choice import best_learning_rate

    parts = [read_result(path) for path in chosen.parts]
    settings = project_of(chosen).settings_for("segmenter", parts[0].dataset, parts[0].model)
    metrics = best_learning_rate(parts, settings)
    write_result(chosen.into, metrics)
    rate = metrics.results[0].details["learning_rate"]
    print(f"{chosen.into}: mIoU {metrics.mIoU:.2f} at learning rate {rate:g}")
