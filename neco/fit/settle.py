"""The settings of the training and the estimate of its time, from the pace of real steps."""

import gc
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch

from neco.backbones.backbone import NOT_TRAINED, Backbone
from neco.backbones.load import as_backbone, build_network, load_backbone, weights_digest
from neco.backbones.registry import backbone_spec
from neco.config.fit import Fit
from neco.config.training import Train
from neco.data.dataset import Dataset, Item
from neco.data.folder.build import user_folder
from neco.data.folder.match import plan_of
from neco.data.folder.plan import Plan
from neco.data.folder.walk import Listing
from neco.errors import UserError
from neco.files import refuse_no_folder
from neco.fit.choose import described, first_settings, step_bytes, steps_of, with_length
from neco.fit.machine import Machine, this_machine
from neco.fit.measure import Pace, measure_pace
from neco.fit.order import Order
from neco.fit.stages import Stages
from neco.plan.arithmetic import Shape, shape_of
from neco.progress import ProgressLine
from neco.training.check import refuse_impossible

TRIAL = ".trial"
FAR = 4.0
"""How many times the free memory a step may seem to need: the estimate is a rough one."""
FINISH = 20.0
"""Seconds of `--time` that are kept for writing the model."""


class Settled(NamedTuple):
    """A training before its start."""

    settings: Train
    rows: list[tuple[str, str, str]]
    """Setting, value and reason, to be shown."""
    pace: Pace


def look(order: Order) -> tuple[Path, Listing, Plan]:
    """Return the images' folder, its files and which of them belong to which split.

    Raises UserError for a folder that is not there or holds no image.
    """
    refuse_no_folder(order.images, "your images", "--images")
    root = user_folder(order.images)
    if order.into.resolve().is_relative_to(root):
        raise UserError(
            f"--out {order.into}: lies inside of {order.images}; name a place beside it"
        )
    return root, *plan_of(root)


def refuse(order: Order, plan: Plan) -> None:
    """Raise UserError for what a later stage would refuse: settings, backbone, weights.

    Nothing is written or downloaded but the description of a model on the hub.
    """
    split = training_split(list(plan.splits))
    images, asked, rules = len(plan.splits[split]), order.asked, order.rules
    shape, machine = trainable(order.backbone), this_machine()
    settings = first_settings(images, plan.root.name, split, machine, shape, asked, rules)
    given = asked.steps or settings.steps
    _refuse_too_large(settings, machine, shape, rules)
    for steps in {given} if given else {1, rules.most_steps}:  # either preset
        with_length(settings, int(steps), asked, rules)
    if order.weights is not None:
        backbone = load_backbone(order.backbone, order.weights)
    else:
        with torch.device("meta"):
            backbone = as_backbone(
                build_network(backbone_spec(order.backbone)), name=order.backbone
            )
    prepare_backbone(backbone, settings)
    refuse_impossible(backbone, images, settings)


def _refuse_too_large(settings: Train, machine: Machine, shape: Shape, rules: Fit) -> None:
    """Raise UserError where a step would take far more memory than there is.

    The system would kill the process without a word.
    """
    needed = step_bytes(settings, machine, shape, rules) / settings.accumulate
    if needed > FAR * machine.memory:
        raise UserError(
            f"train: a step with crops of {settings.crops.global_size} and "
            f"{settings.crops.local_size} pixels needs about {needed / 1e9:,.0f} GB and "
            f"{machine.memory / 1e9:,.1f} GB are free; lower train.crops or train.batch_size"
        )


def estimate(order: Order) -> Settled:
    """Return what `fit` would train, without writing anything that stays.

    A network with random weights takes the steps that are timed, on some of the images as they
    are: neither weights nor a prepared dataset is needed.
    """
    began = time.monotonic()
    root, _, plan = look(order)
    refuse(order, plan)
    split = training_split(list(plan.splits))
    paths = plan.splits[split]
    shape = trainable(order.backbone)
    machine = this_machine()
    settings = first_settings(
        len(paths), root.name, split, machine, shape, order.asked, order.rules
    )
    few = paths[: max(order.rules.trial_images, settings.batch_size)]
    items = [Item(path, root / path, None, split) for path in few]
    network = build_network(backbone_spec(order.backbone), settings.drop_path)
    backbone = as_backbone(network, name=order.backbone)
    prepare_backbone(backbone, settings)
    dataset = Dataset(root.name, root, split, [], items)
    with (
        TemporaryDirectory() as scratch,
        ProgressLine(1.0, left=False) as line,
        line.step("measure", 0.0, 1.0),
    ):
        pace, settings = _paced(backbone, dataset, settings, order, Path(scratch) / TRIAL)
    return _settled(order, settings, len(paths), pace, machine, began)


def trainable(backbone: str) -> Shape:
    """Return the shape of a backbone that can be trained.

    Nothing is downloaded but the description of a model on the hub. Raises UserError for an
    unknown name and for a network that is no sequence of blocks.
    """
    shape = shape_of(backbone)
    if shape is None:
        raise UserError(f"{backbone} {NOT_TRAINED}")
    return shape


def training_split(splits: list[str]) -> str:
    """Return the split to train on: `train`, else the first."""
    return "train" if "train" in splits else splits[0]


def settle(
    order: Order, dataset: Dataset, start: Path, machine: Machine, stages: Stages, began: float
) -> Settled:
    """Return the training, as it is chosen now or was when the same command began it."""
    asked = order.asked
    inputs: dict[str, Any] = {
        "images": dataset.digest(masks=False),
        "split": dataset.split,
        "backbone": order.backbone,
        "weights": weights_digest(start),
        "asked": {"steps": asked.steps, "seconds": asked.seconds, "train": asked.train},
        "rules": order.rules.model_dump(mode="json"),
        # Other threads are the same machine: a training goes on with the steps that it began with.
        "device": [machine.kind, machine.name.rpartition(" (")[0] or machine.name],
    }
    known = stages.found("measure", inputs, [])
    if known is not None:
        settings = Train.model_validate(known["settings"])
        return Settled(settings, known["rows"], Pace(**known["pace"]))
    shape = trainable(order.backbone)
    settings = first_settings(
        len(dataset), dataset.name, dataset.split, machine, shape, asked, order.rules
    )
    backbone = load_backbone(order.backbone, start, drop_path=settings.drop_path)
    prepare_backbone(backbone, settings)
    pace, settings = _paced(backbone, dataset, settings, order, order.into / TRIAL)
    settled = _settled(order, settings, len(dataset), pace, machine, began)
    found = {"settings": settled.settings.model_dump(mode="json"), "rows": settled.rows}
    stages.done("measure", inputs, {**found, "pace": vars(pace)})
    return settled


def _paced(
    backbone: Backbone, dataset: Dataset, settings: Train, order: Order, scratch: Path
) -> tuple[Pace, Train]:
    """Return the pace, and the settings with a batch in more parts where memory did not suffice."""
    while True:
        try:
            steps = order.rules.trial_steps
            return measure_pace(backbone, dataset, settings, steps, scratch), settings
        except torch.OutOfMemoryError:
            size, parts = settings.batch_size, settings.accumulate
            more = next((n for n in range(2 * parts, size + 1) if size % n == 0), None)
            if more is None:
                raise
            settings = settings.model_copy(update={"accumulate": more})
        # Not above: as long as the error is handled, its traceback holds all tensors of the step.
        gc.collect()
        torch.cuda.empty_cache()


def _settled(
    order: Order, settings: Train, images: int, pace: Pace, machine: Machine, began: float
) -> Settled:
    left = None
    if order.asked.seconds is not None:
        left = order.asked.seconds - (time.monotonic() - began) - pace.around - FINISH
    steps, why = steps_of(settings, images, pace.step, left, order.asked, machine, order.rules)
    settings = with_length(settings, steps, order.asked, order.rules)
    return Settled(
        settings, described(settings, images, why, machine, order.asked, order.rules), pace
    )


def prepare_backbone(backbone: Backbone, settings: Train) -> None:
    """Make a backbone ready for crops of these settings. Raises UserError where it cannot be."""
    backbone.prepare_training(settings.crops.global_size, settings.crops.local_size)
