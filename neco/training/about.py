"""What training.json and the model card say about the start of a training."""

from pathlib import Path
from typing import Any

import neco
from neco.backbones.load import weights_digest
from neco.evaluate.conditions import git_commit


def about_start(backbone: str, weights: Path | None) -> dict[str, Any]:
    """Return what training.json says of the start: its name, its weights, the version of the code.

    weights: the file that was loaded. None where the name alone leads to the weights. Raises
    UserError where the file is missing.
    """
    return {
        "backbone": backbone,
        "weights_sha256": None if weights is None else weights_digest(weights),
        "neco": neco.__version__,
        "git_commit": git_commit(),
    }
