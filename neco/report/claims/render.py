"""The claims: those that were checked come in, pages and files that list them come out.

They say which claims hold here, which do not, and which were not computed.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable
from html import escape
from pathlib import Path

from rich.console import Console

from neco.paper.conditions import RERUN
from neco.report.claims.verify import Claim
from neco.report.markup import markdown_text, page, write_texts
from neco.report.tables.cells import MARK, Footer

TITLE = "Claims of the paper, held against our numbers"
KINDS = {
    "gain": "NeCo gains over its start (same sign as the paper's)",
    "best": "The paper's best row is the best here",
    "order": "All rows that ran are ordered as in the paper",
    "value": f"A cell is the paper's within {RERUN:g} point or two standard deviations",
}
ORDER = ("holds", "holds in some seeds", "does not hold", "another scale", "not run")


def counts(claims: Iterable[Claim]) -> dict[str, Counter[str]]:
    """Return how many claims of each kind have each status."""
    found: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for claim in claims:
        found[claim.kind][claim.status] += 1
    return found


def _line(claim: Claim) -> str:
    mark = MARK if claim.scaled else ""
    return f"Table {claim.table}: {claim.text} — {claim.status}{mark}. {claim.evidence}".rstrip()


def _tally(claims: list[Claim]) -> list[str]:
    return [
        f"{KINDS[kind]}: "
        + (", ".join(f"{tally[name]} {name}" for name in ORDER if tally[name]) or "none")
        for kind, tally in counts(claims).items()
    ]


def print_claims(claims: list[Claim]) -> None:
    """Print the counts, and then every claim that ran, gains first."""
    console = Console()
    for line in _tally(claims):
        console.print(line, highlight=False, markup=False)
    for claim in _ran(claims):
        console.print(f"* {_line(claim)}", highlight=False, markup=False)


def _ran(claims: list[Claim]) -> list[Claim]:
    kinds = list(KINDS)
    ran = [claim for claim in claims if claim.status != "not run"]
    return sorted(ran, key=lambda claim: (kinds.index(claim.kind), ORDER.index(claim.status)))


def markdown(claims: list[Claim], own: list[str], footer: Footer) -> str:
    """Return the page with counts, our own gains, and the claims by kind and status.

    own: sentences on the gains of our runs.
    """
    lines = [f"# {TITLE}", "", *(f"- {line}" for line in _tally(claims)), ""]
    lines += [f"{MARK} measured at another scale than the paper's.", ""]
    if own:
        lines += [
            "## Gains of every run over its start",
            "",
            *(f"- {markdown_text(text)}" for text in own),
            "",
        ]
    for kind, title in KINDS.items():
        of_kind = [claim for claim in claims if claim.kind == kind]
        lines += [f"## {title}", ""]
        for status in ORDER:
            some = [claim for claim in of_kind if claim.status == status]
            if not some:
                continue
            lines += [f"### {status.capitalize()} ({len(some)})", ""]
            lines += [f"- {markdown_text(_line(claim))}" for claim in some] + [""]
    lines += [f"{markdown_text(line)}  " for line in footer.lines()]
    return "\n".join(lines).rstrip() + "\n"


def html(claims: list[Claim], own: list[str]) -> str:
    """Return an HTML fragment: counts, and the claims, of which those that did not run are
    folded."""
    parts = ["<ul>", *(f"<li>{escape(line)}</li>" for line in _tally(claims)), "</ul>"]
    parts.append(f"<p class='notes'>{MARK} measured at another scale than the paper's.</p>")
    if own:
        parts += ["<h3>Gains of every run over its start</h3><ul>"]
        parts += [f"<li>{escape(text)}</li>" for text in own] + ["</ul>"]
    ran = _ran(claims)
    if ran:
        parts.append("<details open><summary>Claims that ran</summary><ul>")
        parts += [f"<li>{escape(_line(claim))}</li>" for claim in ran] + ["</ul></details>"]
    missing = [claim for claim in claims if claim.status == "not run"]
    parts.append(f"<details><summary>Not run ({len(missing)})</summary><ul>")
    parts += [f"<li>Table {c.table}: {escape(c.text)}</li>" for c in missing]
    return "".join([*parts, "</ul></details>"])


def as_csv(claims: list[Claim]) -> str:
    """Return one line per claim."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("kind", "table", "claim", "status", "evidence", "other_scale"))
    for claim in claims:
        row = (claim.kind, claim.table, claim.text, claim.status, claim.evidence)
        writer.writerow((*row, str(claim.scaled).lower()))
    return buffer.getvalue()


def write_claims(claims: list[Claim], own: list[str], footer: Footer, into: Path) -> list[Path]:
    """Write claims.md, .csv and .html to `into`, and return the paths."""
    closing = "<br>".join(map(escape, footer.lines()))
    body = f"<h1>{TITLE}</h1>{html(claims, own)}<p class='notes'>{closing}</p>"
    return write_texts(
        into / "claims",
        md=markdown(claims, own, footer),
        csv=as_csv(claims),
        html=page(TITLE, body),
    )
