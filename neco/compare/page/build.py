"""Everything of a comparison together into one HTML file."""

import base64
import io
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neco.compare.folders import Data
from neco.compare.page.script import script
from neco.compare.page.shown import Shown, chosen_images
from neco.compare.table import title
from neco.config.compare import Page
from neco.data.dataset import IGNORED
from neco.evaluate.matching import renumbered
from neco.files import write_text
from neco.report.figures.style import LINES, OTHERS, cluster_colours, label_colours
from neco.transforms import resize_nearest

HERE = Path(__file__).parent
QUALITY = 82
"""Of the shown images' JPEG."""
STRONG, FAINT = 255, 110
"""Opacity of a class, and of one that is black (background), before the page's slider."""
FIRST_COLOURS = ("DINOv2R", "NeCo", "Leopart", "CrOC", "CrIBo", "TimeT")


def write_page(
    path: Path,
    content: dict[str, Any],
    data: Sequence[Data],
    pictures: dict[tuple[str, str], Shown],
    page: Page,
    images: int,
) -> None:
    """Write the page. content: what comparison.json says; pictures: by dataset and backbone."""
    names = [one["name"] for one in content["backbones"]]
    told = {
        **{key: content[key] for key in ("baseline", "rows", "left_out", "quick", "version")},
        "level": content["settings"]["compare"]["level"],
        "replicas": content["settings"]["compare"]["replicas"],
        "size": content["settings"].get("in-context", {}).get("image_size"),
        "backbones": [
            {"name": name, "colour": colour}
            for name, colour in zip(names, _colours(), strict=False)
        ],
        "titles": {
            f"{row['protocol']}|{row['setting']}": title(row["protocol"], row["setting"])
            for row in content["rows"]
        },
        "datasets": [
            _dataset(about, one, {name: pictures[one.name, name] for name in names}, page, images)
            for about, one in zip(content["datasets"], data, strict=True)
        ],
        "neighbours": page.neighbours,
        "clusters": page.clusters,
    }
    text = json.dumps(told, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    skeleton = (HERE / "page.html").read_text(encoding="utf-8")
    heading = " or ".join(names) if len(names) < 4 else f"{len(names)} backbones"
    parts = {
        "{{title}}": escape(f"Comparison: {heading}"),
        "{{style}}": (HERE / "page.css").read_text(encoding="utf-8"),
        "{{script}}": script(HERE / "js"),
        "{{data}}": text,
    }
    for marker, part in parts.items():
        skeleton = skeleton.replace(marker, part)
    write_text(path, skeleton)


def _colours() -> list[str]:
    """Return line colours, the report's: for each backbone one, over and over."""
    first = [LINES[name] for name in FIRST_COLOURS]
    return [*first, *(colour for colour in OTHERS if colour != "#000000")] * 8


def _dataset(
    about: dict[str, Any], data: Data, made: dict[str, Shown], page: Page, images: int
) -> dict[str, Any]:
    chosen = chosen_images(data, images, page.seed)
    colours = label_colours(data.val.classes) if data.labelled else np.zeros((0, 3), np.uint8)
    seen: set[int] = set()
    pictures = []
    sizes = []
    for index in chosen:
        item = data.val.items[index]
        small = _reduced(item.read_image(), page.longest)
        sizes.append(small.size)
        entry = {
            "id": item.id, "src": _jpeg(small), "width": small.width, "height": small.height,
        }  # fmt: skip
        if data.labelled:
            truth = resize_nearest(item.read_mask(), small.height, small.width)
            seen |= set(np.unique(truth).tolist())
            entry["truth"] = _class_map(truth, colours)
        pictures.append(entry)
    shown = {}
    first = next(iter(made.values()))
    for name, one in made.items():
        embedded = one.embedded
        maps = None
        if one.predictions is not None:
            at = zip(one.predictions, sizes, strict=True)
            small_maps = [resize_nearest(found, size[1], size[0]) for found, size in at]
            seen |= {int(value) for found in small_maps for value in np.unique(found)}
            maps = [_class_map(found, colours) for found in small_maps]
        shown[name] = {
            "grid": list(embedded.numbers.shape[1:3]),
            "dimensions": embedded.numbers.shape[3],
            "length": embedded.length,
            "scales": embedded.scales.tolist(),
            "numbers": base64.b64encode(embedded.numbers.tobytes()).decode(),
            "cosine_error": round(embedded.cosine_error, 5),
            "same_neighbours": round(embedded.same_neighbours, 4),
            "predictions": maps,
            "clusters": _cluster_maps(one.clusters, first.clusters, page.clusters),
        }
    legend = [
        {"name": data.val.classes[value], "colour": "#" + bytes(colours[value]).hex()}
        for value in sorted(seen - {IGNORED})
    ]
    return {**about, "images": pictures, "shown": shown, "legend": legend}


def _reduced(image: Image.Image, longest: int) -> Image.Image:
    scale = min(1.0, longest / max(image.size))
    return image.resize((max(round(image.width * scale), 1), max(round(image.height * scale), 1)))


def _jpeg(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _class_map(labels: np.ndarray, colours: np.ndarray) -> str:
    """Return class ids uint8 (H, W) as a picture; ignored pixels (255) show what is below."""
    opacity = np.where(colours.any(axis=1), STRONG, FAINT).astype(np.uint8)
    return _png(labels, colours, opacity.tolist())


def _cluster_maps(maps: np.ndarray, like: np.ndarray, clusters: int) -> list[str]:
    """Return one picture for each map of clusters, coloured like those of `like` they overlap."""
    same_size = resize_nearest(like, *maps.shape[1:])
    count = max(clusters, int(max(maps.max(), like.max())) + 1)
    renamed = renumbered(maps, same_size, count).astype(np.uint8)
    return [_png(one, cluster_colours(count), [STRONG] * count) for one in renamed]


def _png(values: np.ndarray, colours: np.ndarray, opacity: list[int]) -> str:
    image = Image.fromarray(np.ascontiguousarray(values, dtype=np.uint8), "P")
    palette = np.zeros((256, 3), np.uint8)  # whole, else a short one is stored in fewer bits
    palette[: len(colours)] = colours
    image.putpalette(palette.tobytes())
    file = io.BytesIO()
    image.save(file, "PNG", transparency=bytes([*opacity, *[0] * (256 - len(opacity))]))
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
