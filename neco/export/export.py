"""One folder with everything that others need: whole or not at all, and proven before it stands."""

import logging
from pathlib import Path

from neco.backbones.backbone import Backbone
from neco.backbones.load import load_backbone
from neco.backbones.registry import backbone_spec
from neco.errors import UserError
from neco.export.card import model_card
from neco.export.folder import check_folder, write_folder
from neco.export.onnx import FILE, check_onnx, write_onnx
from neco.export.source import Source
from neco.files import whole_folder, write_text

log = logging.getLogger(__name__)

OURS = {"config.json", "model.safetensors", "README.md", FILE}
"""What an exported folder holds, hidden files aside; one with anything else is never replaced."""
INSTALL = "pip install onnxruntime"


def export(source: Source, into: Path, onnx: bool = False) -> Path:
    """Write the folder `into` and return it.

    config.json and model.safetensors are in the format of timm's hub, and it is checked that plain
    timm gives the same tokens from them. README.md is the model card. onnx: add model.onnx, which
    is checked against PyTorch at two sizes where onnxruntime is installed.
    Raises UserError for weights that do not fit, a network that cannot be exported, and for a
    folder that holds something else.
    """
    spec = backbone_spec(source.backbone)
    if not spec.architecture:
        raise UserError(f"{source.backbone}: has no network that could be exported")
    refuse_foreign(into)
    backbone: Backbone = load_backbone(source.backbone, source.weights)
    with whole_folder(into) as work:
        write_folder(backbone, spec, work)
        sequence = check_folder(backbone, work)
        if onnx:
            write_onnx(backbone, work / FILE)
            _tell(check_onnx(backbone, work / FILE))
        write_text(work / "README.md", model_card(source, spec, backbone, sequence, onnx))
    return into


def refuse_foreign(into: Path) -> None:
    """Raise UserError where `into` holds anything but an exported folder."""
    if not into.exists():
        return
    if not into.is_dir() or any(
        path.name not in OURS and not path.name.startswith(".") for path in into.iterdir()
    ):
        raise UserError(
            f"{into}: holds something that is no exported model; move it away or name another "
            "folder"
        )


def _tell(difference: float | None) -> None:
    if difference is None:
        log.warning(f"{FILE} was not checked, because onnxruntime is not installed: {INSTALL}")
    else:
        log.info(f"{FILE}: tokens at two sizes within {difference:.1g} of PyTorch's")
