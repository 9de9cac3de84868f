"""Files of the repository that pages link to become pages of the site, so that it stands alone.

A page writes `[text](../config/defaults.yaml)`, as it would on a code host. Here that file becomes
`repository/config/defaults.yaml.md`: Markdown as it is, other text as code, a folder as a list of
its files; pictures are copied. A link to a file that does not exist is left alone, and fails
`mkdocs build --strict`. MkDocs calls the functions that are named on_*.
"""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

FOLDER = "repository"
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
"""The path of a relative link, without its anchor."""
ITEM = re.compile(r" *([-*]|(\d+)\.) +(?=\S)")
PART = re.compile(r"^((?:#.*\n)*)([a-z_]+):$", re.MULTILINE)
"""A key of a YAML file that holds others, with the comment above it."""
LONG = 150
"""Lines from which a YAML file gets a heading for each of its parts."""
PICTURES = {".png", ".jpg", ".svg"}
LEXERS = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml", ".sh": "sh"}


def on_files(files: Files, config: Any) -> Files:
    """Add what is linked to from pages, or named in the menu, to the files of the site."""
    root = Path(config.config_file_path).parent
    docs = PurePosixPath(Path(config.docs_dir).relative_to(root).as_posix())
    menu = set(_named(config.nav))
    todo = [_path(uri, root) for uri in menu]
    for page in files.documentation_pages():
        todo += _outside(page.content_string, docs / page.src_uri, docs, root)
    while todo:
        path = todo.pop()
        uri = _site_uri(path)
        if files.get_file_from_path(uri):
            continue
        if uri.endswith(".md"):
            content = _as_page(root / path, path)
            todo += _outside(content, PurePosixPath(path), docs, root)
            found = "boost: 0.5" if uri in menu else "exclude: true"  # by the search
            content = f"---\nsearch: {{{found}}}\n---\n{content}"
            files.append(File.generated(config, uri, content=content))
        else:
            files.append(File.generated(config, uri, abs_src_path=str(root / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Return a page whose links lead into the site, and whose lists Python-Markdown understands."""
    root = Path(config.config_file_path).parent
    docs = Path(config.docs_dir).relative_to(root).as_posix()
    here = page.file.src_uri
    source = _path(here, root) if here.startswith(f"{FOLDER}/") else f"{docs}/{here}"

    def inside(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[1]))
        if not (root / target).exists():
            return link[1]
        uri = target.removeprefix(f"{docs}/")
        uri = uri if uri != target else _site_uri(target)
        return posixpath.relpath(uri, posixpath.dirname(here) or ".")

    return deeper(LINK.sub(inside, markdown))


def _named(nav: Any) -> Iterator[str]:
    """Yield the pages of the menu that show files of the repository."""
    for entry in nav.values() if isinstance(nav, dict) else nav:
        if not isinstance(entry, str):
            yield from _named(entry)
        elif entry.startswith(f"{FOLDER}/"):
            yield entry


def _outside(text: str, source: PurePosixPath, docs: PurePosixPath, root: Path) -> list[str]:
    """Return the files of the repository, outside of the documentation, that a page links to."""
    found = {posixpath.normpath(str(source.parent / link)) for link in LINK.findall(text)}
    return sorted(
        path for path in found if (root / path).exists() and not path.startswith((f"{docs}/", ".."))
    )


def _site_uri(path: str) -> str:
    """Return where a file of the repository lies in the site's sources."""
    if PurePosixPath(path).suffix in {".md", *PICTURES}:
        return f"{FOLDER}/{path}"
    return f"{FOLDER}/{path}.md"


def _path(uri: str, root: Path) -> str:
    """Return which file of the repository a page of the site shows."""
    path = uri.removeprefix(f"{FOLDER}/")
    return path if (root / path).exists() else path.removesuffix(".md")


def _as_page(file: Path, path: str) -> str:
    """Return a file or folder of the repository as Markdown."""
    if file.is_dir():
        names = sorted(each.name for each in file.iterdir() if not each.name.startswith(("_", ".")))
        return "\n".join([f"# {path}/", "", *(f"- `{name}`" for name in names), ""])
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return text
    language = LEXERS.get(file.suffix, "text")
    if language == "yaml" and text.count("\n") > LONG:
        text = PART.sub(rf"````\n\n## \2\n\n````{language}\n\1\2:", text)
    return f"# {path}\n\n````{language}\n{text}````\n"


def deeper(markdown: str) -> str:
    """Return Markdown whose list items are continued four columns in, as Python-Markdown asks.

    On code hosts what continues an item begins below its text, two or three columns in, and a
    sentence that is wrapped before `60.` stays a sentence.
    """
    lines: list[str] = []
    columns: list[int] = []  # where the text of the items begins that a line is part of
    numbers: dict[int, int] = {}  # of the last item, by its indent
    fence = apart = False  # inside of a fence; after an empty line since the last item began
    for line in markdown.splitlines():
        text = line.lstrip(" ")
        indent, in_list = len(line) - len(text), bool(columns)
        while not fence and text and columns and indent < columns[-1]:
            columns.pop()
        begins = columns[-1] if columns else 0
        item = None if fence else ITEM.match(line)
        if item and item[2]:
            number = int(item[2])
            if lines and lines[-1] and number not in (1, numbers.get(indent, 0) + 1):
                item, text = None, text.replace(".", "\\.", 1)
            else:
                numbers[indent] = number
        elif text and not item and not columns:
            numbers.clear()
        if item and lines and lines[-1] and (apart or not in_list):
            lines.append("")  # on code hosts an item needs no empty line before it
        lines.append(f"{' ' * (4 * len(columns) + max(indent - begins, 0))}{text}".rstrip(" "))
        apart = (apart or not text) and not item
        if item and indent - begins < 4:
            columns.append(len(item[0]))
        fence ^= text.startswith("```")
    return "\n".join(lines) + "\n"
