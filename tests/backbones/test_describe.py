"""docs/backbones.md says what the registry says, docs/backbone-families.md what was tried."""

from pathlib import Path

import pytest
import timm

from neco.backbones import families
from neco.backbones.describe import COMMAND, table
from neco.backbones.registry import BACKBONES
from neco.documents import renewed

DOCUMENT = Path(__file__).parents[2] / "docs" / "backbones.md"
FAMILIES = DOCUMENT.with_name("backbone-families.md")
RESULTS = families.read_results(
    DOCUMENT.parents[1] / "benchmarks" / "results" / "backbone-families.jsonl"
)


def test_document_is_up_to_date() -> None:
    text = DOCUMENT.read_text()
    assert text == renewed(text, DOCUMENT, COMMAND, table()), f"run {COMMAND}"


def test_every_name_is_in_the_table_once_beside_its_own_licence() -> None:
    rows = [line.strip("| ").split(" | ") for line in table().splitlines()[2:]]
    named = {name: cells for cells in rows for name in cells[0].split("`")[1::2]}
    assert len(rows) < len(named) and sorted(named) == sorted(BACKBONES)
    assert sum(cells[0].count("`") for cells in rows) == 2 * len(BACKBONES)
    for name, (_, network, _, licence, *note) in named.items():
        row = BACKBONES[name]
        assert network.startswith(row.method) and network.endswith(f"({row.image_size})")
        assert not row.architecture or row.label in network
        assert licence == row.licence and [row.note] == (note or [""])


def test_the_table_of_families_is_up_to_date() -> None:
    text = FAMILIES.read_text()
    assert text == renewed(text, FAMILIES, families.COMMAND, families.table(RESULTS))


def test_every_family_of_timm_was_tried() -> None:
    assert {one.family for one in RESULTS} == set(timm.list_modules())
    assert sum(one.members for one in RESULTS) == len(timm.list_models())
    assert all(one.reason or one.trains == "yes" for one in RESULTS)


def test_the_table_of_families_has_every_kind_once_and_short_reasons() -> None:
    rows = [row.split(" | ") for row in families.table(RESULTS).splitlines()[2:-2]]
    assert sum(row[-1].count("`") // 2 for row in rows) == len(RESULTS)
    assert {row[4].strip() for row in rows} <= {"", *families.WHY.values()}
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)


@pytest.mark.parametrize("model", ["test_vit", "test_resnet", "levit_128"])
def test_a_family_that_is_tried_again_gives_the_same(model: str) -> None:
    written = next(one for one in RESULTS if one.model == model)
    models = [model] * written.members
    assert families.try_network(written.family, written.kind, models) == written
