"""NeCo: dense post-pretraining of Vision Transformers by patch neighbor consistency.

from neco import load, patch_tokens
model = load("runs/mine")                  # a run, an exported folder, a file, or timm's name
tokens = patch_tokens(model, "photo.jpg")  # (rows, columns, dim)
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
