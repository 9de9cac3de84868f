"""Text files that people wrote: bytes come in, text comes out.

They may be in UTF-8 with or without a mark, in UTF-16 or in Latin-1, with any line ends.
"""

import codecs
from pathlib import Path

from neco.errors import UserError

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks. UTF-32's comes first, because it begins like UTF-16's."""


def decoded(data: bytes, where: object) -> str:
    """Return the text of a file.

    A byte order mark decides. Without one the text is UTF-8, or else Latin-1 as Windows writes it.
    Raises UserError naming `where` for what is no text.
    """
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace") if encoding == "utf-8" else "\0"
    if "\0" in text:
        raise UserError(f"{where}: is no readable text; save it as plain text in UTF-8")
    return text


def read_any_text(path: Path) -> str:
    """Return the text of a file. Raises UserError for one that cannot be read or is no text."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); make it a readable text file"
        ) from None
    return decoded(data, path)


def lines_of(text: str) -> list[str]:
    """Return the stripped lines that are not empty."""
    return [line.strip() for line in text.splitlines() if line.strip()]
