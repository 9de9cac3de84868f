"""The settings of the loss: references, the differentiable sort, and what is compared."""

from typing import Literal

from pydantic import Field

from neco.config.base import Settings


class References(Settings):
    """The patches that every aligned patch is compared with."""

    source: Literal["teacher", "queue", "student"] = "teacher"
    """Whose patches serve as references. `teacher`: the teacher's aligned patches of this batch.
    `queue`: the teacher's tokens of past batches (released headline configuration). `student`: the
    student's tokens of this batch (paper's text). With `student`, the loss can also fall because
    student and references become alike and no longer order anything (docs/recipe.md)."""
    count: int = Field(49, ge=2, le=1024)
    """References that each aligned patch is compared with: the numbers in one sort. More references
    ask for a finer order, and the cost of the sort grows faster than their number (released code:
    49)."""
    scope: Literal["batch", "inter", "intra"] = "batch"
    """Which images the references of an image come from. `batch`: all images of the batch. `inter`:
    all but the image itself. `intra`: the image itself alone (paper, Table 5c)."""
    per_pair: bool = True
    """`true` draws references anew for every pair of crops: the teacher's from the patches of that
    pair, the queue's from the queue of that pair's global crop (released code). `false` draws them
    once, from the patches of all pairs, and uses them for every pair."""
    shared: bool = False
    """`true` draws one set of references for all images of the batch, which needs the scope
    `batch`. `false` gives every image other patches (released code)."""
    gather: bool = True
    """With several processes, `true` draws references from the whole batch, so that any number of
    processes trains the same. `false` draws from the process's own images, which saves some
    communication."""
    gradient: bool = False
    """`true` lets gradient flow into references that come from the student as well. It has no
    effect on references from the teacher or the queue, which never have gradient."""
    queue_length: int = Field(8192, ge=2)
    """Tokens that the queue of each global crop holds. A longer queue offers more images to draw
    from, and its oldest tokens come from an older teacher (released code: 8192)."""
    queue_per_image: int = Field(10, ge=1)
    """Tokens that each image of a batch adds to each queue in a step. A higher value renews the
    queue sooner, with more tokens of the same images (released code: 10)."""


class Sorting(Settings):
    """The relaxed sorting network (paper, section 3 and appendix A.1)."""

    network: Literal["bitonic", "odd_even"] = "bitonic"
    """Which comparators make up the network. `bitonic` needs fewer layers (paper). `odd_even` has
    as many layers as there are references and takes longer (paper, Table 5e)."""
    relaxation: Literal["cauchy", "logistic", "logistic_phi"] = "cauchy"
    """How a comparator turns the difference x of its two values into the share of a swap. `cauchy`:
    arctan(steepness x) / pi + 1/2 (paper's text, released code). `logistic`: sigmoid(steepness x).
    `logistic_phi`: sigmoid(steepness x / |x| ** phi_lambda) (paper's appendix)."""
    phi_lambda: float = Field(0.25, ge=0.0, le=1.0)
    """Exponent of `logistic_phi`. At 0 it is `logistic`. A higher value swaps small differences
    more decidedly. The other relaxations do not read it (paper's appendix: 0.25)."""
    student_steepness: float = Field(100.0, gt=0.0)
    """Steepness of the student's comparators. A higher value makes the sort harder: small
    differences of cosines decide the order, and pairs that are far apart give little gradient
    (paper: 100)."""
    teacher_steepness: float = Field(100.0, gt=0.0)
    """Steepness of the teacher's comparators. A higher value makes the targets more certain of
    their order, and the loss's lower bound, their entropy, smaller (paper: 100)."""
    log_floor: float = Field(1e-30, gt=0.0)
    """Least value that the cross-entropy takes the logarithm of, so that 0 log 0 stays finite.
    Smaller entries of a matrix count as this one and give no gradient. A higher value limits what
    one confident mistake adds to the loss."""
    implementation: Literal["auto", "reference", "torch", "compiled", "triton"] = "auto"
    """Who computes the sort. `auto`: the compiled kernel on a CPU, Triton on a GPU, plain PyTorch
    (`torch`) where these cannot run. `reference` is the slow one that tests compare with. All
    compute the same numbers (docs/sorting.md)."""


class Loss(Settings):
    """What is aligned, compared and sorted (paper, section 3)."""

    aligned_size: int = Field(7, ge=1)
    """Rows and columns of patches that RoIAlign reads from the region where two crops meet. A
    higher value compares more places of each pair, which takes longer (paper: 7)."""
    references: References = References()
    sorting: Sorting = Sorting()
    two_way: bool = False
    """Which cross-entropies are added. `false`: only that of the student's matrix with the
    teacher's as the target, as the released code computes. `true`: also the other way round, as the
    paper's text writes. Then the teacher's matrix is scored against the student's as the target,
    and gradient flows into that target too."""
    order: Literal["distance", "similarity"] = "distance"
    """What is sorted in ascending order: `distance` is 1 - cosine (paper), `similarity` the cosine
    itself (released code)."""
    nearest: int | None = Field(None, ge=1)
    """How many of the nearest references enter the loss. A lower value looks only at the first
    places of the order; null takes all (paper, Table 9a)."""
    patches: Literal["both", "foreground", "background"] = "both"
    """Which aligned patches enter the loss, by the teacher's attention: `both` takes all,
    `foreground` and `background` only those that lie fully in one of the two (paper, Table 5a)."""
    foreground_mass: float = Field(0.6, gt=0.0, lt=1.0)
    """Share of the smoothed attention that counts as foreground. A higher value makes the
    foreground larger. `patches: both` does not read it (released code: 0.6)."""
