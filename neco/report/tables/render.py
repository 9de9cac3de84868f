"""Writing a table: the table comes in, its CSV, Markdown, LaTeX and HTML come out.

CSV has a line for each cell, and LaTeX uses booktabs.
"""

import csv
import io
from html import escape
from pathlib import Path

from neco.report.markup import markdown_text, page, write_texts
from neco.report.tables.cells import Row, Table

EXTRA_HEADING = "Not in the paper"
CSV_COLUMNS = (
    *("table", *("method", "backbone", "params", "dataset", "protocol", "setting")),
    *("paper", "ours", "std", "spread", "difference", "status", "scale"),
)


def write(table: Table, into: Path) -> list[Path]:
    """Write table-<name>.csv, .md, .tex, .html; return the paths."""
    body = f"<h1>{escape(heading(table))}</h1>{html(table)}"
    return write_texts(
        into / f"table-{table.name}",
        csv=as_csv(table),
        md=markdown(table),
        tex=latex(table),
        html=page(heading(table), body),
    )


def heading(table: Table) -> str:
    """Return `Table 1a. Title`."""
    return f"Table {table.name}. {table.title}"


def as_csv(table: Table) -> str:
    """Return one line for each cell, in the columns of CSV_COLUMNS, without rows of gains."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in table.rows:
        if row.gain:
            continue
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.paper:
                paper = cell.paper
                method = row.stub[0] if row.released else paper.method
                place = [method, paper.backbone, paper.params]
                place += [paper.dataset, paper.protocol, paper.setting]
            else:
                stub = [*row.stub, "", "", ""][:3] if len(table.stub) > 1 else ["NeCo", "", ""]
                setting = column.setting or (row.stub[0] if len(table.stub) == 1 else "")
                place = [*stub, column.dataset, column.protocol, setting]
            ours = cell.ours
            writer.writerow(
                [
                    table.name,
                    *place,
                    cell.paper.text if cell.paper else "",
                    f"{ours.mean:.4f}" if ours else "",
                    f"{ours.std:.4f}" if ours and ours.std is not None else "",
                    ours.spread if ours else "",
                    f"{cell.difference:.4f}" if cell.difference is not None else "",
                    cell.status,
                    "; ".join(ours.scale) if ours else "",
                ]
            )
    return buffer.getvalue()


def _sections(table: Table, block: list[int]) -> list[tuple[str, list[Row]]]:
    """Return the sections as (heading, rows): the paper's rows, then ours without a counterpart."""
    extra = [row for row in table.rows if row.extra and any(row.cells[i].ours for i in block)]
    own = [("", [row for row in table.rows if not row.extra])]
    return own + ([(EXTRA_HEADING, extra)] if extra else [])


def _values(table: Table, row: Row, block: list[int]) -> list[str]:
    """Return the texts of each column of a block."""
    return [text for i in block for text in row.cells[i].texts(table.columns[i].kinds)]


def _width(table: Table, block: list[int]) -> int:
    return sum(len(table.columns[index].kinds) for index in block)


def _block_title(table: Table, block: list[int]) -> str:
    groups = dict.fromkeys(table.columns[index].group for index in block)
    return next(iter(groups)) if len(groups) == 1 and len(table.blocks) > 1 else ""


def _title(table: Table, index: int, titled: bool) -> str:
    column = table.columns[index]
    return column.title if titled else f"{column.group} {column.title}"


def markdown(table: Table) -> str:
    """Return the table as GitHub Markdown. A wide one has a block for each dataset."""
    lines = [f"# {heading(table)}", "", table.caption, ""]
    for block in table.blocks:
        title = _block_title(table, block)
        if title:
            lines += [f"## {title}", ""]
        header = [*table.stub]
        for index in block:
            name = _title(table, index, bool(title))
            header += [f"{name}: {kind}" for kind in table.columns[index].kinds]
        lines.append("| " + " | ".join(header) + " |")
        lines.append("|" + " --- |" * len(table.stub) + " ---: |" * _width(table, block))
        for section, rows in _sections(table, block):
            if section:
                filler = [""] * (len(header) - 1)
                lines.append("| " + " | ".join([f"**{section}**", *filler]) + " |")
            for row in rows:
                cells = map(markdown_text, (*row.stub, *_values(table, row, block)))
                lines.append("| " + " | ".join(cells) + " |")
        lines.append("")
    lines += [f"{markdown_text(note)}  " for note in (*table.notes(), *table.footer.lines())]
    return "\n".join(lines).rstrip() + "\n"


LATEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "–": "--",
    "−": "$-$",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
}


def tex(text: str) -> str:
    """Return `text` with LaTeX's own characters escaped."""
    return "".join(LATEX_ESCAPES.get(character, character) for character in text)


def latex(table: Table) -> str:
    """Return a `table*` environment. The preamble has to load `booktabs` and `graphicx`."""
    lines = [
        "% \\usepackage{booktabs,graphicx}",
        "\\begin{table*}[t]",
        "\\centering",
        f"\\caption{{{tex(table.title)} (Table {table.name} of the paper). {tex(table.caption)}}}",
        f"\\label{{tab:{table.name}}}",
    ]
    for block in table.blocks:
        lines += _latex_block(table, block)
    lines.append("\\vspace{2pt}")
    lines.append("\\begin{minipage}{\\textwidth}\\footnotesize\\raggedright")
    lines += [f"{tex(note)}\\\\" for note in table.notes()]
    lines += [tex(". ".join(table.footer.lines())), "\\end{minipage}", "\\end{table*}"]
    return "\n".join(lines) + "\n"


def _latex_block(table: Table, block: list[int]) -> list[str]:
    stubs = len(table.stub)
    width = stubs + _width(table, block)
    title = _block_title(table, block)
    lines = [f"\\textbf{{{tex(title)}}}\\\\[2pt]"] if title else []
    lines.append("\\resizebox{\\ifdim\\width>\\textwidth\\textwidth\\else\\width\\fi}{!}{%")
    lines += [f"\\begin{{tabular}}{{{'l' * stubs + 'r' * (width - stubs)}}}", "\\toprule"]
    heads, rules, names, first = [], [], [*map(tex, table.stub)], stubs + 1
    for index in block:
        kinds = table.columns[index].kinds
        name = tex(_title(table, index, bool(title)))
        heads.append(f"\\multicolumn{{{len(kinds)}}}{{c}}{{{name}}}")
        rules.append(f"\\cmidrule(lr){{{first}-{first + len(kinds) - 1}}}")
        names += kinds
        first += len(kinds)
    lines += [" & " * stubs + " & ".join(heads) + " \\\\", *rules]
    lines += [" & ".join(names) + " \\\\", "\\midrule"]
    for section, rows in _sections(table, block):
        if section:
            lines += ["\\midrule", f"\\multicolumn{{{width}}}{{l}}{{\\emph{{{section}}}}} \\\\"]
        lines += [
            " & ".join(tex(text) for text in (*row.stub, *_values(table, row, block))) + " \\\\"
            for row in rows
        ]
    return [*lines, "\\bottomrule", "\\end{tabular}}", "", "\\medskip"]


def html(table: Table, footer: bool = True) -> str:
    """Return an HTML fragment without heading: blocks, notes, and the footer if asked."""
    parts = [f'<p class="caption">{escape(table.caption)}</p>']
    for block in table.blocks:
        title = _block_title(table, block)
        if title:
            parts.append(f"<h3>{escape(title)}</h3>")
        parts.append('<div class="scroll"><table><thead><tr>')
        parts += [f'<th rowspan="2">{escape(name)}</th>' for name in table.stub]
        parts += [
            f'<th class="group" colspan="{len(table.columns[index].kinds)}">'
            f"{escape(_title(table, index, bool(title)))}</th>"
            for index in block
        ]
        parts.append("</tr><tr>")
        for index in block:
            first, *rest = table.columns[index].kinds
            parts.append(f'<th class="first">{first}</th>')
            parts += [f"<th>{kind}</th>" for kind in rest]
        parts.append("</tr></thead><tbody>")
        for section, rows in _sections(table, block):
            if section:
                width = len(table.stub) + _width(table, block)
                parts.append(f'<tr class="section"><th colspan="{width}">{section}</th></tr>')
            parts += [_html_row(table, row, block) for row in rows]
        parts.append("</tbody></table></div>")
    notes = [*table.notes(), *(table.footer.lines() if footer else [])]
    parts.append('<p class="notes">' + "<br>".join(map(escape, notes)) + "</p>")
    return "".join(parts)


def _html_row(table: Table, row: Row, block: list[int]) -> str:
    stub = "".join(f"<td>{escape(text)}</td>" for text in row.stub)
    cells = ""
    for index in block:
        cell, kinds = row.cells[index], table.columns[index].kinds
        judged = cell.difference is not None and not cell.is_scaled
        classes = {
            "paper": "",
            "ours": " missing" if cell.ours is None else " ours",
            "diff.": (" better" if (cell.difference or 0) >= 0 else " worse") if judged else "",
        }
        for position, (kind, text) in enumerate(zip(kinds, cell.texts(kinds), strict=True)):
            first = "" if position else " first"
            cells += f'<td class="number{classes[kind]}{first}">{escape(text)}</td>'
    return f'<tr class="gain">{stub}{cells}</tr>' if row.gain else f"<tr>{stub}{cells}</tr>"
