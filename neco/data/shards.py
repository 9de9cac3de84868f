"""Reading shards: tar files of images come in, single images come out.

<folder>/shards/<split>-00000.tar   <key>.jpg, and <key>.mask.png where there are labels
<folder>/shards/<split>-00000.idx   `v1.2 <samples>`, then a line for each sample, which has
                                    `extension offset size name` for each of its files

The tar has WebDataset's layout and the index is the one that NVIDIA DALI reads, so both can use the
shards too. Here every member is read on its own by its offset. So the order of images stays that of
the plain folder.
"""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from neco.errors import UserError

BLOCK = 512
"""How many bytes a tar header has. It lies right before the member's own bytes."""
VERSION = "v1.2"
AGAIN = "delete the packed dataset and pack it again"


@dataclass(frozen=True)
class Packed:
    """One file inside a shard. It is used in the place of a Path."""

    shard: Path
    name: str
    offset: int
    size: int

    def __str__(self) -> str:
        return f"{self.shard}/{self.name}"

    @property
    def suffix(self) -> str:
        """Return `.jpg` and the like."""
        return Path(self.name).suffix

    def read_bytes(self) -> bytes:
        """Return the content. Raises UserError where the shard is not what its index says."""
        try:
            file = _opened(self.shard, os.getpid())
            data = os.pread(file.fileno(), BLOCK + self.size, self.offset - BLOCK)
        except OSError as error:
            raise UserError(f"{self.shard}: cannot be read ({error.strerror}); {AGAIN}") from None
        if len(data) < BLOCK + self.size:
            raise UserError(f"{self.shard}: truncated inside {self.name}; {AGAIN}")
        if data[:100].rstrip(b"\0") != self.name.encode():
            raise UserError(f"{self.shard}: no {self.name} where its index says; {AGAIN}")
        return data[BLOCK:]


@lru_cache(maxsize=256)
def _opened(shard: Path, _process: int) -> IO[bytes]:
    """Return an opened shard and keep it open.

    On a cluster's file system, opening a file costs more than reading an image.
    """
    return shard.open("rb", buffering=0)


def read_index(shard: Path) -> dict[str, Packed]:
    """Return the members of a shard by name. Raises UserError for a broken shard or index."""
    index = shard.with_suffix(".idx")
    try:
        first, *lines = index.read_text().splitlines()
        version, samples = first.split()
        if version != VERSION or int(samples) != len(lines):
            raise ValueError
        members = {}
        for line in lines:
            words = line.split()
            for offset, size, name in zip(words[1::4], words[2::4], words[3::4], strict=True):
                members[name] = Packed(shard, name, int(offset), int(size))
        end = max(member.offset + member.size for member in members.values())
        if shard.stat().st_size < end:
            raise UserError(f"{shard}: truncated, ends before byte {end}; {AGAIN}")
    except ValueError:
        raise UserError(f"{index}: damaged index of a shard; {AGAIN}") from None
    except OSError as error:
        raise UserError(f"{error.filename}: cannot be read ({error.strerror}); {AGAIN}") from None
    return members


class Shelf:
    """Finds the files of a dataset's folder, in shards or not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.indices: dict[Path, dict[str, Packed]] = {}

    def file(self, path: str) -> Path | Packed:
        """Return the file that index.csv calls `path`: `images/a.jpg` or `shards/x.tar/a.jpg`."""
        shard_name, tar, name = path.partition(".tar/")
        if not tar:
            return self.folder / path
        shard = self.folder / f"{shard_name}.tar"
        if shard not in self.indices:
            self.indices[shard] = read_index(shard)
        if name not in self.indices[shard]:
            raise UserError(f"{shard}: its index has no {name}; {AGAIN}")
        return self.indices[shard][name]
