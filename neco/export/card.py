"""README.md of an exported folder: what the run's record holds, and nothing else."""

import json
from collections.abc import Iterator
from typing import Any

from neco.backbones.backbone import Backbone
from neco.backbones.spec import BackboneSpec, LocalFile
from neco.config.base import validated
from neco.config.training import PRESETS, Train
from neco.errors import UserError
from neco.export.source import Source

HUB_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "CC-BY-NC-4.0": "cc-by-nc-4.0"}
"""Names that the Hugging Face hub has for licences; it calls all else `other`."""


def model_card(
    source: Source, spec: BackboneSpec, backbone: Backbone, sequence: bool, onnx: bool
) -> str:
    """Return the text of README.md.

    sequence: whether tokens are `forward_features(images)` behind the prefix tokens. onnx: whether
    there is a model.onnx.
    """
    licence = HUB_LICENCES.get(spec.licence, "other")
    front = ["library_name: timm", "pipeline_tag: image-feature-extraction", f"license: {licence}"]
    if licence == "other":
        front.append(f"license_name: {json.dumps(spec.licence)}")
    front += ["tags:", "- neco", "- timm", "- image-feature-extraction"]
    trained = bool(source.record)
    parts = [
        "\n".join(["---", *front, "---"]),
        f"# {_title(spec)}{', post-trained with NeCo' if trained else ''}",
        _opening(spec, trained),
        "\n".join(["| | |", "| --- | --- |", *_rows(source, spec, backbone)]),
    ]
    if trained:
        parts += ["## Settings", _settings(source.record)]
    parts += ["## Load it", _loading(spec, backbone, sequence, onnx)]
    return "\n\n".join(parts) + "\n"


def _title(spec: BackboneSpec) -> str:
    """Return what the backbone is called, without folders of the machine that it was trained on."""
    if isinstance(spec.source, LocalFile):
        return f"{spec.source.path.name} ({spec.label})"
    return f"{spec.method} {spec.label}"


def _opening(spec: BackboneSpec, trained: bool) -> str:
    what = f"This folder holds a {spec.label} that gives one feature vector for each patch"
    if not trained:
        return f"{what}. It was exported from a weights file; how that was trained is not recorded."
    return (
        f"{what}. It started from the weights named below and was trained further with NeCo (patch "
        "neighbor consistency) on unlabelled images. The record holds no evaluation, so this page "
        "states none."
    )


def _rows(source: Source, spec: BackboneSpec, backbone: Backbone) -> list[str]:
    record, settings = source.record, source.record.get("settings", {})
    public = not isinstance(spec.source, LocalFile)
    cells: list[tuple[str, Any]] = [
        ("backbone", f"`{spec.name if public else _title(spec)}`"),
        ("licence of the start", spec.licence),
        ("patch size, pixels", backbone.patch_size),
        ("numbers per token", backbone.dim),
        ("digest of the start", record.get("start_digest")),
        ("sha256 of the start's file", record.get("weights_sha256")),
        ("training images", record.get("images")),
        ("digest of the images", record.get("data_digest")),
        ("steps", record.get("steps")),
        ("images seen", _seen(record, settings)),
        ("seconds of training", record.get("seconds")),
        ("device", record.get("device_name")),
        ("precision", record.get("precision")),
        ("PyTorch", record.get("torch")),
        ("neco", record.get("neco")),
        ("git commit", record.get("git_commit")),
    ]
    return [f"| {name} | {value} |" for name, value in cells if value is not None]


def _seen(record: dict[str, Any], settings: dict[str, Any]) -> int | None:
    if "steps" not in record or "batch_size" not in settings:
        return None
    return int(record["steps"]) * int(settings["batch_size"])


def _settings(record: dict[str, Any]) -> str:
    """Return in words which settings differ from the preset that the run names."""
    settings = record.get("settings", {})
    preset = settings.get("preset", "paper")
    try:
        base = validated(Train, {**PRESETS[preset], "preset": preset}, preset).model_dump(
            mode="json"
        )
    except (KeyError, UserError):
        return f"The preset was `{preset}`, which this version does not know."
    differing = [
        f"- `train.{key}`: `{json.dumps(value)}`" for key, value in _changes(base, settings)
    ]
    if not differing:
        return f"The preset `{preset}`, unchanged."
    return "\n".join([f"The preset `{preset}`, but for:", "", *differing])


def _changes(
    base: dict[str, Any], settings: dict[str, Any], above: str = ""
) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            yield from _changes(base[key], value, f"{above}{key}.")
        elif value != base.get(key):
            yield f"{above}{key}", value


def _loading(spec: BackboneSpec, backbone: Backbone, sequence: bool, onnx: bool) -> str:
    patch, (mean, deviation) = backbone.patch_size, spec.normalisation
    if sequence:
        tokens = (
            "tokens = model.forward_features(images)[:, model.num_prefix_tokens:]  # (B, N, dim)"
        )
    else:
        norm = "True" if backbone.normed else "False"
        tokens = (
            f"tokens = model.forward_intermediates(images, indices=1, norm={norm}, "
            "intermediates_only=True)[0]  # (B, dim, rows, columns)"
        )
    lines = [
        "```python",
        "import timm",
        'model = timm.create_model("local-dir:FOLDER", pretrained=True, num_classes=0).eval()',
        tokens,
        "```",
        "",
        f"FOLDER is this folder; once it is on the Hugging Face hub, write `hf-hub:OWNER/NAME` in "
        f"its place. `images` is (B, 3, H, W) with H and W multiples of {patch}, colours in 0 to 1 "
        f"less the mean {_numbers(mean)}, over the deviation {_numbers(deviation)}.",
    ]
    if sequence:
        lines += [
            "",
            'The transformers library loads it too: `AutoModel.from_pretrained("FOLDER")`; its '
            f"`last_hidden_state` begins with {spec.prefix_tokens} tokens that are no patches.",
        ]
    if onnx:
        lines += [
            "",
            "```python",
            "import onnxruntime",
            'session = onnxruntime.InferenceSession("FOLDER/model.onnx")',
            'tokens = session.run(None, {"images": images})[0]  # (B, H/patch, W/patch, dim)',
            "```",
        ]
    return "\n".join(lines)


def _numbers(values: tuple[float, ...]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"
