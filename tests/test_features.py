import csv
import errno
import hashlib
import json
import resource

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from neco.backbones.backbone import PatchColours
from neco.config.extraction import Extraction
from neco.data.dataset import read_dataset
from neco.errors import UserError
from neco.features import extract_features, read_features
from neco.transforms import image_tensor


@pytest.fixture
def photos(tmp_path):
    generator = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    rows = [("id", "image", "mask", "split")]
    for number in range(5):
        pixels = generator.integers(0, 256, (30 + number, 50, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
        rows.append((f"photo{number}", f"images/{number}.png", "", "train"))
    with (tmp_path / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    classes = {"dataset": "photos", "classes": ["a"], "background": False, "notes": {}}
    (tmp_path / "classes.json").write_text(json.dumps(classes))
    return read_dataset(tmp_path, "train")


@pytest.mark.parametrize(("dtype", "workers"), [("float16", 0), ("float32", 1)])
def test_features_are_the_backbone_of_each_image_alone(photos, tmp_path, dtype, workers):
    backbone = PatchColours(8)
    settings = Extraction(batch_size=2, workers=workers, dtype=dtype)
    about = {"model": "colours", "weights_digest": "abc"}
    features = extract_features(backbone, photos, 45, settings, tmp_path / "out", about)
    assert features.tokens.shape == (5, 5, 5, 12)
    assert features.tokens.dtype == dtype
    assert isinstance(features.tokens, np.memmap)
    for index, item in enumerate(photos.items):
        alone = backbone(image_tensor(item.read_image(), 40)[None])[0].numpy()
        tolerance = 2e-3 if dtype == "float16" else 1e-6
        np.testing.assert_allclose(features.tokens[index], alone, rtol=tolerance, atol=tolerance)


def test_about_states_the_true_size_and_keeps_what_the_caller_knows(photos, tmp_path):
    settings = Extraction(workers=0)
    extract_features(PatchColours(8), photos, 45, settings, tmp_path / "out", {"model": "colours"})
    features = read_features(tmp_path / "out")
    stated = {key: features.about[key] for key in ("model", "image_size", "patch_size", "grid")}
    assert stated == {"model": "colours", "image_size": 40, "patch_size": 8, "grid": [5, 5]}
    assert features.ids == [item.id for item in photos.items]
    content = hashlib.sha256(np.ascontiguousarray(features.tokens).tobytes()).hexdigest()
    assert features.about["digest"] == content[:12]
    assert features.identity() == {}
    assert features.about["dataset_digest"] == photos.digest()
    features.matches(photos)


class Broken(nn.Module):
    """A backbone that stops half way."""

    patch_size, dim = 8, 12

    def forward(self, images):
        if len(images) == 1:
            raise RuntimeError("out of memory")
        return PatchColours(8)(images)


def test_an_interrupted_extraction_leaves_what_was_there(photos, tmp_path):
    settings = Extraction(batch_size=2, workers=0)
    with pytest.raises(RuntimeError):
        extract_features(Broken(), photos, 40, settings, tmp_path / "out", {})
    assert not (tmp_path / "out").exists()
    before = extract_features(PatchColours(8), photos, 40, settings, tmp_path / "out", {})
    with pytest.raises(RuntimeError):
        extract_features(Broken(), photos, 40, settings, tmp_path / "out", {})
    assert np.array_equal(read_features(tmp_path / "out").tokens, before.tokens)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["about.json", "features.npy"]


def test_features_of_another_split_are_refused(photos, tmp_path):
    settings = Extraction(workers=0)
    out = tmp_path / "out"
    features = extract_features(PatchColours(8), photos, 40, settings, out, {})
    fewer = type(photos)(photos.name, photos.folder, "train", photos.classes, photos.items[:3])
    with pytest.raises(UserError, match="extract them again"):
        features.matches(fewer)


def test_extraction_leaves_no_gradient_and_no_training_mode(photos, tmp_path):
    backbone = nn.Sequential(PatchColours(8), nn.Dropout(0.5), nn.Linear(12, 12))
    backbone.patch_size, backbone.dim = 8, 12
    out = extract_features(backbone, photos, 40, Extraction(workers=0), tmp_path / "a", {})
    again = extract_features(backbone, photos, 40, Extraction(workers=0), tmp_path / "b", {})
    assert np.array_equal(out.tokens, again.tokens)
    assert all(parameter.grad is None for parameter in backbone.parameters())
    assert torch.is_grad_enabled()


def extracted(photos, folder, patch=8, side=40):
    settings = Extraction(workers=0, dtype="float32")
    return extract_features(PatchColours(patch), photos, side, settings, folder, {"backbone": "p"})


@pytest.mark.parametrize(
    ("other", "match"),
    [
        ({"patch": 4}, "differ in weights"),
        ({"side": 48}, "differ in image_size: 40 and 48.*the same image_size"),
    ],
)
def test_features_of_two_models_or_sizes_do_not_agree(photos, tmp_path, other, match):
    train, val = extracted(photos, tmp_path / "a"), extracted(photos, tmp_path / "b")
    train.agrees(val)
    with pytest.raises(UserError, match=match):
        train.agrees(extracted(photos, tmp_path / "c", **other))


def test_weights_that_differ_in_one_value_are_another_model(photos, tmp_path):
    networks = [nn.Sequential(PatchColours(8), nn.Linear(12, 12)) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    found = []
    for number, change in enumerate((0.0, 1e-6)):
        network = networks[number]
        network.patch_size, network.dim = 8, 12
        network[1].bias.data[3] += change
        into = tmp_path / str(number)
        found.append(extract_features(network, photos, 40, Extraction(workers=0), into, {}))
    with pytest.raises(UserError, match="differ in weights"):
        found[0].agrees(found[1])


def test_images_that_changed_since_are_noticed(photos, tmp_path):
    features = extracted(photos, tmp_path / "out")
    photos.items[3].image.write_bytes(photos.items[3].image.read_bytes() + b"x")
    with pytest.raises(UserError, match="have changed since; extract them again"):
        features.matches(photos)


def test_damaged_features_are_refused(photos, tmp_path):
    folder = tmp_path / "out"
    extracted(photos, folder)
    tokens, about = folder / "features.npy", folder / "about.json"
    whole, said = tokens.read_bytes(), json.loads(about.read_text())
    for broken in (
        whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:],
        whole[: len(whole) // 2],
        b"",
        b"<html>",
    ):
        tokens.write_bytes(broken)
        with pytest.raises(UserError, match="extract them again"):
            read_features(folder)
    tokens.write_bytes(whole)
    about.write_text(json.dumps({k: v for k, v in said.items() if k != "model_digest"}))
    with pytest.raises(UserError, match=r"lacks model_digest.*earlier version.*extract them again"):
        read_features(folder)
    about.write_text('{"ids": [')
    with pytest.raises(UserError, match=r"not a description of features.*extract them again"):
        read_features(folder)


def test_a_disk_without_room_is_told_before_the_first_image(photos, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        with pytest.raises(OSError) as told:
            extracted(photos, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert told.value.errno == errno.EFBIG
    assert not (tmp_path / "out").exists()
