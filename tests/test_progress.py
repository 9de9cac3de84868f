"""One line over work of several steps: bars inside move it, and it is alone on the screen."""

import io
import logging

import pytest
from rich.console import Console

from neco import progress
from neco.progress import ProgressLine, counting_bar, drawn_line


@pytest.fixture
def written(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=stream, width=100))
    return stream


def test_a_bar_inside_moves_the_line_and_draws_nothing(written):
    assert drawn_line() is None
    with ProgressLine(1.0) as line:
        assert drawn_line() is line
        with line.step("prepare", 0.0, 0.5), counting_bar() as bar:
            task = bar.add_task("images", total=4)
            for _ in range(4):
                bar.advance(task)
        with line.step("train", 0.5, 1.0):
            line.inside(0.4, "step 4/10")
    assert drawn_line() is None
    assert written.getvalue().splitlines() == [
        "0 % done: prepare",
        "10 % done: prepare: 1 of 4",
        "20 % done: prepare: 2 of 4",
        "30 % done: prepare: 3 of 4",
        "50 % done: prepare: 4 of 4",
        "70 % done: train: step 4/10",
        "100 % done: train",
    ]


def test_an_error_leaves_no_line_behind(written):
    with pytest.raises(KeyError), ProgressLine(1.0) as line, line.step("a", 0, 1):
        raise KeyError
    assert drawn_line() is None
    assert type(counting_bar()) is progress.Progress


def test_on_a_terminal_what_is_logged_stays_whole(monkeypatch):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(progress, "console", console)
    import sys

    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    try:
        with ProgressLine(1.0, left=False) as line, line.step("a", 0, 1):
            assert handler.stream is sys.stderr
            logging.getLogger("test").warning("said in between")
        assert handler.stream is sys.stderr
    finally:
        logging.getLogger().removeHandler(handler)
    assert "said in between\n" in stream.getvalue()
