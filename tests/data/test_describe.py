from pathlib import Path

import pytest

from neco.config.folder import Folder, FolderSplit
from neco.data.describe import BEGIN, END, KEYS, renewed, tables
from neco.data.sources import archives, dataset_names
from neco.errors import UserError

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_document_is_what_the_table_says():
    text = DOCUMENT.read_text()
    assert renewed(text, DOCUMENT) == text, "run python -m neco.data.describe docs/data.md"


def test_every_dataset_and_archive_has_a_row():
    rows = tables().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == dataset_names()
    for archive in archives().values():
        shown = f"[{archive.name}]({archive.url})" if archive.url else f"`{archive.name}/`"
        assert any(shown in row and archive.licence in row for row in rows)


def test_every_key_of_a_folders_settings_has_a_row():
    rows = renewed(f"{BEGIN}\n{END}\n{KEYS}\n{END}", DOCUMENT).splitlines()
    for key in (*Folder.model_fields, *(f"splits.NAME.{key}" for key in FolderSplit.model_fields)):
        assert any(row.startswith(f"| `{key}` | ") and len(row) > 40 for row in rows)


def test_a_document_without_marks_is_refused():
    with pytest.raises(UserError, match="lacks the lines"):
        renewed("nothing", DOCUMENT)
