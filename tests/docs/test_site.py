"""The website's pages hold the lists and code that a code host shows."""

import importlib.util
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

markdown = pytest.importorskip("markdown")
pytest.importorskip("mkdocs")

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks" / "results" / "README.md",
]
NESTED = """A paragraph.
- one
  goes on

      code of one

  1. inner

     goes on
- two

  ```
  - no item
  ```
- three takes
  60. That is a sentence.

A sentence with a number at its end took
13. Another one.

1. one
   1. inner
   2. inner
2. two
"""


def _hook():
    path = ROOT / "docs" / "site" / "repository.py"
    spec = importlib.util.spec_from_file_location("repository", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _structure(html: str) -> list[str]:
    return re.findall(r"</?(?:ul|ol|li|pre|h\d)\b", html)


@pytest.mark.parametrize("text", [NESTED, *(page.read_text() for page in PAGES)])
def test_python_markdown_sees_the_lists_and_code_that_commonmark_sees(text: str) -> None:
    commonmark = MarkdownIt("commonmark").enable("table").render(text)
    extensions = ["tables", "pymdownx.superfences"]
    here = markdown.markdown(_hook().deeper(text), extensions=extensions)
    assert _structure(here) == _structure(commonmark)
