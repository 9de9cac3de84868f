"""The commands evaluate and best-rate. Features, attention or a backbone come in; each command
writes one metrics file."""

import argparse
from inspect import getdoc
from typing import Any

from neco.cli.arguments import (
    BACKBONE,
    DATA,
    WEIGHTS,
    Commands,
    add_block,
    add_config,
    add_into,
    add_threads,
    backbone_of,
    block_of,
    file_or_folder,
    into_of,
    project_of,
    typed,
    use_threads,
)
from neco.config.datasets import DatasetSplits
from neco.config.resources import Resources
from neco.errors import UserError
from neco.evaluate.protocol import PROTOCOLS, Inputs, ProtocolRecord
from neco.files import refuse_no_place
from neco.gpus import use_gpus

PARTS = {"train": "training", "val": "held-out"}
KINDS = {"features": "extract", "attention": "attend"}
"""What is read of a part, and the command that writes it."""


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    evaluate = commands.add_parser(
        "evaluate",
        help="evaluate a model with one protocol",
        description="Evaluate a model with one protocol, and write a metrics file "
        "(docs/evaluation.md).",
    )
    protocols = evaluate.add_subparsers(dest="protocol", required=True, metavar="PROTOCOL")
    for record in PROTOCOLS.values():
        command = protocols.add_parser(
            record.name, help=record.title, description=getdoc(record.settings)
        )
        _add_protocol(command, record)
    best = commands.add_parser(
        "best-rate", help="choose the best of several learning rates of segmenter"
    )
    best.add_argument(
        "parts",
        type=file_or_folder,
        nargs="+",
        help="metrics files that `evaluate segmenter` wrote",
    )
    add_config(best)
    add_into(best, "metrics file to write (JSON)")
    best.set_defaults(step=_best_rate)


def _add_protocol(command: argparse.ArgumentParser, record: ProtocolRecord) -> None:
    add_config(command)
    command.add_argument(
        "--model", help="model of the project, to take the settings of its evaluation"
    )
    command.add_argument("--data", type=file_or_folder, required=True, help=DATA)
    for part in record.reads("splits"):
        command.add_argument(
            f"--{part}-split", help=f"name of the {PARTS[part]} split (default: {part})"
        )
    for kind, writer in KINDS.items():
        for part in record.reads(kind):
            about = f"{kind} of the {PARTS[part]} split: what `neco {writer}` wrote"
            command.add_argument(f"--{part}-{kind}", type=file_or_folder, help=about)
    if record.reads("backbone"):
        command.add_argument(
            "--backbone",
            help=f"backbone, where the settings send images through it: {BACKBONE}",
        )
        command.add_argument("--weights", type=file_or_folder, help=WEIGHTS)
        add_block(command)
    for name, (kind, about, default, required) in record.options.items():
        flag = f"--{name.replace('_', '-')}"
        command.add_argument(flag, type=typed(kind), default=default, required=required, help=about)
    add_threads(command)
    add_into(command, "metrics file to write (JSON)")
    command.set_defaults(step=_evaluate, writes=into_of)


def _evaluate(args: argparse.Namespace) -> None:
    record, project = PROTOCOLS[args.protocol], project_of(args)
    use_gpus(_gpus(record, project.resources))  # before anything that is imported asks CUDA
    from neco.data.dataset import read_dataset
    from neco.evaluate.result import write_parts_beside, write_result

    asked = {part: getattr(args, f"{part}_split") for part in record.reads("splits")}
    splits = {part: split for part, split in asked.items() if split}
    val_dataset = read_dataset(args.data, splits.get("val", "val"))
    settings = project.settings_for(record.name, val_dataset.name, args.model)
    inputs = record.inputs(settings, DatasetSplits(**splits))
    options = _options(args, record)
    _refuse_missing(args, inputs)
    use_threads(args)
    if args.threads and record.kind != "fine_tune":  # whose environment has no faiss
        import faiss

        faiss.omp_set_num_threads(args.threads)
    datasets = {
        f"{part}_dataset": read_dataset(args.data, asked[part] or split)
        for part, split in inputs.splits.items()
    }
    given = _features(args, inputs) | options
    if inputs.backbone:
        from neco.backbones.load import image_normalisation

        given |= {
            "backbone": backbone_of(
                args, getattr(settings, "drop_path", 0.0), block_of(args, project)
            ),
            "normalisation": image_normalisation(args.backbone),
            "extraction": project.extraction,
        }
        if not inputs.features:
            given["about"] = _about(args)
    metrics = record.evaluate()(settings=settings, **datasets, **given)
    write_parts_beside(args.into, metrics)
    write_result(args.into, metrics)
    if "checkpoints" in options:
        from neco.run_files import CHECKPOINT
        from neco.training.checkpoint import remove_checkpoint

        remove_checkpoint(options["checkpoints"] / CHECKPOINT)
    told = f"{metrics.quantity} {metrics.mIoU:.2f}"
    print(f"{args.into}: {record.name} on {metrics.dataset}, {told}")


def _gpus(record: ProtocolRecord, resources: Resources) -> int:
    """Return how many GPUs the job of a protocol asks a scheduler for."""
    if not record.gpu:
        return 0
    return resources.train_gpus if record.kind == "fine_tune" else resources.evaluate_gpus


def _options(args: argparse.Namespace, record: ProtocolRecord) -> dict[str, Any]:
    """Return the record's own arguments that were given, and a folder for checkpoints if any."""
    found = {name: getattr(args, name) for name in record.options}
    if found.get("maps") is not None:
        refuse_no_place(found["maps"], "--maps")
    if "checkpoints" in found:
        found["checkpoints"] = found["checkpoints"] or args.into.with_suffix("")
    return {name: value for name, value in found.items() if value is not None}


def _refuse_missing(args: argparse.Namespace, inputs: Inputs) -> None:
    """Raise UserError that names every input that these settings need and that is not there."""
    needed = [(f"{part}_{kind}", kind) for kind in KINDS for part in getattr(inputs, kind)]
    needed += [("backbone", "")] * inputs.backbone
    missing = {name: kind for name, kind in needed if getattr(args, name) is None}
    if missing:
        writers = dict.fromkeys(KINDS[kind] for kind in missing.values() if kind)
        how = f"; make them with {' and '.join(writers)}" if writers else ""
        names = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
        raise UserError(f"{args.protocol} needs {names} with these settings{how}")


def _features(args: argparse.Namespace, inputs: Inputs) -> dict[str, Any]:
    """Return features by part and attention of both, where the protocol reads any.

    A part whose images go through the backbone instead has None.
    """
    if not inputs.features:
        return {}
    from neco.features import read_features

    read = {part: read_features(getattr(args, f"{part}_features")) for part in inputs.features}
    features = {part: read.get(part) for part in inputs.splits}
    if not inputs.attention:
        return features
    from neco.evaluate.unsupervised.attention import read_attention

    attention = tuple(
        read_attention(getattr(args, f"{part}_attention"), read[part]) for part in inputs.attention
    )
    return {**features, "attention": attention}


def _about(args: argparse.Namespace) -> dict[str, Any]:
    """Return what is known of the model where no features say it."""
    from neco.backbones.load import weights_digest

    about = {"model": args.model or args.backbone, "backbone": args.backbone}
    if args.weights is not None:
        about["weights_digest"] = weights_digest(args.weights)
    return about


def _best_rate(args: argparse.Namespace) -> None:
    from neco.evaluate.result import read_result, with_parts, write_parts_beside, write_result
    from neco.evaluate.segmenter.choice import best_learning_rate

    parts = [with_parts(path, read_result(path)) for path in args.parts]
    settings = project_of(args).settings_for("segmenter", parts[0].dataset, parts[0].model)
    metrics = best_learning_rate(parts, settings)
    write_parts_beside(args.into, metrics)
    write_result(args.into, metrics)
    rate = metrics.results[0].details["learning_rate"]
    print(f"{args.into}: mIoU {metrics.mIoU:.2f} at learning rate {rate:g}")
