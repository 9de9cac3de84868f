"""docs/backbones.md says what the registry says."""

from pathlib import Path

import pytest

from neco.backbones.describe import renewed, table
from neco.backbones.registry import BACKBONES
from neco.errors import UserError

DOCUMENT = Path(__file__).parents[2] / "docs" / "backbones.md"


def test_document_is_up_to_date() -> None:
    text = DOCUMENT.read_text()
    assert text == renewed(text, DOCUMENT), (
        "run python -m neco.backbones.describe docs/backbones.md"
    )


def test_every_row_is_in_the_table_once() -> None:
    lines = table().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == list(BACKBONES)
    assert all(line.count(" | ") == 6 for line in lines)


def test_document_without_marks_is_refused() -> None:
    with pytest.raises(UserError, match=r"x\.md: lacks the lines"):
        renewed("# Backbones\n", Path("x.md"))
