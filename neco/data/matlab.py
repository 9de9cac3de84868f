"""Label matrices in MATLAB files, as SBD and Pascal Context have them."""

import io
from collections.abc import Sequence

import numpy as np
import scipy

from neco.data.archives import AGAIN
from neco.errors import UserError


def read_matrix(data: bytes, path: Sequence[str], where: object) -> np.ndarray:
    """Return the integer matrix (H, W) that lies under `path`: a variable, then struct fields.

    Raises UserError naming `where` when the file is damaged or has no such matrix.
    """
    try:
        found = scipy.io.loadmat(io.BytesIO(data))[path[0]]
        for field in path[1:]:
            found = found[field][0, 0]
    except Exception as error:  # scipy raises a dozen kinds on damaged files
        reason = " ".join(str(error).split())
        raise UserError(f"{where}: no matrix {'.'.join(path)} ({reason}); {AGAIN}") from None
    matrix = np.asarray(found)
    if matrix.ndim != 2 or matrix.dtype.kind not in "iu":
        raise UserError(f"{where}: {'.'.join(path)} is no matrix of labels; {AGAIN}")
    return matrix
