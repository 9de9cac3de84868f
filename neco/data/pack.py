"""Packing for file systems that are slow with many small files: a prepared dataset comes in, one
of the same images in shards comes out."""

import csv
import io
import json
import re
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from neco.config.packing import Packing
from neco.data.dataset import INDEX_COLUMNS, Dataset, Item, read_dataset, splits_of
from neco.data.pool import available_cores
from neco.data.prepare import refuse_foreign
from neco.data.shards import VERSION
from neco.data.writing import digest_of, labels_digest
from neco.errors import UserError
from neco.files import whole_folder
from neco.progress import console, counting_bar

PLAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
"""Ids that can be keys. WebDataset ends a key at its first dot, and the index at a space."""

Parts = list[tuple[str, bytes]]
"""The extension and the content of each file of one image."""


class Shards:
    """Writes the shards of one split, one after the other. None grows past `limit` bytes."""

    def __init__(self, folder: Path, split: str, limit: float) -> None:
        self.folder, self.split, self.limit = folder, split, limit
        self.number = -1
        self.tar: tarfile.TarFile | None = None
        self.lines: list[str] = []

    def __enter__(self) -> "Shards":
        return self

    def __exit__(self, *raised: object) -> None:
        self._close()

    def add(self, key: str, parts: Parts) -> list[str]:
        """Store one image's files; return their paths below the dataset's folder."""
        size = sum(len(data) + 2 * tarfile.BLOCKSIZE for _, data in parts)
        if self.tar is None or (self.lines and self.tar.offset + size > self.limit):
            self._close()
            self.number += 1
            self.tar = tarfile.TarFile(self._path(".tar"), "w", format=tarfile.USTAR_FORMAT)
        words, paths = [], []
        for extension, data in parts:
            member = tarfile.TarInfo(f"{key}.{extension}")
            member.size = len(data)
            words += [extension, str(self.tar.offset + tarfile.BLOCKSIZE), str(len(data))]
            words.append(member.name)
            self.tar.addfile(member, io.BytesIO(data))
            paths.append(f"{self.folder.name}/{self._path('.tar').name}/{member.name}")
        self.lines.append(" ".join(words))
        return paths

    def _path(self, suffix: str) -> Path:
        return self.folder / f"{self.split}-{self.number:05d}{suffix}"

    def _close(self) -> None:
        if self.tar is not None:
            self.tar.close()
            lines = [f"{VERSION} {len(self.lines)}", *self.lines]
            self._path(".idx").write_text("\n".join(lines) + "\n")
        self.tar, self.lines = None, []


def pack(
    source: Path,
    into: Path,
    packing: Packing,
    splits: list[str] | None = None,
    workers: int | None = None,
) -> Path:
    """Write the images and masks of a prepared dataset into shards at `into`; return `into`.

    splits: those to pack; None packs all. As in `prepare`, `into` is replaced at the end or stays
    as it was. Raises UserError for a folder that is no prepared dataset, and for a broken image.
    """
    datasets = [read_dataset(source, split) for split in splits or splits_of(source)]
    if into.resolve() == source.resolve():
        raise UserError(f"{into}: is the dataset itself; name another folder to pack it into")
    into = into.resolve()  # a link to another disk is followed, not replaced
    refuse_foreign(into)
    with whole_folder(into) as work:
        (work / "shards").mkdir()
        with (work / "index.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(INDEX_COLUMNS)
            for dataset in datasets:
                writer.writerows(_packed(dataset, work / "shards", packing, workers))
        description = json.loads((source / "classes.json").read_text(encoding="utf-8"))
        description["notes"] = description.get("notes", {}) | {"packed": packing.model_dump()}
        (work / "classes.json").write_text(
            json.dumps(description, indent=2) + "\n", encoding="utf-8"
        )
    shards = sorted((into / "shards").glob("*.tar"))
    size = sum(shard.stat().st_size for shard in shards) / 1e6
    images = sum(len(dataset) for dataset in datasets)
    console.print(
        f"{datasets[0].name}: {images:,} images in {len(shards)} shards, {size:,.0f} MB -> {into}",
        soft_wrap=True,
    )
    return into


def _packed(
    dataset: Dataset, folder: Path, packing: Packing, workers: int | None
) -> Iterator[tuple[str, ...]]:
    """Write one split; yield the rows of index.csv."""
    workers = workers or available_cores()
    plain = all(PLAIN_ID.fullmatch(item.id) for item in dataset.items)
    limit = packing.shard_mb * 1e6
    # Threads are enough: reading, decoding and encoding leave Python's lock.
    with (
        counting_bar() as bar,
        ThreadPoolExecutor(workers) as pool,
        Shards(folder, dataset.split, limit) as shards,
    ):
        task = bar.add_task(f"{dataset.name} {dataset.split}", total=len(dataset))
        window = 8 * workers  # images in memory at once
        for first in range(0, len(dataset), window):
            items = dataset.items[first : first + window]
            encoded = pool.map(partial(_parts, packing=packing), items)
            for position, (item, found) in enumerate(zip(items, encoded, strict=True), first):
                key = item.id if plain else f"{position:08d}"
                image, mask = [*shards.add(key, found.parts), ""][:2]
                yield item.id, image, mask, item.split, found.image_digest, found.mask_digest
                bar.advance(task)


class _Encoded(NamedTuple):
    """The files of one image and the digests that index.csv states."""

    parts: Parts
    image_digest: str
    mask_digest: str


def _parts(item: Item, packing: Packing) -> _Encoded:
    """Return the files of an image, unchanged unless its shorter side is longer than the cap."""
    cap = packing.shorter_side
    with item.opened_image() as image:
        if cap is None or min(image.size) <= cap:
            data = item.image.read_bytes()
            parts = [(item.image.suffix.removeprefix(".").lower(), data)]
            if item.mask is not None:
                parts.append(("mask.png", item.mask.read_bytes()))
            return _Encoded(parts, item.image_digest or digest_of(data), item.mask_digest)
        scale = cap / min(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image.draft(None, size)  # a JPEG is decoded no larger than needed
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    parts = [("jpg", _encoded(small, "JPEG", quality=packing.quality))]
    mask_digest = ""
    if item.mask is not None:
        labels = Image.fromarray(item.read_mask()).resize(size, Image.Resampling.NEAREST)
        parts.append(("mask.png", _encoded(labels, "PNG")))
        mask_digest = labels_digest(np.asarray(labels))
    return _Encoded(parts, digest_of(parts[0][1]), mask_digest)


def _encoded(image: Image.Image, kind: str, **how: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()
