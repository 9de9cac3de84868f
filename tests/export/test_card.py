"""The model card says what the record says."""

from pathlib import Path

import yaml

from neco.backbones.load import load_backbone
from neco.backbones.registry import backbone_spec
from neco.config.training import PRESETS, Train
from neco.export.card import model_card
from neco.export.source import Source


def card(record, name="demo-vit"):
    backbone = load_backbone("demo-vit", None)
    return model_card(Source(name, Path("w"), record), backbone_spec(name), backbone, True, False)


def test_settings_that_differ_from_the_preset_and_numbers_of_the_record():
    settings = Train(**{**PRESETS["fast"], "preset": "fast", "batch_size": 7})
    record = {"settings": settings.model_dump(mode="json"), "steps": 11, "images": 13,
              "data_digest": "d4ta", "start_digest": "57a27"}  # fmt: skip
    text = card(record)
    assert "- `train.batch_size`: `7`" in text
    assert "`train.head" not in text and "`train.preset" not in text  # the preset's own
    for row in ("| steps | 11 |", "| images seen | 77 |", "| training images | 13 |",
                "| digest of the images | d4ta |", "| digest of the start | 57a27 |"):  # fmt: skip
        assert row in text
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "apache-2.0" and front["library_name"] == "timm"


def test_a_file_alone_claims_nothing():
    text = card({})
    assert "NeCo" not in text.split("---", 2)[2]
    for word in ("steps", "images seen", "Settings", "None"):
        assert word not in text


def test_folders_of_the_machine_stay_out_of_it():
    text = card({"steps": 1, "backbone": "x"}, "file:/home/somebody/w.pth@demo-vit")
    assert "w.pth" in text and "/home/somebody" not in text
