"""The commands publish and published: one puts a project's results under DVC, the other checks the
files that are published."""

import argparse
from pathlib import Path

from neco.cli.arguments import Commands, file_or_folder


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    publish = commands.add_parser("publish", help="publish a project's results with DVC")
    publish.add_argument(
        "results", type=file_or_folder, help="folder that the workflow wrote: results/<project>"
    )
    publish.add_argument(
        "--repository", type=file_or_folder, default=Path(), help="root of the checkout"
    )
    publish.set_defaults(step=_publish, writes=lambda chosen: chosen.repository / "published")

    published = commands.add_parser("published", help="check that published files are whole")
    published.add_argument(
        "--repository", type=file_or_folder, default=Path(), help="root of the checkout"
    )
    published.set_defaults(step=_published)


def _publish(chosen: argparse.Namespace) -> None:
    from neco.publish.publish import publish

    print(f"{publish(chosen.results, chosen.repository)}: commit this folder and its remote")
    _published(chosen)


def _published(chosen: argparse.Namespace) -> None:
    from neco.publish.remote import FOLDER, check, content

    size = check(chosen.repository)
    number = len(content(chosen.repository))
    print(f"{FOLDER}/remote: {number} published files, {size / 1e6:.1f} MB, all sound")
