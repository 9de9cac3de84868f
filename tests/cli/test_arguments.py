"""What argparse reads: a value that is none is refused before a command begins."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest

from neco.cli import parser
from neco.cli.arguments import MOST_THREADS, typed
from neco.config.base import Positive, Seed
from neco.errors import command


def arguments(reader: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """Yield every argument of every command with the command's name."""
    for action in reader._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from arguments(inner)
        else:
            yield reader.prog, action


def test_an_empty_path_is_none_for_every_command():
    """`--out "$OUT"` with an unset OUT would otherwise write into the folder where one is."""
    read = 0
    for told, action in arguments(parser()):
        assert action.type is not Path, f"{told} {action.dest}: an empty text becomes `.`"
        try:
            if action.type is None or not isinstance(action.type("1"), Path):
                continue
        except argparse.ArgumentTypeError:  # a time, for example
            continue
        with pytest.raises(argparse.ArgumentTypeError, match="is empty"):
            action.type("")
        read += 1
    assert read > 40


def test_more_threads_than_a_process_survives_are_refused():
    for told, action in arguments(parser()):
        if "--threads" in action.option_strings:
            assert action.type(str(MOST_THREADS)) == MOST_THREADS
            with pytest.raises(argparse.ArgumentTypeError, match="or fewer"):
                action.type(str(MOST_THREADS + 1))
                pytest.fail(told)


@pytest.mark.parametrize(
    ("kind", "text"),
    [(Positive, "nan"), (Positive, "-1"), (Positive, "inf"), (Seed, "-5"), (Seed, "1.5"),
     (Seed, str(2**31)), (Positive, "x")],
)  # fmt: skip
def test_a_protocols_option_has_the_bounds_of_a_setting(kind, text):
    with pytest.raises(argparse.ArgumentTypeError, match=rf"{text}: Input should be"):
        typed(kind)(text)


def test_a_side_that_no_protocol_takes_is_refused_by_its_argument(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(
            ["compare", "--data", "a", "--backbone", "b", "--out", "c", "--image-size", "7"]
        )
    assert "argument --image-size: 7: Input should be greater" in capsys.readouterr().err


def test_an_option_is_read_as_its_type():
    assert (typed(Positive)("3e-5"), typed(Seed)("7"), typed(Path)("a")) == (3e-5, 7, Path("a"))


def test_a_command_in_a_message_can_be_pasted():
    assert command("look", Path("/my photos")) == "`python -m neco look '/my photos'`"
