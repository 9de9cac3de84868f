from pathlib import Path

import pytest

from neco.data.describe import BEGIN, END, renewed
from neco.data.sources import archives, dataset_names
from neco.errors import UserError

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"


def test_the_document_is_what_the_table_says():
    text = DOCUMENT.read_text()
    assert renewed(text, DOCUMENT) == text, "run python -m neco.data.describe docs/data.md"


def test_every_dataset_and_archive_has_a_row():
    rows = renewed(f"{BEGIN}\n{END}", DOCUMENT).splitlines()
    for name in (*dataset_names(), *archives()):
        assert any(row.startswith((f"| `{name}`", f"| [{name}]")) for row in rows)


def test_a_document_without_marks_is_refused():
    with pytest.raises(UserError, match="lacks the lines"):
        renewed("nothing", DOCUMENT)
