"""An HTML page in one file: its body comes in, the page with its style inside comes out.

It is readable in light, in dark and on a phone.
"""

import re
from html import escape
from pathlib import Path

from neco.files import write_text

MARKED = re.compile(r"[\\`*\[\]<>|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=#?\w+;)")
"""Characters that can mean something in Markdown, GitHub's tables and formulas included."""


def markdown_text(text: str) -> str:
    """Return any text on one line, escaped so that Markdown shows it as it is."""
    return MARKED.sub(lambda found: f"\\{found[0]}", " ".join(text.split()))


STYLE = """
:root { color-scheme: light dark; --text: #1b1b1f; --paper: #ffffff; --soft: #5c5f66;
  --line: #d9dbe0; --band: #f4f5f7; --better: #0b6e4f; --worse: #a33a00; --accent: #0b57a4; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e6e9; --paper: #15161a; --soft: #a2a6af;
  --line: #363941; --band: #1f2127; --better: #4cc38a; --worse: #ff9a5c; --accent: #7db4ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 78rem; color: var(--text);
  background: var(--paper); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: .5rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
a { color: var(--accent); }
.caption, .notes, figcaption { color: var(--soft); max-width: 60rem; }
.notes { font-size: .85rem; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
thead { border-top: 2px solid var(--text); border-bottom: 1px solid var(--text); }
tbody { border-bottom: 2px solid var(--text); }
th, td { padding: .25rem .5rem; text-align: left; }
th.group { text-align: center; border-bottom: 1px solid var(--line); }
thead tr:nth-child(2) th { text-align: right; font-weight: 400; color: var(--soft); }
td:first-child, th:first-child { position: sticky; left: 0; background: var(--paper);
  white-space: normal; min-width: 7rem; }
tr.section th:first-child { min-width: 0; }
span.gain { color: var(--accent); }
td.number, th.number { text-align: right; }
.first { padding-left: 1rem; }
td.ours { font-weight: 600; }
td.missing { color: var(--soft); font-style: italic; }
td.better { color: var(--better); } td.worse { color: var(--worse); }
tr.section th { padding-top: .8rem; font-weight: 600; color: var(--soft);
  border-top: 1px solid var(--line); }
tr.gain td { color: var(--soft); } tbody tr:hover { background: var(--band); }
figure { margin: 1rem 0 1.5rem; }
figure img { max-width: 100%; height: auto; border-radius: 4px; background: #ffffff; }
pre, code { font: .85rem/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
pre { background: var(--band); padding: .75rem 1rem; border-radius: 6px; overflow-x: auto; }
details { margin: .5rem 0; } summary { cursor: pointer; font-weight: 600; padding: .25rem 0; }
nav ul { columns: 16rem; padding-left: 1.2rem; } nav li { break-inside: avoid; }
.verdict { border-left: 4px solid var(--accent); padding: .25rem 0 .25rem 2rem; }
"""


def page(title: str, body: str) -> str:
    """Return a whole HTML document around `body` (already HTML)."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def write_texts(stem: Path, **texts: str) -> list[Path]:
    """Write each text to <stem>.<its name> and return the paths."""
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_text(path, text)
    return paths
