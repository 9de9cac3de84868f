"""The short table at a project's end: scores and gains come in, text for each medium comes out.

The media are the terminal, Markdown, CSV and HTML.
"""

import csv
import io
from html import escape
from pathlib import Path

from rich.console import Console
from rich.markup import escape as escape_markup
from rich.table import Table as RichTable

from neco.paper.reported import DATASET_TITLES
from neco.report.markup import markdown_text, page, write_texts
from neco.report.scores.groups import Group
from neco.report.scores.measured import Score
from neco.report.summary.gains import Gain, Overview, verdicts
from neco.report.summary.paired import Quantity
from neco.report.tables.cells import NOT_RUN, signed

TITLE = "Models and gains over their starting backbones (mIoU in percent)"


def _text(score: Score | None) -> str:
    if score is None:
        return NOT_RUN
    return f"{score.mean:.1f}" + (f" ± {score.std:.1f}" if score.std is not None else "")


def _blocks(overview: Overview) -> dict[str, list[int]]:
    """Return the columns of each dataset, so that no table is wider than a terminal."""
    blocks: dict[str, list[int]] = {}
    for index, quantity in enumerate(overview.quantities):
        title = DATASET_TITLES.get(quantity.dataset, quantity.dataset)
        blocks.setdefault(title, []).append(index)
    return blocks


def _rows(overview: Overview, block: list[int]) -> list[list[str]]:
    """Return the texts of each row: model, training seeds, then score and gain of each quantity.

    A gain is empty where there is none.
    """
    gains = {(gain.run.handle, gain.quantity): gain for gain in overview.gains}
    lines = []
    for group, scores in overview.rows:
        if not any(scores[index] for index in block):
            continue
        line = [group.title, str(len(group.members)) if group.is_run else ""]
        for index in block:
            quantity = overview.quantities[index]
            gain = gains.get((group.handle, quantity))
            apart = overview.paired.text(group, quantity) if overview.paired else ""
            below = ", ".join(filter(None, (_gain_text(gain) if gain else "", apart)))
            line += [_text(scores[index]), below]
        lines.append(line)
    return lines


def _gain_text(gain: Gain) -> str:
    spread = f" ± {gain.score.std:.1f}" if gain.score.std is not None else ""
    return f"{signed(gain.score.mean)}{spread} ({gain.wins}/{len(gain.score.by_seed)})"


def notes(overview: Overview) -> list[str]:
    """Return what ± means, and the footer."""
    spread = (
        "± is the sample standard deviation: over training seeds for a run with several, "
        "else over evaluation seeds. A gain is run minus start; in brackets, in how many training "
        "seeds it is positive."
    )
    apart = [overview.paired.note()] if overview.paired and overview.paired.found else []
    return [spread, *apart, *overview.footer.lines()]


def _below(overview: Overview) -> str:
    """Return the heading of what stands below, or beside, a number."""
    apart = overview.paired if overview.paired and overview.paired.found else None
    told = [f"difference to {apart.baseline.title}"] if apart else []
    return ", ".join(["gain (seeds better)"] * bool(overview.gains or not told) + told)


def _notes(overview: Overview, footer: bool) -> list[str]:
    told = notes(overview)
    return told if footer else told[: len(told) - len(overview.footer.lines())]


def print_summary(overview: Overview, console: Console | None = None) -> None:
    """Print a table for each dataset and the verdicts. They fit a terminal of 80 columns."""
    console = console or Console()
    for title, block in _blocks(overview).items():
        heading = f"{escape_markup(title)}: mIoU in percent, gain over start"
        table = RichTable(title=heading, title_justify="left")
        table.add_column("Model")
        table.add_column("Seeds", justify="right")
        for index in block:
            quantity = overview.quantities[index]
            named = escape_markup(f"{quantity.protocol}\n{quantity.setting}")
            table.add_column(named, justify="right")
        for name, seeds, *texts in _rows(overview, block):
            cells = ["\n".join(filter(None, texts[i : i + 2])) for i in range(0, len(texts), 2)]
            cells = [cell.replace(" [", "\n[") for cell in cells]
            table.add_row(*map(escape_markup, (name, seeds, *cells)))
        console.print(table)
    for sentence in verdicts(overview):
        console.print(f"* {sentence}", highlight=False, markup=False)


def markdown(overview: Overview) -> str:
    """Return the tables and the verdicts as Markdown."""
    lines = [f"# {TITLE}", ""]
    for title, block in _blocks(overview).items():
        header = ["Model", "Training seeds"]
        for index in block:
            quantity = overview.quantities[index]
            name = markdown_text(f"{quantity.protocol} {quantity.setting}".strip())
            header += [name, _below(overview)]
        lines += [f"## {markdown_text(title)}", "", "| " + " | ".join(header) + " |"]
        lines.append("| --- |" + " ---: |" * (len(header) - 1))
        for line in _rows(overview, block):
            lines.append("| " + " | ".join(map(markdown_text, line)) + " |")
        lines.append("")
    lines += [*(f"- {markdown_text(sentence)}" for sentence in verdicts(overview)), ""]
    lines += [f"{markdown_text(note)}  " for note in notes(overview)]
    return "\n".join(lines).rstrip() + "\n"


def html(overview: Overview, footer: bool = True) -> str:
    """Return the tables and the verdicts as an HTML fragment (no heading)."""
    parts = []
    for title, block in _blocks(overview).items():
        parts.append(f'<h3>{escape(title)}</h3><div class="scroll"><table><thead><tr>')
        parts.append('<th>Model</th><th class="number">Seeds</th>')
        for index in block:
            quantity = overview.quantities[index]
            name = escape(f"{quantity.protocol} {quantity.setting}".strip())
            parts.append(f'<th class="number">{name}</th>')
        parts.append("</tr></thead><tbody>")
        for name, seeds, *texts in _rows(overview, block):
            parts.append(f'<tr><td>{escape(name)}</td><td class="number">{seeds}</td>')
            for score, gain in zip(texts[::2], texts[1::2], strict=True):
                below = f'<br><span class="gain">{escape(gain)}</span>' if gain else ""
                parts.append(f'<td class="number">{escape(score)}{below}</td>')
            parts.append("</tr>")
        parts.append("</tbody></table></div>")
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in verdicts(overview))
    closing = "<br>".join(map(escape, _notes(overview, footer)))
    return f'{"".join(parts)}<ul class="verdict">{said}</ul><p class="notes">{closing}</p>'


def as_csv(overview: Overview) -> str:
    """Return one line per model and quantity."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    columns = ("model", "kind", "start", "dataset", "protocol", "setting", "mIoU", "std", "spread")
    apart = ("against", "difference", "difference_low", "difference_high", "sure")
    writer.writerow((*columns, "gain", "gain_std", "seeds_better", "seeds", *apart))
    gains = {(gain.run.handle, gain.quantity): gain for gain in overview.gains}
    for group, scores in overview.rows:
        for quantity, score in zip(overview.quantities, scores, strict=True):
            kind = "released" if group.is_released else group.members[0].kind
            place = [group.handle, kind, group.start or ""]
            place += [quantity.dataset, quantity.protocol, quantity.setting]
            values = [_number(score.mean if score else None), _number(score.std if score else None)]
            gain = gains.get((group.handle, quantity))
            writer.writerow(
                [
                    *place,
                    *values,
                    score.spread if score else "",
                    _number(gain.score.mean if gain else None),
                    _number(gain.score.std if gain else None),
                    gain.wins if gain else "",
                    len(gain.score.by_seed) if gain else "",
                    *_apart(overview, group, quantity),
                ]
            )
    return buffer.getvalue()


def _apart(overview: Overview, group: Group, quantity: Quantity) -> list[str]:
    paired = overview.paired
    apart = paired.found.get((group.handle, quantity)) if paired else None
    if paired is None or apart is None:
        return [""] * 5
    numbers = [_number(value + 0.0) for value in (apart.value, *apart.interval)]
    return [paired.baseline.handle, *numbers, str(apart.sure)]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def write_summary(overview: Overview, into: Path) -> list[Path]:
    """Write summary.md, .csv and .html to `into`; return the paths."""
    return write_texts(
        into / "summary",
        md=markdown(overview),
        csv=as_csv(overview),
        html=page(TITLE, f"<h1>{TITLE}</h1>{html(overview)}"),
    )
