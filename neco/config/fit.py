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
    """Least number of images; a folder with fewer is refused. With a lower value a training starts,
    but it compares patches with those of too few other images, and their order means little."""
    epochs: int = Field(25, ge=1)
    """How often every image is used, unless `--steps`, `--time` or the bounds below say otherwise.
    A higher value takes longer in proportion (paper: 25)."""
    least_steps: int = Field(60, ge=1)
    """Least number of steps of a training, however few the images. A higher value makes trainings
    of small folders longer. 60 steps of 12 images are the shortest training whose gain was measured
    (docs/recipe.md)."""
    most_steps: int = Field(46_200, ge=1)
    """Largest number of steps of a training. With a higher value large folders train longer (46,200
    are those of the paper's run on COCO)."""
    cpu_minutes: float = Field(5.0, gt=0.0)
    """Length of a training on a CPU without `--steps` and `--time`, in minutes by the measured
    speed. The training has `least_steps` steps in any case. A higher value uses more images and
    takes longer."""
    paper_from: int = Field(1_000_000, ge=1)
    """Number of images (steps times batch) from which a training takes the preset `paper`; shorter
    trainings take `fast`. With a higher value more trainings take `fast`. The gain of `fast` was
    measured at 720 images and that of `paper`, in the paper, at 2.9 million. The number between is
    a judgement."""
    gpu_batch: int = Field(64, ge=1)
    """Images in a step on a GPU. A higher value needs more memory and makes fewer steps of an epoch
    (paper: 64)."""
    cpu_batch: int = Field(12, ge=1)
    """Images in a step on a CPU. With a higher value a step takes longer, and its order of patches
    is less noisy. The measured short trainings had 12."""
    gpu_crops: tuple[Count, Count] = (224, 98)
    """Sides of global and local crops on a GPU in pixels, before they are rounded to patches. The
    time of a step grows with the square of a side (paper: 224 and 98)."""
    cpu_crops: tuple[Count, Count] = (112, 42)
    """Sides of global and local crops on a CPU in pixels, before they are rounded to patches. The
    time of a step grows with the square of a side. The measured short trainings had 112 and 42."""
    least_patches: tuple[Count, Count] = (7, 3)
    """Least number of patches along the side of a global and of a local crop. A higher value
    enlarges the crops of networks with large patches more."""
    learning_rate: float = Field(PRESETS["fast"]["optimiser"]["backbone_learning_rate"], gt=0.0)
    """Learning rate of the backbone with the preset `fast`. A higher value changes the backbone
    faster and keeps less of its start. The default was measured at 60 and 200 steps."""
    path: float = Field(0.0462, gt=0.0)
    """Largest product of steps and learning rate of the backbone with the preset `fast`, so that
    longer trainings take a lower rate. A higher value lets a long training move further from its
    start (paper: 46,200 steps at 1e-6)."""
    bytes_per_number: float = Field(200.0, gt=0.0)
    """Memory of a step in float32, in bytes for every token, number of its width and block. With a
    higher value batches are taken in more parts. It was 182 for ViT-S/14 on a CPU (2.9 GB at batch
    4, without the weights)."""
    memory_share: float = Field(0.7, gt=0.0, le=1.0)
    """Share of the free memory that a step may take. A batch that needs more is taken in parts
    (`train.accumulate`), which is the same training, but slower. A higher value takes fewer
    parts."""
    gpu_workers: int = Field(8, ge=0)
    """Largest number of processes that read images for a GPU; one processor core is left free. More
    of them help if the GPU waits for images."""
    cpu_workers: int = Field(2, ge=0)
    """Largest number of processes that read images for a training on a CPU with more than four
    cores. With fewer cores the training reads images itself."""
    checkpoint_every: int = Field(50, ge=1)
    """Steps between checkpoints. With a higher value fewer are written, and a training that is
    killed loses more steps."""
    trial_steps: int = Field(3, ge=2)
    """Number of steps by which the speed is measured; the first one is not counted. More of them
    measure it more precisely and take longer."""
    trial_images: int = Field(64, ge=1)
    """Largest number of images that `--dry-run` measures with. More of them take longer."""
