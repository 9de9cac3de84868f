"""export: one's own result for other people's programs."""

import argparse
from pathlib import Path

from neco.cli.arguments import Commands, add_into, into_of


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    export = commands.add_parser(
        "export", help="a run as a folder for timm and Hugging Face, and as ONNX"
    )
    export.add_argument(
        "source", type=Path, help="what `neco fit` or `neco train` wrote, or a weights file"
    )
    add_into(export, "folder to write")
    export.add_argument(
        "--backbone", help="whose weights a file holds, or a run that does not say it"
    )
    export.add_argument(
        "--onnx", action="store_true", help="add model.onnx, for images of any number and size"
    )
    export.set_defaults(step=_export, writes=into_of)


def _export(args: argparse.Namespace) -> None:
    from neco.export.export import export
    from neco.export.source import source_of

    print(export(source_of(args.source, args.backbone), args.into, args.onnx))
