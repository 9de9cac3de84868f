"""Stands in for `conda` where no conda can be had: what `snakemake --sdm conda` asks of it.

Solving, fetching and linking are py-rattler's, the library under pixi; `activate` lies beside it.
What it prints of itself, conda's version included, is made up: this proves environment files
and rules, not conda. Channels are found under CONDA_CHANNEL_ALIAS, a setting of conda's own.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

if TYPE_CHECKING:  # most calls only ask what conda this is: they need not wait for py-rattler
    from rattler import RepoDataRecord


async def solved(file: Path) -> list[RepoDataRecord]:
    """Return the packages that satisfy an environment file on this machine."""
    import yaml
    from rattler import Channel, ChannelConfig, VirtualPackage, solve

    environment = yaml.safe_load(file.read_text())
    alias = ChannelConfig(os.environ["CONDA_CHANNEL_ALIAS"] + "/")
    channels = [Channel(name, alias) for name in environment["channels"]]
    machine = VirtualPackage.detect()
    return await solve(channels, environment["dependencies"], virtual_packages=machine)


async def listed(file: Path) -> list[RepoDataRecord]:
    """Return the packages of an explicit file (address#md5, one a line), their MD5 checked."""
    from rattler import RepoDataRecord

    lines = file.read_text().split("@EXPLICIT\n")[1].split()
    records = []
    for address, digest in (line.split("#") for line in lines):
        archive = Path(unquote(urlparse(address).path))
        found = hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
        if found != digest:
            sys.exit(f"{address}: MD5 is {found}, not {digest}")
        records.append(await RepoDataRecord.from_package_archive(archive))
    return records


async def create(file: Path, prefix: Path) -> None:
    """Make an environment from an environment file or an explicit file."""
    from rattler import install

    records = await (solved(file) if file.suffix == ".yaml" else listed(file))
    prefix.mkdir(parents=True)
    await install(records, prefix, show_progress=False)


def create_in_a_child(file: Path, prefix: Path) -> int:
    """Make an environment in a process of its own and return its exit status.

    Now and then a thread of py-rattler's ends in a segmentation fault, on a channel and a file that
    work the next moment: such an end, and no other, is tried again.
    """
    status = -1
    for _ in range(3):
        child = multiprocessing.get_context("fork").Process(target=create_now, args=(file, prefix))
        child.start()
        child.join()
        status = child.exitcode
        if status >= 0:
            break
        shutil.rmtree(prefix, ignore_errors=True)
        print(f"py-rattler ended with signal {-status}", file=sys.stderr)
    return abs(status)


def create_now(file: Path, prefix: Path) -> None:
    """Make an environment, without returning."""
    asyncio.run(create(file, prefix))
    os._exit(0)  # its threads may outlive what they use


def main(words: list[str]) -> None:
    """Do what these words ask of conda."""
    if words == ["info", "--json"]:
        home = Path(__file__).resolve().parents[1]
        print(json.dumps({"conda_prefix": str(home), "platform": "linux-64"}))
    elif words == ["--version"]:
        print("conda 24.7.1")  # the oldest that Snakemake takes
    elif words == ["config", "--get", "channel_priority", "--json"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif words[0] == "clean":
        pass  # no archives are kept
    elif "create" in words:
        parser = argparse.ArgumentParser()
        parser.add_argument("--file", type=Path, required=True)
        parser.add_argument("--prefix", type=Path, required=True)
        chosen, _ = parser.parse_known_args(words)
        sys.exit(create_in_a_child(chosen.file, chosen.prefix))
    else:
        sys.exit(f"the stand-in for conda knows no {words}")


if __name__ == "__main__":
    main(sys.argv[1:])
