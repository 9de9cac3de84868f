"""MMSegmentation's parts, imported from the distribution without compiled operators.

mmcv-lite lacks `mmcv._ext`, which MMSegmentation imports for operators that Segmenter does not use.
An empty module stands in for it during the import and is removed again.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from neco.errors import UserError

EXTENSION = "mmcv._ext"


class _Extension(ModuleType):
    """A stand-in that has every operator by name and refuses to run it."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)

        def refuse(*arguments: object, **named: object) -> None:
            raise NotImplementedError(f"mmcv-lite has no compiled operator '{name}'")

        return refuse


@contextmanager
def stand_in() -> Iterator[None]:
    """While entered, `mmcv._ext` can be imported where it is not installed."""
    import mmcv

    try:
        import mmcv._ext
    except ImportError:
        sys.modules[EXTENSION] = _Extension(EXTENSION)
    else:
        yield
        return
    try:
        yield
    finally:
        del sys.modules[EXTENSION]
        vars(mmcv).pop("_ext", None)


try:
    with stand_in():
        from mmcv.transforms import Compose, RandomFlip, RandomResize, Resize
        from mmengine.config import ConfigDict
        from mmengine.dataset import pseudo_collate
        from mmseg.datasets.transforms import PackSegInputs, PhotoMetricDistortion, RandomCrop
        from mmseg.models.segmentors import EncoderDecoder  # registers heads and losses too
        from mmseg.models.utils import resize
except ImportError as error:
    if ".so" in str(error):  # OpenCV, which comes with mmcv, loads libraries of the system
        raise UserError(
            f"segmenter: a library of the system is missing ({error}); on Debian and Ubuntu, "
            "apt install libgl1 libglib2.0-0, elsewhere pip install opencv-python-headless"
        ) from None
    raise UserError(
        f"segmenter: MMSegmentation is not installed ({error}); "
        "pip install neco-reproduction[segmenter]"
    ) from None

__all__ = [
    "Compose",
    "ConfigDict",
    "EncoderDecoder",
    "PackSegInputs",
    "PhotoMetricDistortion",
    "RandomCrop",
    "RandomFlip",
    "RandomResize",
    "Resize",
    "pseudo_collate",
    "resize",
]
