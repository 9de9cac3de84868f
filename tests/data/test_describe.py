from pathlib import Path

import pytest

from neco.config.folder import Folder, FolderSplit
from neco.data.describe import COMMAND, KEYS, keys, tables
from neco.data.sources import archives, dataset_names
from neco.documents import renewed

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.mark.parametrize(("mark", "content"), [(COMMAND, tables), (KEYS, keys)])
def test_the_document_is_up_to_date(mark, content):
    text = DOCUMENT.read_text()
    assert renewed(text, DOCUMENT, mark, content()) == text, f"run {COMMAND}"


def test_every_dataset_and_archive_has_a_row():
    rows = tables().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == dataset_names()
    for archive in archives().values():
        shown = f"[{archive.name}]({archive.url})" if archive.url else f"`{archive.name}/`"
        assert any(shown in row and archive.licence in row for row in rows)


def test_every_key_of_a_folders_settings_has_a_row():
    rows = keys().splitlines()
    for key in (*Folder.model_fields, *(f"splits.NAME.{key}" for key in FolderSplit.model_fields)):
        assert any(row.startswith(f"| `{key}` | ") and len(row) > 40 for row in rows)
