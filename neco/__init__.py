"""NeCo: dense post-pretraining of Vision Transformers by patch neighbor consistency.

Use a model from Python in three lines:

    from neco import load, patch_tokens
    model = load("runs/mine")                  # a run, an exported folder, a file, or timm's name
    tokens = patch_tokens(model, "photo.jpg")  # (rows, columns, dim)

Shapes in docstrings and comments have the same letters everywhere:

    B           images of a batch, or of this process's share of it
    G           global crops of an image; they come first among its crops
    V           all crops of an image, global and local, and so all its views
    pairs       ordered pairs of a global crop and another crop: G * (V - 1)
    H, W        height and width of an image in pixels
    side        height and width of a square image in pixels; settings call it size
    rows, columns   height and width of a grid of patches
    S           rows (and columns) that are read from an aligned region: S * S aligned patches
    P           patches of one image that references are drawn from
    R           references of an aligned patch, so the numbers in one sort
    D           numbers of a projected token; `dim` counts those of a backbone's token
    K           clusters, and the columns of a sorted matrix that enter the loss
    N           how many there are of what the sentence names, where it could be any number
    Q, k        queries of a search and how many neighbours each gets

In texts on the sort, Q is a matrix: the relaxed permutation (R, R) of one row of values, Qs the
student's and Qt the teacher's.

Words have one meaning everywhere, too:

    box         (left, top, right, bottom) in pixels of the image, unless a text says otherwise
    crop        a part of an image: its box, and what is computed for that part
    view        the square image made from a crop: cut out and resized, then with changed colours
    patch       a square of pixels that the backbone makes one token of
    token       the backbone's output for a patch (dim), or the head's output for it (D)
    features    all tokens of a dataset's split, extracted once and kept in a folder
    cell        a pixel of a mask or map at the size at which it is evaluated
    weights     the parameters of a network, and the file that holds them
    checkpoint  the saved state of a training, from which it continues; others publish weights
                inside of theirs
    training    one execution of the training loop; a run is a backbone with training settings and a
                seed, and everything that the workflow makes from them
    released code   what the paper's authors and the evaluations they used have published
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neco.frame import results
    from neco.use import load, patch_tokens

__version__ = "0.1.0"
__all__ = ["__version__", "load", "patch_tokens", "results"]


def __getattr__(name: str) -> Any:
    """Import what needs torch or pandas only when it is asked for."""
    homes = {"load": "neco.use", "patch_tokens": "neco.use", "results": "neco.frame"}
    if name in homes:
        return getattr(import_module(homes[name]), name)
    raise AttributeError(f"module 'neco' has no attribute '{name}'")
