"""The rules by which `neco fit` chooses a training for one's own images.

Every number here is a default of the command; `--set fit.KEY=VALUE` changes one, and
`--set train.KEY=VALUE` overrides what was chosen.
"""

from pydantic import Field

from neco.config.base import Count, Settings
from neco.config.training import PRESETS


class Fit(Settings):
    """From the number of images and the machine to the settings of a training."""

    least_images: int = Field(8, ge=1)
    """Fewer images than this are refused: a step then compares patches with those of too few other
    images. Lowered, a training starts, but its order of patches means little."""
    epochs: int = Field(25, ge=1)
    """How often every image is seen, unless `--steps`, `--time` or the bounds below say otherwise.
    25 is the paper's. Raised, the training takes longer in proportion."""
    least_steps: int = Field(60, ge=1)
    """A training has at least so many steps, however few the images. 60 steps of 12 images are the
    shortest training whose gain was measured (docs/recipe.md)."""
    most_steps: int = Field(46_200, ge=1)
    """A training has at most so many steps: those of the paper's run on COCO. Raised, a large
    folder trains longer."""
    cpu_minutes: float = Field(5.0, gt=0.0)
    """Without `--steps` and `--time`, a training on a CPU has as many steps as fit into so many
    minutes by the measured pace, but at least `least_steps`. Raised, it sees more images and takes
    longer."""
    paper_from: int = Field(1_000_000, ge=1)
    """A training that sees at least so many images (steps times batch) takes the preset `paper`,
    a shorter one the preset `fast`. The gain of `fast` was measured at 720 images seen, that of
    `paper` in the paper at 2.9 million; where between they meet was not measured, so this is a
    judgement. Raised, more trainings take `fast`."""
    gpu_batch: int = Field(64, ge=1)
    """Images of a step on a GPU: the paper's."""
    cpu_batch: int = Field(12, ge=1)
    """Images of a step on a CPU: that of the measured short trainings. Raised, a step takes longer
    and its order of patches is less noisy."""
    gpu_crops: tuple[Count, Count] = (224, 98)
    """Sides in pixels of global and local crops on a GPU (the paper's), before rounding to
    patches. Raised, a step costs more with the square of it."""
    cpu_crops: tuple[Count, Count] = (112, 42)
    """The same on a CPU: those of the measured short trainings."""
    least_patches: tuple[Count, Count] = (7, 3)
    """Patches along the side of a global and of a local crop, at least. Crops of networks with
    large patches are enlarged to that."""
    learning_rate: float = Field(PRESETS["fast"]["optimiser"]["backbone_learning_rate"], gt=0.0)
    """The backbone's learning rate with the preset `fast`, as measured at 60 and 200 steps."""
    path: float = Field(0.0462, gt=0.0)
    """Steps times the backbone's learning rate never exceed this with the preset `fast`: the
    paper's 46,200 steps at 1e-6. So longer trainings take a lower rate. Raised, a long training may
    move the weights further from its start."""
    bytes_per_number: float = Field(200.0, gt=0.0)
    """Memory of a step in bytes for every token, number of its width and block, in float32. It was
    182 in a ViT-S/14 on a CPU (2.9 GB at batch 4, less the weights). Raised, batches are taken in
    more parts."""
    memory_share: float = Field(0.7, gt=0.0, le=1.0)
    """Share of the free memory that a step may take. A batch that needs more is taken in parts
    (`train.accumulate`): the same training, slower."""
    gpu_workers: int = Field(8, ge=0)
    """Processes that read images beside a GPU, at most; one core is left free."""
    cpu_workers: int = Field(2, ge=0)
    """Processes that read images beside a training on a CPU of more than four cores; on fewer the
    training reads them itself."""
    checkpoint_every: int = Field(50, ge=1)
    """Steps between checkpoints. Raised, less is written and a killed training loses more."""
    trial_steps: int = Field(3, ge=2)
    """Steps that are taken to measure the pace; the first one is not counted."""
    trial_images: int = Field(64, ge=1)
    """Images that `--dry-run` measures with, at most."""
