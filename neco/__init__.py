"""NeCo: dense post-pretraining of Vision Transformers by patch neighbor consistency.

Use a model from Python in three lines:

    from neco import load, patch_tokens
    model = load("runs/mine")                  # a run, an exported folder, a file, or timm's name
    tokens = patch_tokens(model, "photo.jpg")  # (rows, columns, dim)

Shapes in docstrings and comments have the same letters everywhere:

    B           images of a batch, or of this process's share of it
    G           global crops of an image; they come first among its crops
    V           all crops of an image, global and local
    pairs       ordered pairs of a global crop and another crop: G * (V - 1)
    H, W        height and width of an image in pixels, where both are the same: side
    rows, columns   height and width of a grid of patches
    S           rows (and columns) that are read from an aligned region: S * S aligned patches
    P           patches of one image that references are drawn from
    R           references of an aligned patch, so the numbers in one sort
    D           numbers of a projected token; `dim` counts those of a backbone's token
    K           clusters, and the columns of a sorted matrix that enter the loss
    N           how many there are of what the sentence names, where it could be any number
    Q, k        queries of a search and how many neighbours each gets

A box is (left, top, right, bottom). In texts on the sort, Q is a matrix: the relaxed permutation
(R, R) of one row of values, Qs the student's and Qt the teacher's.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neco.use import load, patch_tokens

__version__ = "0.1.0"
__all__ = ["__version__", "load", "patch_tokens"]


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for."""
    if name in ("load", "patch_tokens"):
        from neco import use

        return getattr(use, name)
    raise AttributeError(f"module 'neco' has no attribute '{name}'")
