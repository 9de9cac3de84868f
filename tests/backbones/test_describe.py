"""docs/backbones.md says what the registry says, docs/backbone-families.md what was tried."""

from pathlib import Path

import pytest
import timm

from neco.backbones import families
from neco.backbones.describe import COMMAND, renewed, table
from neco.backbones.registry import BACKBONES
from neco.errors import UserError

DOCUMENT = Path(__file__).parents[2] / "docs" / "backbones.md"
FAMILIES = DOCUMENT.with_name("backbone-families.md")


def test_document_is_up_to_date() -> None:
    text = DOCUMENT.read_text()
    assert text == renewed(text, DOCUMENT, COMMAND, table()), f"run {COMMAND}"


def test_every_row_is_in_the_table_once() -> None:
    lines = table().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == list(BACKBONES)
    assert all(line.count(" | ") == 6 for line in lines)


def test_document_without_marks_is_refused() -> None:
    with pytest.raises(UserError, match=r"x\.md: lacks the lines"):
        renewed("# Backbones\n", Path("x.md"), COMMAND, "")


def test_every_family_of_timm_is_in_the_table_of_families() -> None:
    rows = [line.split(" | ") for line in FAMILIES.read_text().splitlines() if line[:3] == "| `"]
    assert {row[0].strip("| `") for row in rows} == set(timm.list_modules())
    assert sum(int(row[2]) for row in rows) == len(timm.list_models())
    for family, kind, _, model, *_, reason in rows:
        assert reason.strip(" |") or "no" not in (family, kind, model)


@pytest.mark.parametrize("model", ["test_vit", "test_resnet", "levit_128"])
def test_the_table_of_families_says_what_comes_out_now(model: str) -> None:
    rows = [line for line in FAMILIES.read_text().splitlines() if f"| `{model}` |" in line]
    _, family, kind, members, *_ = (cell.strip(" `") for cell in rows[0].split("|"))
    found = families.try_network(family, kind, [model] * int(members))
    assert families.table([found]).splitlines()[2] == rows[0]
