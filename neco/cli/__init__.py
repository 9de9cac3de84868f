"""Every step of the reproduction is a command. The workflow's rules call them; so can you."""

import argparse
import logging
import os
import select
import sys
from contextlib import nullcontext

from neco.cli import (
    compare,
    data,
    doctor,
    evaluation,
    models,
    own,
    plan,
    project,
    publishing,
    report,
)
from neco.cli.arguments import Described
from neco.errors import UserError, explained, interrupt_behind
from neco.locks import held
from neco.processes import EndedError, ended_by_signals

EPILOG = (
    "`neco STEP --help` says more of one command. docs/index.md leads to the page for your "
    "question, and config/defaults.yaml explains every setting."
)


def parser() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    root = argparse.ArgumentParser(prog="neco", description=__doc__, epilog=EPILOG)
    commands = root.add_subparsers(dest="command", required=True, metavar="STEP", action=Described)
    for part in (
        project, doctor, plan, data, models, own, evaluation, compare, report, publishing,
    ):  # fmt: skip
        part.add_commands(commands)
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status; neco.errors says what each means.

    What a user can mend, and what the machine could not do, is printed in one line. A bug is raised
    with its traceback.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it would tell how it was built
    logging.getLogger("timm").setLevel(logging.WARNING)  # and this one every file that it reads
    chosen = parser().parse_args(arguments)
    written = chosen.writes(chosen) if "writes" in chosen else None
    try:
        with (
            ended_by_signals(),
            held(written, f"neco {chosen.command}") if written else nullcontext(),
        ):
            chosen.step(chosen)
        sys.stdout.flush()
    except KeyboardInterrupt as ended:
        return _ended(chosen.command, ended)
    except Exception as error:
        signal = None if isinstance(error, UserError) else interrupt_behind(error)
        if signal is not None:
            return _ended(chosen.command, signal)
        if isinstance(error, BrokenPipeError) and _reader_has_gone():
            return 0
        told = explained(error)
        if told is None:
            raise
        print(f"neco {chosen.command}: {' '.join(str(told).split())}", file=sys.stderr)
        return told.status
    return 0


def _ended(command: str, ended: KeyboardInterrupt) -> int:
    """Say that a signal ended the command; return the exit status."""
    if isinstance(ended, EndedError):
        print(f"neco {command}: ended by {ended}", file=sys.stderr)
        return 128 + ended.number
    print(f"neco {command}: interrupted", file=sys.stderr)
    return 130


def _reader_has_gone() -> bool:
    """Return whether nobody reads the output any more, as after `| head`; then it goes nowhere."""
    asked = select.poll()
    try:
        asked.register(sys.stdout, 0)
    except (OSError, ValueError):  # no file: something in this process listens
        return False
    # Nothing is left to flush where output is not buffered (PYTHONUNBUFFERED, python -u).
    gone = any(happened & select.POLLERR for _, happened in asked.poll(0))
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        gone = True
    if gone:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return gone
