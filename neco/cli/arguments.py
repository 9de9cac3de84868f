"""Arguments that several commands share."""

import argparse
from pathlib import Path
from typing import Any

import yaml

from neco.config import Project, load_project
from neco.config.base import merged, validated
from neco.errors import UserError

Commands = Any
"""argparse's subparsers object, whose type has no public name."""


def add_config(command: argparse.ArgumentParser) -> None:
    """Add --config and --set."""
    command.add_argument("--config", type=Path, help="project configuration (YAML)")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one more setting, dotted: train.batch_size=8",
    )


def add_block(command: argparse.ArgumentParser) -> None:
    """Add --block."""
    command.add_argument(
        "--block",
        type=int,
        help="whose tokens are the features, -1 for the last block (default: extraction.block)",
    )


def block_of(chosen: argparse.Namespace, project: Project) -> int | None:
    """Return the block of --block, else the project's."""
    return project.extraction.block if chosen.block is None else int(chosen.block)


def project_of(chosen: argparse.Namespace) -> Project:
    """Return the project of --config and --set; without --config the defaults."""
    override: dict[str, Any] = {}
    for item in chosen.set:
        key, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"--set {item}: write KEY=VALUE, as in train.batch_size=8")
        nested: Any = yaml.safe_load(value)
        for part in reversed(key.split(".")):
            nested = {part: nested}
        override = merged(override, nested)
    if chosen.config is not None:
        return load_project(chosen.config, override)
    return validated(Project, override, "--set")
