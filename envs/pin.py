"""Pins conda's packages: solves envs/NAME.yaml and writes envs/NAME.linux-64.pin.txt.

Snakemake creates an environment from its pin file where there is one, without solving.

    python envs/pin.py train evaluate segmenter report     (make pin: all of them)
    python envs/pin.py --existing                          (make lock: those that have a pin file)

Channels are looked up like conda does: under the address in CONDA_CHANNEL_ALIAS, if it is set.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

import yaml
from rattler import (
    BuildString,
    Channel,
    ChannelConfig,
    GenericVirtualPackage,
    PackageName,
    RepoDataRecord,
    Version,
    solve,
)
from rattler.exceptions import FetchRepoDataError, GatewayError, SolverError

ENVS = Path(__file__).resolve().parent
PLATFORM = "linux-64"
# What the pinned environments may assume of a machine: torch's wheels need this glibc anyway.
MACHINE = {"__unix": "0", "__linux": "4.18", "__glibc": "2.28"}


def channels_of(environment: dict) -> list[Channel]:
    """Return the channels that an environment file names."""
    alias = os.environ.get("CONDA_CHANNEL_ALIAS")
    # Without the stroke an address's last part would be replaced, not followed.
    config = ChannelConfig(alias.rstrip("/") + "/") if alias else ChannelConfig()
    return [Channel(name, config) for name in environment["channels"]]


async def solved(environment: dict) -> list[RepoDataRecord]:
    """Return the packages of an environment file, for linux-64. Raises SolverError and the like."""
    machine = [
        GenericVirtualPackage(PackageName(name), Version(version), BuildString("0"))
        for name, version in MACHINE.items()
    ]
    return await solve(
        channels_of(environment), environment["dependencies"],
        platforms=[PLATFORM, "noarch"], virtual_packages=machine,
    )  # fmt: skip


def explicit(records: list[RepoDataRecord]) -> str:
    """Return an explicit file: an address and an MD5 (what every conda reads) for each package."""
    lines = sorted(f"{record.url}#{record.md5.hex()}" for record in records)
    return "\n".join([f"# platform: {PLATFORM}", "# make pin", "@EXPLICIT", *lines, ""])


def pin(name: str) -> str:
    """Write the pin file of one environment; return what to tell."""
    environment = yaml.safe_load((ENVS / f"{name}.yaml").read_text())
    records = asyncio.run(solved(environment))
    path = ENVS / f"{name}.{PLATFORM}.pin.txt"
    path.write_text(explicit(records))
    return f"{path.name}: {len(records)} packages"


def main() -> int:
    """Pin the environments that are asked for; return 1 when one cannot be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="environments, by the name of their file")
    parser.add_argument("--existing", action="store_true", help="those that have a pin file")
    chosen = parser.parse_args()
    if chosen.existing:
        ending = f".{PLATFORM}.pin.txt"
        chosen.names = sorted(path.name.removesuffix(ending) for path in ENVS.glob(f"*{ending}"))
    for name in chosen.names:
        try:
            print(pin(name))
        except (FetchRepoDataError, GatewayError, SolverError) as error:
            print(f"envs/{name}.yaml: not pinned: {' '.join(str(error).split())}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # Not sys.exit: py-rattler's threads can outlive a failed solve and crash the interpreter's end.
    os._exit(code)
