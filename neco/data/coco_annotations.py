"""COCO's annotation JSON: an archive's member comes in, what a preparation keeps comes out.

It is read piece by piece, because the largest file would take several GB of memory.
"""

import codecs
import json
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Generic, TypeVar

from neco.data.archives import AGAIN, BROKEN, Member, broken
from neco.data.dataset import IGNORED
from neco.errors import UserError
from neco.progress import transfer_bar

Kept = TypeVar("Kept")
BLOCK = 1 << 20
LARGEST = 64 << 20
"""Most characters of one annotation. One that seems to have more is broken JSON."""
SPACE = " \t\r\n"


@dataclass(frozen=True)
class Annotations(Generic[Kept]):
    """What a preparation keeps of an annotation JSON."""

    source: Member
    categories: list[dict[str, Any]]
    file_names: dict[int, str]
    """The file name of each image, by its id."""
    entries: list[Kept]
    """What `keep` of `read_annotations` returned for each annotation."""

    def classes(self, keep: Callable[[dict[str, Any]], bool]) -> tuple[list[str], dict[int, int]]:
        """Return the sorted supercategory names, and the class id of every category id.

        A category that `keep` refuses names no class. Its id is 255, that of ignored pixels.
        """
        names = sorted({entry["supercategory"] for entry in self.categories if keep(entry)})
        label = {
            entry["id"]: names.index(entry["supercategory"]) if keep(entry) else IGNORED
            for entry in self.categories
        }
        return names, label

    def file_name(self, image: int) -> str:
        """Return an image's file name. Raises UserError for an id that the JSON does not list."""
        if image not in self.file_names:
            raise UserError(
                f"{self.source}: annotates image {image}, which it does not list; {AGAIN}"
            )
        return self.file_names[image]


def read_annotations(source: Member, keep: Callable[[dict[str, Any]], Kept]) -> Annotations[Kept]:
    """Return categories, image names and `keep(entry)` of every annotation.

    Raises UserError when the member is damaged, no JSON, or lacks what COCO's files have.
    """
    categories: list[dict[str, Any]] = []
    file_names: dict[int, str] = {}
    entries: list[Kept] = []
    seen = set()
    try:
        for key, entry in _elements(source):
            seen.add(key)
            if key == "annotations":
                entries.append(keep(entry))
            elif key == "images":
                file_names[entry["id"]] = entry["file_name"]
            elif key == "categories":
                categories.append(entry)
    except json.JSONDecodeError as error:
        raise UserError(f"{source}: not readable JSON ({error.msg}); {AGAIN}") from None
    except (KeyError, TypeError) as error:
        raise UserError(f"{source}: not COCO annotations (lacks {error}); {AGAIN}") from None
    except BROKEN as error:
        raise broken(source.archive, error) from None
    for key in ("annotations", "images", "categories"):
        if key not in seen:
            raise UserError(f"{source}: holds no {key}; {AGAIN}")
    return Annotations(source, categories, file_names, entries)


def refuse_unknown_images(
    images: Container[str], named: Iterable[str], annotations: object
) -> None:
    """Raise UserError when the annotations name an image that the image archives lack."""
    for name in named:
        if name not in images:
            raise UserError(
                f"{annotations}: names {name}, which the prepared `coco` images lack; the archives "
                "do not belong together, fetch both again and prepare `coco` anew"
            )


def _elements(source: Member) -> Iterator[tuple[str, Any]]:
    """Yield (key, element) for every element of every list of the top-level object."""
    with transfer_bar() as bar, source.open() as stream:
        task = bar.add_task(source.name.rpartition("/")[2], total=source.size)
        text = _Text(stream, lambda count: bar.advance(task, count))
        text.expect("{")
        while text.peek() != "}":
            key = text.value()
            text.expect(":")
            if text.peek() != "[":
                text.value()
            else:
                text.expect("[")
                while text.peek() != "]":
                    yield key, text.value()
                    if text.peek() == ",":
                        text.expect(",")
                text.expect("]")
            if text.peek() == ",":
                text.expect(",")


class _Text:
    """A JSON text that is read from a stream as far as needed."""

    def __init__(self, stream: IO[bytes], report: Callable[[int], None]) -> None:
        self._stream = stream
        self._report = report
        self._bytes = codecs.getincrementaldecoder("utf-8")()
        self._decode = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0

    def _more(self) -> bool:
        """Read a block more, and return whether the stream had one."""
        block = self._stream.read(BLOCK)
        self._report(len(block))
        self._text = self._text[self._at :] + self._bytes.decode(block, final=not block)
        self._at = 0
        return bool(block)

    def peek(self) -> str:
        """Return the next character that is no space."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                raise json.JSONDecodeError("ends too early", self._text[-40:], 0)

    def expect(self, character: str) -> None:
        """Step over one character, which has to be this one."""
        if self.peek() != character:
            raise json.JSONDecodeError(f"'{character}' expected", self._text[:40], 0)
        self._at += 1

    def value(self) -> Any:
        """Return the next value.

        A value that ends where the text so far ends may be the first half of a number. Then more
        is read before it counts.
        """
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
                if end < len(self._text):
                    self._at = end
                    return value
            except json.JSONDecodeError:
                if len(self._text) - self._at > LARGEST or not self._more():
                    raise
                continue
            if not self._more():
                raise json.JSONDecodeError("ends too early", self._text[-40:], 0)
