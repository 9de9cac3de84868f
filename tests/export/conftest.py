"""Small networks with random weights, one of each family, as timm folders."""

import pytest
import timm
import torch
from timm.models import save_for_hf

FAMILIES = {
    "registers": ("vit_small_patch14_reg4_dinov2", {"img_size": 70, "depth": 2}),
    "rotary": ("vit_small_patch16_dinov3", {"img_size": 64, "depth": 2}),
    "pooled by attention": ("vit_base_patch16_siglip_224", {"img_size": 64, "depth": 1}),
    "one size": ("beit_base_patch16_224", {"img_size": 64, "depth": 1}),
    "pyramid": ("test_convnext", {}),
}
SMALL = {"embed_dim": 48, "num_heads": 3}


@pytest.fixture(scope="session")
def families(tmp_path_factory) -> dict[str, str]:
    """Names of backbones by family, `local-dir:FOLDER`."""
    names = {}
    for family, (architecture, arguments) in FAMILIES.items():
        torch.manual_seed(0)
        small = {} if family == "pyramid" else SMALL
        network = timm.create_model(architecture, num_classes=0, **small, **arguments)
        with torch.no_grad():
            for weight in network.parameters():  # norms and layer scales that are not one
                weight.add_(0.02 * torch.randn_like(weight))
        folder = tmp_path_factory.mktemp("network")
        save_for_hf(network, str(folder), safe_serialization=True)
        names[family] = f"local-dir:{folder}"
    return names
