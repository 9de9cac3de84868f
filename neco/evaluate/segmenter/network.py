"""The network: a backbone comes in and comes out with MMSegmentation's Segmenter head."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from neco.backbones.backbone import Backbone
from neco.config.segmenter import Segmenter
from neco.evaluate.segmenter.library import ConfigDict, EncoderDecoder, resize
from neco.normalisation import IMAGENET, Normalisation, normalisation_of
from neco.precision import training_precision


def padded_side(side: int, patch_size: int) -> int:
    """Return the next multiple of the patch size: 518 for 512 and patch 14."""
    return -(-side // patch_size) * patch_size


class PatchTokens(nn.Module):
    """A backbone in the form that MMSegmentation asks for: it returns one map of patch tokens."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor]:
        """Return ((B, dim, rows, columns),) for images (B, 3, H, W)."""
        return (self.backbone(images).permute(0, 3, 1, 2),)


class PaddedSegmenter(EncoderDecoder):
    """MMSegmentation's network, with zeros around images up to a multiple of the patch size.

    The logits of these zeros are cut away, so that the others stay aligned with the image. Source:
    paper, appendix A.2 ("zero padding around the image of 512x512 to bring it to 518x518").
    """

    def __init__(self, precision: str, patch_size: int, kind: str | None, **parts: Any) -> None:
        super().__init__(**parts)
        self.half = training_precision(precision, kind) == "bf16-mixed"
        self.patch_size = patch_size

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict[str, Any]]) -> Tensor:
        """Return logits float32 (B, classes, H, W) of normalised images (B, 3, H, W)."""
        height, width = inputs.shape[-2:]
        rows, columns = (padded_side(side, self.patch_size) for side in (height, width))
        top, left = (rows - height) // 2, (columns - width) // 2
        around = (left, columns - width - left, top, rows - height - top)
        framed = nn.functional.pad(inputs, around)  # (B, 3, H, W), with zeros around
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.half):
            logits = self.decode_head(self.extract_feat(framed))  # (B, classes, rows, columns)
        logits = resize(logits.float(), (rows, columns), mode="bilinear", align_corners=False)
        return logits[..., top : top + height, left : left + width]

    def loss(self, inputs: Tensor, data_samples: list[Any]) -> dict[str, Tensor]:
        """Return MMSegmentation's losses of normalised images (B, 3, H, W) and their masks."""
        losses: dict[str, Tensor] = self.decode_head.loss_by_feat(
            self.encode_decode(inputs, []), data_samples
        )
        return losses


def network_config(
    backbone: Backbone,
    classes: int,
    settings: Segmenter,
    normalisation: Normalisation = IMAGENET,
) -> dict[str, Any]:
    """Return MMSegmentation's configuration of the network.

    Values that no setting names are those of its Segmenter ViT-S and ViT-B configurations.
    """
    colours = normalisation_of(settings.colours, normalisation)
    mean, std = ([255.0 * value for value in colour] for colour in colours)
    crop = (settings.crop_size, settings.crop_size)
    stride = (settings.window_stride, settings.window_stride)
    return {
        "data_preprocessor": {
            "type": "mmseg.SegDataPreProcessor",
            "mean": mean,
            "std": std,
            "bgr_to_rgb": True,
            "pad_val": 0,
            "seg_pad_val": 255,
            "size": crop,
        },
        "backbone": {"type": PatchTokens, "backbone": backbone},
        "decode_head": {
            "type": "SegmenterMaskTransformerHead",
            "in_channels": backbone.dim,
            "channels": backbone.dim,
            "embed_dims": backbone.dim,
            "num_classes": classes,
            "num_layers": settings.decoder_layers,
            "num_heads": max(backbone.dim // settings.head_width, 1),
            "drop_path_rate": settings.drop_path,
            "dropout_ratio": 0.0,
            "loss_decode": {"type": "CrossEntropyLoss", "use_sigmoid": False, "loss_weight": 1.0},
        },
        "test_cfg": ConfigDict(mode="slide", crop_size=crop, stride=stride),
    }


def build_network(
    backbone: Backbone,
    classes: int,
    settings: Segmenter,
    normalisation: Normalisation = IMAGENET,
    kind: str | None = None,
) -> PaddedSegmenter:
    """Return the network. Torch's own generator draws its head's weights.

    kind: of the device, 'cuda' or 'cpu'; None is that of the GPU where there is one.

    As in MMSegmentation, the position embedding is resampled once to the grid of the crops and then
    trained. It is not resampled in every step.
    """
    side = padded_side(settings.crop_size, backbone.patch_size)
    if hasattr(backbone.model, "set_input_size"):  # patch colours have no embedding
        backbone.model.set_input_size(img_size=(side, side))
    config = network_config(backbone, classes, settings, normalisation)
    with warnings.catch_warnings():  # of MMSegmentation's own calls and defaults
        warnings.filterwarnings("ignore", category=UserWarning, module="mmseg")
        network = PaddedSegmenter(settings.precision, backbone.patch_size, kind, **config)
    network.decode_head.init_weights()
    return network
