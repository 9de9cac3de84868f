import pytest
from hypothesis import given
from hypothesis import strategies as st

from neco.data.text import decoded, lines_of, read_any_text
from neco.errors import UserError

TEXT = "background\nBäume\nStraße\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252"]
)
def test_what_editors_write_is_read(encoding):
    assert lines_of(decoded(TEXT.encode(encoding), "x")) == ["background", "Bäume", "Straße"]


def test_big_endian_with_a_mark_is_read():
    assert decoded(b"\xfe\xff" + TEXT.encode("utf-16-be"), "x") == TEXT


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_utf_8_comes_back(text):
    assert decoded(b"\xef\xbb\xbf" + text.encode(), "x") == text


@pytest.mark.parametrize("data", [b"a\0b", b"\xff\xfea", "cat".encode("utf-16-le")])
def test_what_is_no_text_is_refused(data):
    with pytest.raises(UserError, match=r"c\.txt: is no readable text; save it .* UTF-8"):
        decoded(data, "c.txt")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_any_text(tmp_path)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_of_every_system(line_end):
    assert lines_of(f" a {line_end}{line_end}b") == ["a", "b"]
