"""One command from a folder of images to a model: every stage calls what its own command calls."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neco.backbones.fetch import fetch_and_convert
from neco.backbones.load import load_backbone, weights_digest
from neco.data.dataset import Dataset, read_dataset, splits_of
from neco.data.folder.plan import Plan
from neco.data.folder.walk import Listing
from neco.data.prepare import prepare_folder
from neco.data.state import folder_state
from neco.export.export import export
from neco.export.source import Source, source_of
from neco.files import file_digest, kept_if_filled
from neco.fit.machine import this_machine
from neco.fit.order import Order
from neco.fit.settle import look, prepare_backbone, refuse, settle, training_split
from neco.fit.show import show
from neco.fit.stages import Stages, stopped_at
from neco.processes import number_of
from neco.progress import ProgressLine
from neco.run_files import ABOUT, FIT_RUN
from neco.training import train
from neco.training.about import about_start

DATASET, START, MODEL = "dataset", "start.safetensors", "model"
SPANS = {"prepare": (0.0, 0.04), "weights": (0.04, 0.07), "measure": (0.07, 0.1)}
SPANS |= {"train": (0.1, 0.97), "export": (0.97, 1.0)}
"""Which part of the progress line each stage has."""


def fit(order: Order) -> Path:
    """Train a backbone on a folder of images; return the exported folder, `order.into`/model.

    Writes to `order.into`: dataset/ (links to the images), start.safetensors, run/ (the training),
    model/ (for timm) and fit.json (what each stage was done with). A stage that was done with the
    same inputs is not done again, and a training continues from its checkpoint.
    Raises UserError for what the user can mend, and StoppedError where a signal ended it.
    """
    began = time.monotonic()
    root, listing, plan = look(order)
    refuse(order, plan)  # before anything is written
    with kept_if_filled(order.into):
        return _fit(order, root, listing, plan, began)


def _fit(order: Order, root: Path, listing: Listing, plan: Plan, began: float) -> Path:
    """Do every stage that is not done yet; the folder is there."""
    stages = Stages(order.into)
    with ProgressLine(1.0, left=False) as line:
        with _stage(line, "prepare"):
            dataset = _prepared(order, root, folder_state(listing, order.skip, plan), stages)
        with _stage(line, "weights"):
            start = _start(order, stages)
        with _stage(line, "measure"):
            settled = settle(order, dataset, start, this_machine(), stages, began)
        show(settled)
        with _stage(line, "train"):
            settings = settled.settings
            backbone = load_backbone(order.backbone, start, drop_path=settings.drop_path)
            prepare_backbone(backbone, settings)
            about = about_start(order.backbone, start)
            train(backbone, dataset, settings, order.into / FIT_RUN, "training", about=about)
        with _stage(line, "export"):
            return _exported(source_of(order.into, order.backbone), order.into / MODEL, stages)


def _prepared(order: Order, root: Path, state: str, stages: Stages) -> Dataset:
    into, inputs = order.into / DATASET, {"folder": state}
    index = into / "index.csv"
    digest = stages.found("prepare", inputs, [index])
    if digest is None or digest != file_digest(index):
        stages.forget("prepare")
        prepare_folder(root, into, skip=order.skip, labels=False)
        stages.done("prepare", inputs, file_digest(index))
    return read_dataset(into, training_split(splits_of(into)))


def _start(order: Order, stages: Stages) -> Path:
    """Return the file of the weights to start from, fetched where that is needed."""
    if order.weights is not None:
        return order.weights
    into, inputs = order.into / START, {"backbone": order.backbone}
    digest = stages.found("weights", inputs, [into])
    if digest is None or digest != weights_digest(into):
        fetch_and_convert(order.backbone, into, list(order.mirrors), order.downloads)
        stages.done("weights", inputs, weights_digest(into))
    return into


def _exported(source: Source, into: Path, stages: Stages) -> Path:
    inputs = {"weights": weights_digest(source.weights), "backbone": source.backbone}
    inputs |= {"about": weights_digest(source.weights.with_name(ABOUT))}
    if stages.found("export", inputs, [into / "config.json", into / "model.safetensors"]) is None:
        export(source, into)
        stages.done("export", inputs, True)
    return into


@contextmanager
def _stage(line: ProgressLine, name: str) -> Iterator[None]:
    """Move the line through a stage; an interrupt in it ends with the way to go on."""
    try:
        with line.step(name, *SPANS[name]):
            yield
    except KeyboardInterrupt as ended:
        raise stopped_at(name, number_of(ended)) from None
