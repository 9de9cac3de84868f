"""The settings of the loss: references, the differentiable sort, and what is compared."""

from typing import Literal

from pydantic import Field

from neco.config.base import Settings


class References(Settings):
    """The patches that every aligned patch is compared with."""

    source: Literal["teacher", "queue", "student"] = "teacher"
    """Whose patches are the references. `teacher`: the teacher's aligned patches of this batch.
    `queue`: the teacher's tokens of past batches (released configuration of ViT-S/14). `student`:
    the student's tokens of this batch (paper's text). With `student` the loss can also fall because
    all patches become alike and no longer have an order (docs/recipe.md)."""
    count: int = Field(49, ge=2, le=1024)
    """Number of references that each aligned patch is compared with and that one sort orders. A
    higher value asks for a finer order, and the cost of the sort grows faster than it (released
    code: 49)."""
    scope: Literal["batch", "inter", "intra"] = "batch"
    """Which images the references of an image come from. `batch`: all images of the batch. `inter`:
    all but the image itself. `intra`: the image itself alone (paper, Table 5c)."""
    per_pair: bool = True
    """`true` draws references anew for every pair of crops: the teacher's from the patches of that
    pair, the queue's from the queue of the pair's global crop (released code). `false` draws them
    once from the patches of all pairs."""
    shared: bool = False
    """`true` draws one set of references for all images of the batch, which needs the scope
    `batch`. `false` draws a set for every image (released code)."""
    gather: bool = True
    """With several processes, `true` draws references from the whole batch, so that the number of
    processes does not change the training. `false` draws from each process's own images, which
    saves some communication."""
    gradient: bool = False
    """`true` lets gradient flow into references that come from the student as well; `false` does
    not. References from the teacher or the queue never have gradient."""
    queue_length: int = Field(8192, ge=2)
    """Tokens that the queue of each global crop holds. A longer queue holds tokens of more images,
    and its oldest tokens come from an older teacher (released code: 8192)."""
    queue_per_image: int = Field(10, ge=1)
    """Tokens that each image of a batch adds to each queue in a step. A higher value renews the
    queue sooner, with more tokens of the same images (released code: 10)."""


class Sorting(Settings):
    """The differentiable sorting network (paper, section 3 and appendix A.1)."""

    network: Literal["bitonic", "odd_even"] = "bitonic"
    """Which comparators the network consists of. `bitonic` needs fewer layers (paper). `odd_even`
    has as many layers as there are references and takes longer (paper, Table 5e)."""
    relaxation: Literal["cauchy", "logistic", "logistic_phi"] = "cauchy"
    """How a comparator turns the difference x of its two values into the share of a swap. `cauchy`:
    arctan(steepness x) / pi + 1/2 (paper's text, released code). `logistic`: sigmoid(steepness x).
    `logistic_phi`: sigmoid(steepness x / |x| ** phi_lambda) (paper's appendix)."""
    phi_lambda: float = Field(0.25, ge=0.0, le=1.0)
    """Exponent of `logistic_phi`; the other relaxations do not read it. At 0 it is `logistic`. A
    higher value swaps values with a small difference more decidedly (paper's appendix: 0.25)."""
    student_steepness: float = Field(100.0, gt=0.0)
    """Steepness of the student's comparators. A higher value makes the sort harder: smaller
    differences of cosines decide the order, and large ones give little gradient (paper: 100)."""
    teacher_steepness: float = Field(100.0, gt=0.0)
    """Steepness of the teacher's comparators. A higher value makes the targets more certain of
    their order. It also lowers the least value that the loss can reach, which is the targets'
    entropy (paper: 100)."""
    log_floor: float = Field(1e-30, gt=0.0)
    """Smallest value of which the cross-entropy takes the logarithm, so that the loss stays finite.
    Smaller shares count as this value and give no gradient. A higher value limits what one
    confident mistake adds to the loss."""
    implementation: Literal["auto", "reference", "torch", "compiled", "triton"] = "auto"
    """Which code computes the sort. `auto`: `compiled` on a CPU and `triton` on a GPU, `torch`
    where these cannot run. `compiled`: a C++ kernel. `triton`: a Triton kernel. `torch`: plain
    PyTorch. `reference`: slow code that tests compare with. All compute the same numbers
    (docs/sorting.md)."""


class Loss(Settings):
    """What is aligned, compared and sorted (paper, section 3)."""

    aligned_size: int = Field(7, ge=1)
    """Rows and columns of places that RoIAlign reads from the region where two crops overlap. A
    higher value compares more places of each pair and takes longer (paper: 7)."""
    references: References = References()
    sorting: Sorting = Sorting()
    two_way: bool = False
    """Which cross-entropies are added. `false`: that of the student's order with the teacher's
    order as the target (released code). `true`: also that of the teacher's order with the student's
    as the target (paper's text). Gradient then flows into that target too."""
    order: Literal["distance", "similarity"] = "distance"
    """What is sorted in ascending order. `distance`: 1 minus the cosine, so that the nearest
    reference comes first (paper). `similarity`: the cosine, so that it comes last (released
    code)."""
    nearest: int | None = Field(None, ge=1)
    """Number of nearest references that count in the loss. A higher value counts references further
    down the order; null counts all (paper, Table 9a). It needs `order: distance`."""
    patches: Literal["both", "foreground", "background"] = "both"
    """Which aligned patches count in the loss, by the teacher's attention. `both`: all of them.
    `foreground` and `background`: those that lie fully in one of the two (paper, Table 5a)."""
    foreground_mass: float = Field(0.6, gt=0.0, lt=1.0)
    """Share of the smoothed attention of the class token that the foreground holds. A higher value
    makes the foreground larger. `patches: both` does not read it (released code: 0.6)."""
