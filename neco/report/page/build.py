"""The whole report as one HTML file: metrics and figures come in, one page comes out.

It needs no network, no server and no other file.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from neco.config.compare import Compare
from neco.evaluate.result import Metrics, read_result
from neco.files import write_text
from neco.paper.figures import FIGURES
from neco.paper.reported import Reported, read_reported
from neco.paper.tables import LAYOUTS
from neco.report.claims.render import html as claims_html
from neco.report.claims.verify import verify
from neco.report.figures.curves import read_curve, write_curves
from neco.report.markup import page
from neco.report.page.captions import CAPTIONS, TITLES
from neco.report.scores.groups import Group
from neco.report.scores.measured import Measured, read_measured
from neco.report.summary.gains import build_overview
from neco.report.summary.render import html as summary_html
from neco.report.tables.build import build_table
from neco.report.tables.cells import Footer, Table
from neco.report.tables.render import heading
from neco.report.tables.render import html as table_html

LARGE = 300_000
"""Most bytes of a PNG. A larger picture is embedded as JPEG."""
FIRST = ("overlays", "figure-2", "figure-6")
"""Pictures that stand before the tables. The others stand behind them."""


def write_report(
    path: Path,
    metrics: Path,
    groups: Sequence[Group],
    footer: Footer,
    *,
    figures: Path,
    tables: Sequence[str] = tuple(LAYOUTS),
    runs: Mapping[str, Sequence[Path]] | None = None,
    config: Path | None = None,
    rerun: Sequence[str] = (),
    against: str | None = None,
    paired: Compare | None = None,
) -> Path:
    """Write the report to `path` and return it.

    figures: the folder of the figures' PNGs. The page names those that are missing. runs:
    metrics.csv of every training seed, by run. Their curves are drawn to `figures`. config: the
    configuration that was run, which is shown whole. rerun: commands that run it again. against:
    the model that the summary compares the others with, by the draws of `paired`.
    """
    measured = read_measured(metrics, groups)
    numbers = read_reported()
    footer = footer.completed(measured.commits, measured.date)
    stems = [drawing.stem for drawing in FIGURES.values()]
    drawn = {stem: figures / f"{stem}.png" for stem in stems}
    drawn["curves"] = _curves(runs or {}, figures)
    sections = [
        ("summary", TITLES["summary"], _summary(measured, against, paired)),
        ("pictures", "Pictures", _pictures(drawn, FIRST)),
        ("training", TITLES["curves"], _pictures(drawn, ("curves",), titled=False)),
        ("tables", "Tables of the paper, with ours", _tables(tables, measured, numbers)),
        ("claims", TITLES["claims"], _claims(measured, numbers)),
        (
            "figures",
            "Further figures",
            _pictures(drawn, [stem for stem in stems if stem not in FIRST]),
        ),
        ("conditions", "Conditions of every number", _conditions(metrics, measured)),
        ("rerun", "How to run this again", _rerun(footer, rerun, config)),
    ]
    sections = [section for section in sections if section[2]]
    links = "".join(f'<li><a href="#{key}">{escape(name)}</a></li>' for key, name, _ in sections)
    title = f"NeCo: {footer.project}" if footer.project else "NeCo"
    body = f"<h1>{escape(title)}</h1><p class='caption'>{_opening(footer)}</p>"
    body += f"<nav><ul>{links}</ul></nav>"
    body += "".join(f'<h2 id="{key}">{escape(name)}</h2>{html}' for key, name, html in sections)
    write_text(path, page(title, body))
    return path


def _opening(footer: Footer) -> str:
    lines = "<br>".join(map(escape, footer.lines()))
    return (
        "Dense post-pretraining of Vision Transformers by patch neighbour consistency: the "
        "paper's numbers and ours, side by side. Nothing is filled in that did not run."
        f"<br><br>{lines}"
    )


def _caption(name: str) -> str:
    return f'<p class="caption">{escape(CAPTIONS[name])}</p>'


def _summary(measured: Measured, against: str | None, settings: Compare | None) -> str:
    overview = build_overview(measured, None, against, settings)
    return _caption("summary") + summary_html(overview, footer=False)


def _claims(measured: Measured, numbers: list[Reported]) -> str:
    return _caption("claims") + claims_html(verify(measured, numbers), [])


def _curves(runs: Mapping[str, Sequence[Path]], into: Path) -> Path:
    read = [read_curve(run, path) for run, paths in runs.items() for path in paths]
    curves = [curve for curve in read if curve is not None]
    if curves:
        write_curves(curves, into)
    return into / "curves.png"


def _pictures(drawn: Mapping[str, Path], names: Sequence[str], *, titled: bool = True) -> str:
    """Return the pictures that exist, with captions, and the names of those that do not."""
    parts, missing = [], []
    for name in names:
        if not drawn[name].exists():
            missing.append(TITLES[name])
            continue
        title = f"<h3>{escape(TITLES[name])}</h3>" if titled else ""
        image = f'<img src="{embedded(drawn[name])}" alt="{escape(TITLES[name])}">'
        caption = f"<figcaption>{escape(CAPTIONS[name])}</figcaption>"
        parts.append(f"<figure>{title}{image}{caption}</figure>")
    if missing:
        parts.append(f'<p class="notes">Not drawn: {escape("; ".join(missing))}.</p>')
    return "".join(parts)


def embedded(path: Path) -> str:
    """Return a PNG as a data URI. A large one becomes a JPEG."""
    data, kind = path.read_bytes(), "png"
    if len(data) > LARGE:
        with Image.open(path) as image:
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "JPEG", quality=85, optimize=True)
        if len(buffer.getvalue()) < len(data):
            data, kind = buffer.getvalue(), "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _tables(names: Sequence[str], measured: Measured, numbers: list[Reported]) -> str:
    """Return the tables. One in which nothing of ours ran is folded."""
    parts = []
    for name in names:
        table = build_table(name, measured, numbers)
        ran = _ran(table)
        opened = " open" if ran else ""
        state = "" if ran else " (nothing of ours ran)"
        title = escape(heading(table)) + state
        body = table_html(table, footer=False)
        parts.append(f"<details{opened}><summary>{title}</summary>{body}</details>")
    return "".join(parts)


def _ran(table: Table) -> bool:
    return any(cell.ours for row in table.rows for cell in row.cells)


def _conditions(metrics: Path, measured: Measured) -> str:
    """Return a line for each metrics file, and the names of the files that belong to no model."""
    files = sorted(metrics.glob("*/*/*.json"))
    files = [file for file in files if str(file.relative_to(metrics)) not in measured.left_out]
    if not files:
        return ""
    names = list(_condition("", read_result(files[0])))
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(text)}</td>" for text in _condition(file.stem, read_result(file)).values()
        )
        + "</tr>"
        for file in files
    )
    left = ""
    if measured.left_out:
        names_left = ", ".join(measured.left_out)
        left = f'<p class="notes">Left out, of no model in the project: {escape(names_left)}.</p>'
    return (
        f"<details><summary>{len(files)} evaluations</summary><div class='scroll'><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>{left}"
    )


def _condition(model: str, result: Metrics) -> dict[str, str]:
    stated = result.conditions
    return {
        "protocol": result.protocol,
        "dataset": result.dataset,
        "model": model,
        "input": f"{stated.input_size} px",
        "masks": stated.mask_resolution,
        "train images": f"{stated.train_images or '–'}",
        "held-out images": f"{stated.val_images}",
        "classes": str(len(stated.class_set)),
        "seeds": ", ".join(map(str, stated.seeds)),
        "search": stated.search or "–",
        "device": stated.device,
        "seconds": f"{stated.wall_seconds:.0f}",
        "weights": (stated.weights_digest or "–")[:12],
        "settings": stated.config_digest,
        "commit": stated.git_commit or "–",
    }


def _rerun(footer: Footer, commands: Sequence[str], config: Path | None) -> str:
    lines = list(commands) or ([footer.command] if footer.command else [])
    if not lines and config is None:
        return ""
    parts = [f"<pre>{escape(chr(10).join(lines))}</pre>"] if lines else []
    if config is not None and config.exists():
        text = escape(config.read_text())
        parts.append(f"<details><summary>The configuration</summary><pre>{text}</pre></details>")
    return "".join(parts)
