"""The tables in docs/data.md: archives and dataset.yaml's keys come in, Markdown comes out.

python -m neco.data.describe docs/data.md
"""

import sys
from pathlib import Path

from neco.config.folder import Folder, FolderSplit
from neco.data.sources import Needs, archives, archives_of, dataset_names, prerequisites_of
from neco.documents import renew

COMMAND = "python -m neco.data.describe docs/data.md"
KEYS = f"{COMMAND}: keys"


def tables() -> str:
    """Return what each dataset needs, and from where, as a Markdown table."""
    lines = ["| dataset | archives (GB) | also prepare | licence |", "| --- | --- | --- | --- |"]
    for name in dataset_names():
        needs = archives_of(name)
        archive_names = [*map(_linked, needs.required), *map(_for_trainaug, needs.optional)]
        also = ", ".join(f"`{other}`" for other in prerequisites_of(name))
        cells = (f"`{name}`", ", ".join(archive_names), also, _licences(needs))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _linked(name: str) -> str:
    archive = archives()[name]
    shown = f"[{name}]({archive.url})" if archive.url else f"`{name}/`"
    return f"{shown} ({archive.size / 1e9:.2g})"


def _for_trainaug(name: str) -> str:
    return f"for `trainaug` {_linked(name)}"


def _licences(needs: Needs) -> str:
    licences = [archives()[name].licence for name in (*needs.required, *needs.optional)]
    return "; ".join(dict.fromkeys("; ".join(licences).split("; ")))  # each term once


def keys() -> str:
    """Return what each key of dataset.yaml says, as a Markdown table."""
    lines = ["| key | what it says |", "| --- | --- |"]
    for model, before in ((Folder, ""), (FolderSplit, "splits.NAME.")):
        for name, field in model.model_fields.items():
            text = " ".join((field.description or "").split())
            lines.append(f"| `{before}{name}` | {text} |")
    return "\n".join(lines)


if __name__ == "__main__":
    document = Path(sys.argv[1])
    renew(document, COMMAND, tables())
    renew(document, KEYS, keys())
