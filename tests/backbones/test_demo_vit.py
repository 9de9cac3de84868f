"""The shipped backbone: the file that was published, loadable, and made by the project's code."""

import torch

from neco.backbones.load import load_backbone, shipped_file, weights_digest
from neco.backbones.pretrain import Tagger, average_precision, generated, pretrain, random_views
from neco.backbones.registry import backbone_spec
from neco.config.pretraining import Pretraining, Stage
from neco.data.scenes.scene import THING_NAMES

DIGEST = "821eb973189bc4fad144151e24fbe12eb2f6489a6ab9a54055804446a7d7c522"


def test_the_shipped_file_is_the_published_one():
    assert weights_digest(shipped_file(backbone_spec("demo-vit").source)) == DIGEST


def test_it_loads_and_is_not_random():
    shipped, random = load_backbone("demo-vit", None), load_backbone("demo-vit-random", None)
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        tokens = shipped(images)
    assert tokens.shape == (1, 8, 8, 192) and torch.isfinite(tokens).all()
    weights = [model.model.blocks[0].attn.qkv.weight for model in (shipped, random)]
    assert not torch.allclose(*weights)


def tiny(images: str, pool: str) -> Stage:
    return Stage(
        images=images, pool=pool, count=8, image_size=24, sides=[16], crop_scale=(0.5, 1.0),
        steps=2, learning_rate=1e-3,
    )  # fmt: skip


def test_every_stage_runs_and_labels_are_of_whole_images():
    from timm.models.vision_transformer import VisionTransformer

    network = VisionTransformer(
        img_size=16, patch_size=8, embed_dim=16, depth=1, num_heads=2, num_classes=0,
        dynamic_img_size=True,
    )  # fmt: skip
    stages = [tiny("portraits", "token"), tiny("portraits", "average"), tiny("scenes", "strongest")]
    settings = Pretraining(stages=stages, held_out=4, batch_size=4, strongest=2, processes=1)
    portraits = generated(stages[0], 0, 8, settings)
    assert portraits.tags.shape == (8, len(THING_NAMES))
    assert (portraits.tags.sum(dim=1) == 1).all()
    assert random_views(portraits.pixels, 16, (0.5, 1.0)).shape == (8, 3, 16, 16)
    assert 0 <= pretrain(network, settings) <= 1


def test_strongest_pooling_sees_only_the_strongest_patches():
    class Fixed(torch.nn.Module):
        embed_dim = 1

        def forward_features(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[[99.0], [1.0], [5.0], [3.0]]])  # class token first

    tagger = Tagger(Fixed(), "strongest", 2)
    torch.nn.init.ones_(tagger.layer.weight)
    torch.nn.init.zeros_(tagger.layer.bias)
    assert torch.allclose(tagger(torch.zeros(1)), torch.full((1, len(THING_NAMES)), 4.0))


def test_average_precision_equals_scikit_learn():
    from sklearn.metrics import average_precision_score

    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(40, 3, generator=generator)
    tags = (torch.rand(40, 3, generator=generator) < 0.4).float()
    expected = average_precision_score(tags.numpy(), scores.numpy(), average="macro")
    assert abs(average_precision(scores, tags) - expected) < 1e-6
