"""What a protocol is: a name comes in, the record that everything else reads comes out.

The command line, the plan, the rules and the report read it. A protocol is a function in a module
of its own, its settings (neco/config, one field of the project) and its line in `PROTOCOLS`.
Nothing here imports torch: the function is imported when it is asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from neco.config.base import Positive, Seed
from neco.config.consistency import Consistency
from neco.config.datasets import DatasetSplits
from neco.config.in_context import InContext
from neco.config.linear import Linear
from neco.config.overcluster import Overcluster
from neco.config.protocol import Evaluated
from neco.config.resources import Kind
from neco.config.segmenter import Segmenter
from neco.config.unsupervised import Unsupervised


@dataclass(frozen=True)
class Inputs:
    """What an evaluation reads. A part is `train` or `val`."""

    splits: dict[str, str]
    """The split of each part whose images and masks are read."""
    features: tuple[str, ...] = ()
    """Parts whose frozen features are read, at the settings' `image_size` and `colours`."""
    attention: tuple[str, ...] = ()
    """Parts whose class token's attention is read."""
    backbone: bool = False
    """Whether images are sent through the backbone itself."""


class Option(NamedTuple):
    """A further argument of one protocol's command."""

    kind: Any
    """Its type, with the bounds of a setting of this type."""
    about: str
    """What the command's help says."""
    default: Any = None
    required: bool = False


class Work(Protocol):
    """What an estimate of costs may ask of a project. neco.plan.hours answers.

    Operations are floating-point ones.
    """

    @property
    def dim(self) -> int:
        """Return the length of a patch token. It is 0 for patch colours, which cost nothing."""

    def images(self, part: str) -> int:
        """Return the images of the part `train` or `val`."""

    def patches(self, side: int) -> int:
        """Return the patches of an image of `side` pixels."""

    def forward(self, side: int) -> float:
        """Return the operations of one image of `side` pixels through the backbone."""

    def step(self, side: int) -> float:
        """Return the operations of one image's training step, forward and backward."""


EXACTNESS = frozenset({"seeds", "bootstrap", "preset"})
"""Settings that, in every protocol, say only how exactly a number is known, or name a preset."""


@dataclass(frozen=True)
class ProtocolRecord:
    """One protocol."""

    name: str
    """Its name in configurations and metrics files, as `in-context`."""
    title: str
    settings: type[Evaluated]
    module: str
    """Its module below neco.evaluate. The module's `evaluate` takes by keyword what `inputs` and
    `options` name."""
    inputs: Callable[[Any, DatasetSplits], Inputs]
    """Returns what an evaluation with these settings reads, on a dataset with these splits."""
    headline: Callable[[Any, int], str]
    """Returns which setting heads a metrics file, given the settings and the number of classes."""
    kind: Kind
    """Its kind of job, which decides what its jobs ask of a scheduler, and its rule in a plan."""
    operations: Callable[[Any, Work], list[float]] = lambda settings, work: []
    """Returns the operations of each of its jobs, without those of features and attention."""
    not_scale: frozenset[str] = frozenset()
    """Settings that may differ from the paper's without a difference of scale. They choose what is
    measured or how exactly, or the counts of images show them already."""
    searched: frozenset[str] = frozenset()
    """Settings that a search (`trials`) chooses: what it chose is no difference of scale and not
    another setting than the one that was asked for."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """Further arguments of `evaluate` and of the command, by name."""
    gpu: bool = True
    """Whether a GPU makes it faster."""

    @property
    def rule(self) -> str:
        """Return the name of its rule, and of its settings in a project: `in_context`."""
        return self.name.replace("-", "_")

    def evaluate(self) -> Callable[..., Any]:
        """Return the protocol's function. It takes settings, datasets and inputs by keyword."""
        function: Callable[..., Any] = import_module(f"neco.evaluate.{self.module}").evaluate
        return function

    def reads(self, kind: str) -> list[str]:
        """Return the parts of which `kind`, a field of `Inputs`, may be read.

        There are none where no preset reads the field. Where a preset reads it of some part, all
        parts are returned, because single settings can decide of which part it is read.
        """
        named = ({"preset": preset} for preset in self.settings.presets)
        presets = [self.settings.model_validate(values) for values in named]
        asked = [self.inputs(settings, DatasetSplits()) for settings in presets]
        found = {part for inputs in asked if getattr(inputs, kind) for part in inputs.splits}
        return sorted(found)

    def no_difference(self, settings: Mapping[str, Any]) -> frozenset[str]:
        """Return the settings whose values say nothing about the scale of a result."""
        return self.not_scale | EXACTNESS | (self.searched if settings.get("trials") else set())


def _of_both_splits(splits: DatasetSplits, changed: bool) -> Inputs:
    """Return the inputs of a protocol on both splits.

    Training images go through the backbone where `changed`; else their cached features are read.
    """
    features = ("val",) if changed else ("train", "val")
    return Inputs({"train": splits.train, "val": splits.val}, features, backbone=changed)


def _in_context_operations(settings: InContext, work: Work) -> list[float]:
    if not work.dim:
        return []
    patches, train = work.patches(settings.image_size), work.images("train")
    largest = min(settings.memory_size, train * patches)
    banks = sum(len(settings.seeds) / part if part > 1 else 1.0 for part in settings.fractions)
    searched = 2.0 * work.images("val") * patches * largest * work.dim
    sent = settings.augmentation.epochs * train * work.forward(settings.image_size)
    return [banks * (searched + sent)]


def _linear_operations(settings: Linear, work: Work) -> list[float]:
    if not settings.augment:
        return []
    images = work.images("train") * settings.train_fraction
    each = work.forward(settings.image_size)
    return [len(settings.seeds) * settings.epochs * images * each]


def _segmenter_operations(settings: Segmenter, work: Work) -> list[float]:
    one = settings.iterations * settings.batch_size * work.step(settings.crop_size)
    return [one] * (len(settings.learning_rates) * len(settings.seeds))


def _consistency_operations(settings: Consistency, work: Work) -> list[float]:
    views = 2 * min(settings.images, work.images("val"))
    return [len(settings.seeds) * views * work.forward(settings.image_size)]


RECORDS = (
    ProtocolRecord(
        "in-context", "In-context segmentation", InContext, "in_context",
        inputs=lambda settings, splits: _of_both_splits(splits, bool(settings.augmentation.epochs)),
        headline=lambda settings, classes: f"1/{min(settings.fractions)}",
        kind="in_context",
        operations=_in_context_operations,
        not_scale=frozenset({"fractions", "search", "recall_sample", "scann", "ivf"}),
    ),
    ProtocolRecord(
        "overcluster", "Overclustering", Overcluster, "overcluster",
        inputs=lambda settings, splits: Inputs({"val": splits.val}, ("val",)),
        headline=lambda settings, classes: (
            "K=GT" if settings.clusters[-1] == "classes" else f"K={settings.clusters[-1]}"
        ),
        kind="overcluster",
        not_scale=frozenset({"clusters"}),
        gpu=False,
    ),
    ProtocolRecord(
        "linear", "Linear segmentation", Linear, "linear",
        inputs=lambda settings, splits: _of_both_splits(splits, settings.augment),
        headline=lambda settings, classes: "",
        kind="linear",
        operations=_linear_operations,
        not_scale=frozenset({"full_resolution", "train_fraction"}),
    ),
    ProtocolRecord(
        "segmenter", "Fine-tuning with Segmenter", Segmenter, "segmenter.evaluate",
        inputs=lambda settings, splits: Inputs(
            {"train": splits.train, "val": splits.val}, backbone=True
        ),
        headline=lambda settings, classes: "",
        kind="fine_tune",
        operations=_segmenter_operations,
        not_scale=frozenset({"validate_every", "checkpoint_every", "log_every"}),
        options={
            "learning_rate": Option(Positive, "learning rate to fine-tune with", required=True),
            "seed": Option(Seed, "seed to fine-tune with (default: 0)", default=0),
            "checkpoints": Option(
                Path, "folder for the checkpoint (default: beside the metrics file)"
            ),
        },
    ),
    ProtocolRecord(
        "unsupervised", "Fully unsupervised segmentation", Unsupervised, "unsupervised.evaluate",
        inputs=lambda settings, splits: Inputs(
            {"train": settings.train_split, "val": splits.val}, ("train", "val"), ("train", "val")
        ),
        headline=lambda settings, classes: f"K={classes}",
        kind="unsupervised",
        not_scale=frozenset({
            "clusters", "trials", "foreground_seeds",
            "search_clusters", "search_weight", "search_markov_time", "search_seed",
        }),
        searched=frozenset({"clusters", "weight_threshold", "markov_time"}),
        options={"maps": Option(Path, "file to write the predicted classes to (.npz)")},
        gpu=False,
    ),
    ProtocolRecord(
        "consistency", "Consistency of neighbours (no labels)", Consistency, "consistency",
        inputs=lambda settings, splits: Inputs({"val": splits.val}, backbone=True),
        headline=lambda settings, classes: "",
        kind="consistency",
        operations=_consistency_operations,
        not_scale=frozenset(Consistency.model_fields),  # the paper has no such number
    ),
)  # fmt: skip
"""One record for each protocol, in the order of the summary."""

PROTOCOLS: Mapping[str, ProtocolRecord] = MappingProxyType({one.name: one for one in RECORDS})
