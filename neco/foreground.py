"""Which patches of an image are foreground, by the class token's attention.

Attention (B, heads, rows, columns) comes in, and a mask (B, rows, columns) comes out. Unsupervised
segmentation and the ablation of Table 5a use it. Source: released code. It averages the heads,
smooths the mean with a 7x7 Gaussian of sigma 0.6 that is mirrored at the border, keeps the patches
that hold a share of the attention's mass, and drops components of at most two patches. Patches that
touch at a corner are connected.
"""

import numpy as np
import torch
from torch import Tensor

SIGMA = 0.6
RADIUS = 3
SMALLEST_COMPONENT = 3


def foreground_mask(attention: Tensor, mass: float) -> Tensor:
    """Return which patches are foreground, bool (B, rows, columns).

    attention: (B, heads, rows, columns), the class token's attention to patches.
    mass: share of the smoothed attention that the foreground holds, 0 to 1.
    """
    mean = attention.float().mean(dim=1).cpu().numpy()  # (B, rows, columns)
    masks = [_largest_mass(image, mass) for image in mean]
    return torch.from_numpy(np.stack(masks)).to(attention.device)


def _largest_mass(attention: np.ndarray, mass: float) -> np.ndarray:
    """Return the foreground of one image, bool (rows, columns)."""
    from scipy import ndimage  # not above: a training on all patches does not need it

    smooth = ndimage.gaussian_filter(attention, SIGMA, radius=RADIUS, mode="mirror")
    order = np.argsort(smooth, axis=None)[::-1]
    share = np.cumsum(smooth.ravel()[order]) / smooth.sum()
    kept = np.zeros(smooth.size, dtype=bool)
    kept[order[: int(np.searchsorted(share, mass)) + 1]] = True
    labels, _ = ndimage.label(kept.reshape(smooth.shape), structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= SMALLEST_COMPONENT)[labels]
