import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from neco.errors import UserError
from neco.paper.reported import of_table, read_reported
from neco.paper.tables import LAYOUTS
from neco.report.scores.groups import read_groups
from neco.report.scores.measured import Measured, read_measured
from neco.report.tables.build import build_table, write_table
from neco.report.tables.cells import Footer, Table, signed
from neco.report.tables.render import as_csv, html, latex, markdown

Write = Callable[..., None]
ISSUED = [
    "1a",
    "1b",
    "2",
    "3",
    "4",
    "5a",
    "5b",
    "5c",
    "5d",
    "5e",
    "6",
    "7",
    "8",
    "9a",
    "9b",
    "9c",
    "9d",
    "10",
]


def table_of(project: Path, name: str) -> Table:
    measured = read_measured(project / "metrics", read_groups(project / "models.json"))
    return build_table(name, measured, read_reported())


def lines_of(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv(table))))


def test_every_table_of_the_paper_is_there() -> None:
    assert list(LAYOUTS) == sorted(ISSUED, key=list(LAYOUTS).index)
    assert set(LAYOUTS) == set(ISSUED)


@pytest.mark.parametrize("name", ISSUED)
def test_without_metrics_every_reported_number_shows_and_nothing_is_invented(name: str) -> None:
    reported = read_reported()
    table = build_table(name, Measured([]), reported)
    lines = lines_of(table)
    assert sorted(line["paper"] for line in lines) == sorted(
        row.text for row in of_table(reported, name)
    )
    assert {line["status"] for line in lines} <= {"not run", "reported only"}
    assert all(line["ours"] == line["difference"] == line["std"] == "" for line in lines)
    cells = [cell for row in table.rows for cell in row.cells]
    assert {cell.ours_text for cell in cells} <= {"not run", "reported only"}
    text = markdown(table)
    for row in of_table(reported, name):
        assert f"| {row.text} |" in text


def test_our_value_stands_beside_the_papers_with_the_difference(
    project: Path, write: Write
) -> None:
    for seed, value in enumerate([78.0, 79.0, 80.0]):
        write(project, f"main.seed{seed}", "in-context", "pascal-voc", {"1/1": [value]})
    write(project, "dinov2r-vits14", "in-context", "pascal-voc", {"1/1": [70.0]})
    table = table_of(project, "8")
    lines = {(x["method"], x["backbone"], x["dataset"], x["setting"]): x for x in lines_of(table)}
    neco = lines["NeCo", "ViT-S/14", "pascal-voc", "1/1"]
    assert (neco["paper"], neco["status"]) == ("78.9", "run")
    assert float(neco["ours"]) == pytest.approx(79.0)
    assert float(neco["std"]) == pytest.approx(1.0)
    assert float(neco["difference"]) == pytest.approx(0.1)
    start = lines["DINOv2R", "ViT-S/14", "pascal-voc", "1/1"]
    assert float(start["difference"]) == pytest.approx(70.0 - 73.8)
    assert lines["NeCo", "ViT-B/14", "pascal-voc", "1/1"]["status"] == "not run"
    assert lines["NeCo", "ViT-S/14", "pascal-voc", "1/8"]["status"] == "not run"
    assert lines["Hummingbird", "ViT-B/16", "pascal-voc", "1/1"]["status"] == "reported only"
    assert "| 78.9 | 79.0 ± 1.0 | +0.1 |" in markdown(table)
    assert table.counts == {"run": 2, "other scale": 0, "not run": 110, "reported only": 8}


def test_another_scale_is_marked_and_explained(project: Path, write: Write) -> None:
    write(
        project, "dinov2r-vits14", "in-context", "pascal-voc", {"1/1": [50.0]}, val_images=86
    )  # fmt: skip
    table = table_of(project, "8")
    line = next(x for x in lines_of(table) if x["ours"])
    assert line["status"] == "other scale"
    assert line["scale"] == "86 held-out images (paper 1,449)"
    assert "| 73.8 | 50.0† | -23.8† |" in markdown(table)
    assert any("86 held-out images" in note for note in table.notes())
    assert "better" not in re.sub(r"<style>.*</style>", "", html(table))


def test_rows_and_columns_of_ours_alone_are_kept_apart(project: Path, write: Write) -> None:
    write(project, "patch-colours", "overcluster", "pascal-voc", {"K=GT": [5.0], "K=50": [9.0]})
    table = table_of(project, "7")
    extra = [row for row in table.rows if row.extra]
    assert [row.stub[0] for row in extra] == ["Patch colours"]
    assert "**Not in the paper**" in markdown(table)
    assert "K=50 (ours only): ours" in markdown(table)
    assert "K=50 (ours only): paper" not in markdown(table)
    shown = {x["setting"]: x for x in lines_of(table) if x["ours"]}
    assert float(shown["K=50"]["ours"]) == 9.0
    assert shown["K=50"]["paper"] == shown["K=GT"]["paper"] == ""


def test_a_run_from_another_start_does_not_fill_the_papers_row(project: Path, write: Write) -> None:
    models = json.loads((project / "models.json").read_text())
    other = {**models[-1], "model": "other.seed0", "run": "other", "start": "vits14-imgfocus"}
    (project / "models.json").write_text(json.dumps([*models, other]))
    write(project, "other.seed0", "linear", "pascal-voc", {"": [60.0]})
    lines = [x for x in lines_of(table_of(project, "2")) if x["ours"]]
    assert [x["method"] for x in lines] == ["NeCo (other, from vits14-imgfocus)"]


def test_gains_of_table_3_are_differences_of_its_rows(project: Path, write: Write) -> None:
    models = json.loads((project / "models.json").read_text())
    runs = [
        {**models[-1], "model": f"dino.seed{s}", "run": "dino", "seed": s, "label": "ViT-S/16",
         "start": "dino-vits16"}
        for s in range(2)
    ]  # fmt: skip
    (project / "models.json").write_text(json.dumps([*models, *runs]))
    write(project, "dino-vits16", "linear", "pascal-voc", {"": [50.0]})
    for seed, value in enumerate([60.0, 62.0]):
        write(project, f"dino.seed{seed}", "linear", "pascal-voc", {"": [value]})
    table = table_of(project, "3")
    index = [c.protocol == "linear" and c.dataset == "pascal-voc" for c in table.columns].index(
        True
    )
    position = [row.stub[0] for row in table.rows].index("DINO+NeCo")
    cell = table.rows[position + 1].cells[index]
    assert table.rows[position + 1].gain
    assert (cell.paper_text, cell.ours_text) == ("+11.1", "+11.0 ± 1.4")


def test_ablations_fill_their_rows_and_the_base_fills_many(project: Path, write: Write) -> None:
    models = json.loads((project / "models.json").read_text())
    common = {**models[-1], "seed": 0}
    models += [
        {**common, "model": "5a-foreground.seed0", "run": "5a-foreground"},
        {**common, "model": "base.seed0", "run": "base", "ablations": ["5a/both", "9c/(100,100)"]},
    ]
    (project / "models.json").write_text(json.dumps(models))
    write(project, "5a-foreground.seed0", "in-context", "pascal-voc", {"1/128": [61.0]})
    write(project, "base.seed0", "in-context", "pascal-voc", {"1/1": [70.0], "1/4": [40.0]})
    first = {x["setting"]: x for x in lines_of(table_of(project, "5a")) if x["ours"]}
    assert float(first["foreground"]["difference"]) == pytest.approx(61.0 - 61.6)
    assert first["foreground"]["status"] == "run"
    assert float(first["both"]["ours"]) == 40.0
    assert "1/4 of the training images (paper 1/128)" in first["both"]["scale"]
    steep = {x["setting"]: x for x in lines_of(table_of(project, "9c")) if x["ours"]}
    assert list(steep) == ["(100,100)"]
    assert not [x for x in lines_of(table_of(project, "8")) if x["ours"]]


def test_table_6_starts_from_plain_clustering(project: Path, write: Write) -> None:
    write(project, "dinov2r-vits14", "overcluster", "pascal-voc", {"K=GT": [11.0]})
    write(project, "main.seed0", "overcluster", "pascal-voc", {"K=GT": [19.0]})
    values = {x["method"]: x["ours"] for x in lines_of(table_of(project, "6"))}
    assert values == {"DINOv2R": "11.0000", "+NeCo": "19.0000", "+CBFE": "", "+CD": ""}
    one_run = {"CBFE": [40.0, 42.0], "K=21": [55.0], "K=21, all seeds": [55.0, 51.0]}
    write(project, "main.seed0", "unsupervised", "pascal-voc", one_run)
    values = {x["method"]: x["ours"] for x in lines_of(table_of(project, "6"))}
    assert (values["+CBFE"], values["+CD"]) == ("41.0000", "55.0000")
    ours = {x["method"]: x["ours"] for x in lines_of(table_of(project, "1b")) if x["ours"]}
    assert ours == {"NeCo": "55.0000"}


def test_four_files_with_the_footer(project: Path, write: Write, tmp_path: Path) -> None:
    write(project, "dinov2r-vits14", "linear", "pascal-voc", {"": [74.2]}, commit="abc123")
    footer = Footer(project="demo", scale="600 scenes & more", command="make demo")
    into = tmp_path / "tables"
    groups = read_groups(project / "models.json")
    paths = write_table("2", project / "metrics", groups, into, footer)
    assert [path.name for path in paths] == [f"table-2.{s}" for s in ("csv", "md", "tex", "html")]
    text = paths[1].read_text()
    for expected in ("Project: demo", "Scale: 600 scenes & more", "make demo", "Commit: abc123"):
        assert expected in text
    assert re.search(r"Newest metrics: \d{4}-\d\d-\d\d", text)
    page = paths[3].read_text()
    assert page.startswith("<!doctype html>")
    assert "http" not in page


@pytest.mark.parametrize("name", ISSUED)
def test_latex_is_balanced_and_every_row_has_all_columns(name: str) -> None:
    text = latex(build_table(name, Measured([]), read_reported()))
    for environment in ("table*", "tabular", "minipage"):
        opened = text.count(f"\\begin{{{environment}}}")
        assert opened == text.count(f"\\end{{{environment}}}") > 0
    assert text.count("{") == text.count("}")
    for block in text.split("\\begin{tabular}")[1:]:
        columns = re.match(r"\{([lr]+)\}", block)
        assert columns
        body = block.split("\\midrule")[1].split("\\bottomrule")[0]
        for line in body.strip().splitlines():
            assert line.count(" & ") == len(columns[1]) - 1
    unescaped = re.sub(r"\\.|% \\usepackage|\{!\}\{%", "", text)
    assert not re.search("[%#]", unescaped)


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(UserError, match="no table '1c'; did you mean"):
        build_table("1c", Measured([]), read_reported())


def test_no_negative_zero() -> None:
    assert [signed(x) for x in (-0.04, 0.0, 1.25, -1.26)] == ["+0.0", "+0.0", "+1.2", "-1.3"]
