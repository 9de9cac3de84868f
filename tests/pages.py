"""Reading Markdown pages: their commands, code within sentences, blocks of code, anchors."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Command(NamedTuple):
    """One program with its arguments, as a page shows it."""

    line: int
    words: list[str]
    whole: bool
    """Whether a reader could type it as it stands: it is in a block of code, without `...`."""

    def after(self, *starts: str) -> list[str] | None:
        """Return the words behind `starts` (space-separated), None where it begins otherwise."""
        for start in starts:
            head = start.split()
            if self.words[: len(head)] == head:
                return self.words[len(head) :]
        return None


def read(page: Path) -> str:
    """Return what a page shows: its text, with empty lines for comments."""
    comment = re.compile(r"<!--.*?-->", re.DOTALL)
    return comment.sub(lambda found: "\n" * found[0].count("\n"), page.read_text())


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line, language, code) of every block of code; an indented one has no language."""
    lines = [*text.split("\n"), ""]
    kept, language, began = [], None, 0
    for number, line in enumerate(lines, start=1):
        fence = re.match(r"\s*```(\w*)", line)
        if language is not None:  # within a fence
            if fence:
                yield began, language, "\n".join(kept)
                kept, language = [], None
            else:
                kept.append(line)
        elif fence:
            language, began, kept = fence[1], number + 1, []
        elif re.match(r" {4,}\S", line) and (kept or not lines[number - 2].strip()):
            began = began if kept else number
            kept.append(line)
        elif kept:
            yield began, "", "\n".join(kept)
            kept = []


def spans(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, content) of every piece of code within a sentence."""
    blanked = re.sub(r"(?ms)^\s*```.*?^\s*```", lambda found: "\n" * found[0].count("\n"), text)
    for found in re.finditer(r"(?<!`)`([^`]+)`(?!`)", blanked):
        yield blanked.count("\n", 0, found.start()) + 1, " ".join(found[1].split())


def commands(page: Path) -> list[Command]:
    """Return the commands of a page, those within sentences too."""
    text = read(page)
    found = []
    for line, language, code in blocks(text):
        if language in ("", "bash", "sh", "shell", "console"):
            joined = re.sub(r"\\\n\s*", " ", code)
            for row in joined.split("\n"):
                found += [Command(line, words, "..." not in words) for words in simple(row)]
    for line, code in spans(text):
        found += [Command(line, words, False) for words in simple(code)]
    return [one for one in found if one.words]


def simple(row: str) -> list[list[str]]:
    """Return the words of each command in a row of shell, without variables, launchers, `...`."""
    words = shlex.shlex(row, posix=True, punctuation_chars="&|;<>()")
    words.whitespace_split = True
    try:
        told = list(words)
    except ValueError:  # an apostrophe in a sentence: no command
        return []
    found: list[list[str]] = [[]]
    skipped = False
    for word in told:
        if word in ("&&", "||", "|", ";", "&"):
            found.append([])
        elif word in (">", ">>", "<"):
            skipped = True
        elif skipped:
            skipped = False
        else:
            found[-1].append(word)
    return [_without_launcher(words) for words in found]


def _without_launcher(words: list[str]) -> list[str]:
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words and words[0] in ("srun", "exec", "nohup"):
        start = next((n for n, word in enumerate(words) if word.startswith("python")), len(words))
        words = words[start:]
    if words and words[0] in ("python3", ".venv/bin/python"):
        words = ["python", *words[1:]]
    return [word.removeprefix(".venv/bin/") for word in words]


def braces(word: str) -> list[str]:
    """Return what a shell makes of `{a,b}` in a word."""
    found = re.search(r"\{([^{}]*,[^{}]*)\}", word)
    if not found:
        return [word]
    start, end = word[: found.start()], word[found.end() :]
    return [one for part in found[1].split(",") for one in braces(start + part + end)]


def slugs(text: str) -> set[str]:
    """Return the anchors that headings of a page make."""
    headings = re.sub(r"(?ms)^```.*?^```", "", text)
    titles = re.findall(r"^#+ (.+?)\s*$", headings, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}
