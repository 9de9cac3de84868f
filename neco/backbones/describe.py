"""The table in docs/backbones.md: it is written from the registry by the command below.

python -m neco.backbones.describe docs/backbones.md
"""

import sys
from collections import defaultdict
from pathlib import Path

from neco.backbones.registry import BACKBONES
from neco.backbones.spec import (
    BackboneSpec,
    Download,
    Given,
    LocalFile,
    Random,
    Shipped,
    TimmHub,
    Wheel,
)
from neco.documents import renew

COMMAND = "python -m neco.backbones.describe docs/backbones.md"


def table() -> str:
    """Return the registry as a Markdown table. Networks that differ in size alone share a row."""
    columns = ("name", "network (pixels)", "weights", "licence", "note")
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    alike: dict[tuple[str, ...], list[BackboneSpec]] = defaultdict(list)
    for row in BACKBONES.values():
        alike[row.method, f"({row.image_size})", row.licence, row.note].append(row)
    for (method, pixels, licence, note), rows in alike.items():
        labels = ", ".join(row.label for row in rows if row.architecture)
        cells = (
            ", ".join(f"`{row.name}`" for row in rows),
            " ".join(filter(None, (method, labels, pixels))),
            ", ".join(dict.fromkeys(map(_weights, rows))),
            licence,
            note,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _weights(row: BackboneSpec) -> str:
    source = row.source
    match source:
        case Download():
            return f"[{source.file}]({source.url})"
        case Wheel():
            return f"wheel {source.distribution} {source.version}"
        case Given():
            return f"`{source.file}`, put there by you from [its authors]({source.page})"
        case Shipped():
            return "shipped"
        case Random():
            return f"random, seed {source.seed}" if row.architecture else "none"
        case TimmHub():
            return f"[timm/{source.model}](https://huggingface.co/timm/{source.model})"
        case LocalFile():  # made on the spot, never in the table
            raise TypeError(source)


if __name__ == "__main__":
    renew(Path(sys.argv[1]), COMMAND, table())
