"""Shapes in docstrings and comments use the letters of the legend in neco/__init__.py."""

import io
import re
import tokenize
from pathlib import Path

import neco

NAMED = re.findall(r"^    ([A-Z](?:, [A-Za-z])?) ", neco.__doc__ or "", re.MULTILINE)
LEGEND = set(re.findall(r"[A-Z]", "".join(NAMED)))
SHAPE = re.compile(r"\(([^()]*)\)")


def letters_of(text: str) -> set[str]:
    """Return the capital letters in the sizes of every shape in a text, as in (B, R + 1)."""
    shapes = [shape for shape in SHAPE.findall(text) if "," in shape]
    sizes = [size.strip() for shape in shapes for size in shape.split(",")]
    plain = [size for size in sizes if re.fullmatch(r"[A-Z](\s*[*+/-]\s*\w+)*", size)]
    return {letter for size in plain for letter in re.findall(r"\b[A-Z]\b", size)}


def words_of(path: Path) -> str:
    """Return a module's comments and docstrings."""
    read = io.BytesIO(path.read_bytes()).readline
    words = (tokenize.COMMENT, tokenize.STRING)
    return "\n".join(t.string for t in tokenize.tokenize(read) if t.type in words)


def test_the_legend_is_read():
    assert {"B", "G", "V", "H", "W", "S", "R", "D", "Q"} <= LEGEND


def test_a_strange_letter_is_found():
    assert letters_of("tokens (rows, T * 2, dim) of (paper, section A), (N,)") == {"T", "N"}


def test_shapes_have_the_letters_of_the_legend():
    modules = sorted(Path(neco.__file__).parent.rglob("*.py"))
    found = {str(path): letters_of(words_of(path)) - LEGEND for path in modules}
    assert {name: letters for name, letters in found.items() if letters} == {}
