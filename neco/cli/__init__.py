"""One command per pipeline step. The workflow's rules call these, and so can anybody."""

import argparse
import logging
import os
import sys

from neco.cli import (
    data,
    evaluation,
    models,
    plan,
    project,
    publishing,
    report,
)
from neco.errors import UserError


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    root = argparse.ArgumentParser(prog="neco", description=__doc__)
    commands = root.add_subparsers(dest="command", required=True, metavar="STEP")
    for part in (
        project, plan, data, models, evaluation, report, publishing,
    ):  # fmt: skip
        part.add_commands(commands)
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for an error, 130 for Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it would tell how it was built
    chosen = parser().parse_args(arguments)
    try:
        chosen.step(chosen)
    except UserError as error:
        print(f"neco {chosen.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"neco {chosen.command}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
