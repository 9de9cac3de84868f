"""Arguments that several commands share: adding them to a parser, and what was given for them."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from neco.config import Project, load_project
from neco.config.base import merged, validated
from neco.errors import UserError

if TYPE_CHECKING:
    from neco.backbones.backbone import Backbone

Commands = Any
"""argparse's subparsers object, whose type has no public name."""

BACKBONE = "a name from docs/backbones.md, timm:NAME, hf-hub:OWNER/NAME or local-dir:FOLDER"
WEIGHTS = (
    "weights file of the backbone, any checkpoint of its architecture. Without it, demo-vit has "
    "weights of its own, and those of timm: and hf-hub: names are downloaded; every other backbone "
    "needs a file (`neco weights` makes one)"
)
MIRROR = (
    "where to look: `official`, a folder, or the start of an address; may be given again, and is "
    "asked in order (default: the configuration's mirrors)"
)
WEIGHTS_MIRROR = (
    "where to look for weights: `official`, which is asked last, a folder, or the start of an "
    "address; may be given again"
)
SKIP = "leave out up to this many files that cannot be used (default: dataset.yaml's, or 0)"
DATA = "folder of a prepared dataset (`neco prepare` makes one)"


class Described(argparse._SubParsersAction):
    """Commands whose own help begins with what the list of all commands says of them."""

    def add_parser(self, name: str, **how: Any) -> Any:
        """Return the parser of a command; `help` is its `description` too, unless it has one."""
        about = how.get("help")
        if about:
            how.setdefault("description", f"{about[0].upper()}{about[1:]}.")
        return super().add_parser(name, **how)


def count(text: str) -> int:
    """Return a whole number of 1 or more, for argparse."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}: a whole number of 1 or more is wanted")
    return int(text)


def whole(text: str) -> int:
    """Return a whole number of 0 or more, for argparse."""
    if not text.strip().isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: a whole number of 0 or more is wanted")
    return int(text)


def file_or_folder(text: str) -> Path:
    """Return a path, for argparse. An empty text, as of an unset variable, is none."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty; name a file or folder, `.` for this one")
    return Path(text)


def typed(kind: Any) -> Callable[[str], Any]:
    """Return what reads a value of a setting's type, within its bounds, for argparse."""
    if kind is Path:
        return file_or_folder
    adapter = TypeAdapter(kind, config=ConfigDict(allow_inf_nan=False))

    def read(text: str) -> Any:
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            raise argparse.ArgumentTypeError(f"{text}: {error.errors()[0]['msg']}") from None

    return read


def place(text: str) -> Path:
    """Return a path that has a name, also for `.`, for argparse."""
    found = file_or_folder(text)
    return found if found.name not in ("", "..") else found.resolve()


MOST_THREADS = 1024
"""A process dies of many more."""


def threads(text: str) -> int:
    """Return a number of threads, for argparse."""
    number = count(text)
    if number > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{text}: name {MOST_THREADS} threads or fewer")
    return number


def add_into(command: argparse.ArgumentParser, about: str) -> None:
    """Add --into: what a command writes."""
    command.add_argument("--into", type=place, required=True, help=about)


def into_of(args: argparse.Namespace) -> Path:
    """Return what a command writes and holds alone meanwhile: `set_defaults(writes=into_of)`."""
    path: Path = args.into
    return path


def refuse_file(option: str, path: Path) -> None:
    """Raise UserError where a file lies in the place of a folder that is to be written."""
    if path.is_file():
        raise UserError(f"{option} {path}: is a file; name a folder")


def add_config(command: argparse.ArgumentParser) -> None:
    """Add --config and --set."""
    command.add_argument(
        "--config", type=file_or_folder, help="project configuration to read (YAML)"
    )
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one setting, as in train.batch_size=8; may be given again",
    )


def add_block(command: argparse.ArgumentParser) -> None:
    """Add --block."""
    command.add_argument(
        "--block",
        type=int,
        help="block whose tokens are the features; -1 is the last (default: extraction.block)",
    )


def block_of(args: argparse.Namespace, project: Project) -> int | None:
    """Return the block of --block, else the project's."""
    return project.extraction.block if args.block is None else int(args.block)


def add_downloads(command: argparse.ArgumentParser) -> None:
    """Add --downloads."""
    command.add_argument(
        "--downloads",
        type=file_or_folder,
        default=Path("data/downloads"),
        help="folder that keeps downloaded files (default: data/downloads)",
    )


def add_threads(command: argparse.ArgumentParser, about: str = "threads to compute with") -> None:
    """Add --threads."""
    command.add_argument("--threads", type=threads, help=about)


def use_threads(args: argparse.Namespace) -> None:
    """Give torch as many threads as were asked for."""
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)


def backbone_of(
    args: argparse.Namespace, drop_path: float = 0.0, block: int | None = None
) -> "Backbone":
    """Return the backbone of --backbone and --weights, on the GPU where there is one."""
    import torch

    from neco.backbones.load import load_backbone

    backbone = load_backbone(args.backbone, args.weights, drop_path=drop_path, block=block)
    return backbone.cuda() if torch.cuda.is_available() else backbone


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """Return what --set says, nested. Raises UserError for one that is no KEY=VALUE."""
    override: dict[str, Any] = {}
    for item in args.set:
        key, equals, value = item.partition("=")
        if not equals or not all(part.strip() for part in key.split(".")):
            raise UserError(f"--set {item}: write KEY=VALUE, as in train.batch_size=8")
        try:
            nested: Any = yaml.safe_load(value)
        except yaml.YAMLError as error:
            reason = getattr(error, "problem", None) or "no YAML"
            raise UserError(
                f"--set {item}: the value cannot be read ({reason}); close every bracket and quote"
            ) from None
        for part in reversed(key.split(".")):
            nested = {part: nested}
        override = merged(override, nested)
    return override


def project_of(args: argparse.Namespace, below: dict[str, Any] | None = None) -> Project:
    """Return the project of --config and --set; without --config the defaults.

    below: a command's own defaults, under the configuration.
    """
    override = settings_of(args)
    if args.config is not None:
        return load_project(args.config, override, below)
    return validated(Project, merged(below or {}, override), "--set")
