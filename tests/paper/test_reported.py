import csv
from pathlib import Path

import pytest

from neco.errors import UserError
from neco.paper.reported import COLUMNS, REPORTED, canonical, of_table, read_reported


def test_there_are_571_numbers_in_every_table_of_the_paper() -> None:
    rows = read_reported()
    assert len(rows) == 571
    counts = {"1a": 42, "1b": 7, "2": 52, "3": 60, "4": 44, "6": 4, "7": 78, "8": 120, "10": 25}
    counts |= {"5a": 12, "5b": 8, "5c": 8, "5d": 12, "5e": 8}
    counts |= {"9a": 20, "9b": 20, "9c": 16, "9d": 35}
    assert {name: len(of_table(rows, name)) for name in counts} == counts
    assert sum(counts.values()) == 571


def test_columns_and_types() -> None:
    with REPORTED.open(newline="") as file:
        assert tuple(next(csv.reader(file))) == COLUMNS
    for row in read_reported():
        assert row.text == row.text.strip()
        assert row.number > 0
        if row.protocol in ("linear", "in-context", "overcluster", "segmenter", "unsupervised"):
            assert row.number < 100
    assert (
        len(
            {
                (r.table, r.method, r.backbone, r.dataset, r.protocol, r.setting)
                for r in read_reported()
            }
        )
        == 571
    )


@pytest.mark.parametrize(
    ("table", "method", "backbone", "dataset", "protocol", "setting", "text"),
    [  # typed from the paper's text, one or more per table
        ("1a", "NeCo", "ViT-S/14", "coco-things", "overcluster", "K=500", "64.5"),
        ("1b", "COMUS", "ViT-S/16", "pascal-voc", "unsupervised", "K=21", "50.0"),
        ("2", "NeCo", "ViT-S/14", "pascal-voc", "linear", "", "81.3"),
        ("2", "MAE", "ViT-B/16", "ade20k", "linear", "", "5.8"),
        ("3", "Leopart+NeCo", "ViT-S/16", "coco-things", "linear", "", "65.4"),
        ("3", "TimeT", "ViT-S/16", "coco-things", "overcluster", "K=GT", "18.4"),
        ("4", "DINOv2R", "ViT-B/14", "ade20k", "segmenter", "", "55.3"),
        ("5a", "NeCo", "ViT-S/14", "pascal-voc", "in-context", "foreground", "61.6"),
        ("5b", "NeCo", "ViT-S/14", "ade20k", "in-context", "no-teacher", "15.9"),
        ("5c", "NeCo", "ViT-S/14", "pascal-voc", "linear", "intra", "78.1"),
        ("5d", "NeCo", "ViT-S/14", "ade20k", "linear", "imagenet-100", "34.9"),
        ("5e", "NeCo", "ViT-S/14", "pascal-voc", "in-context", "odd-even", "62.2"),
        ("6", "+CBFE", "ViT-S/14", "pascal-voc", "unsupervised", "K=21", "41.3"),
        ("7", "CrIBo", "ViT-B/16", "pascal-voc", "overcluster", "K=300", "56.9"),
        ("8", "Hummingbird", "ViT-B/16", "ade20k", "in-context", "1/8", "22.3"),
        ("8", "MAE", "ViT-B/16", "pascal-voc", "in-context", "1/128", "3.5"),
        ("9a", "NeCo", "ViT-S/14", "pascal-voc", "in-context", "4", "54.8"),
        ("9b", "NeCo", "ViT-S/14", "ade20k", "linear", "32", "37.1"),
        ("9c", "NeCo", "ViT-S/14", "pascal-voc", "in-context", "(1000,100)", "48.3"),
        ("9d", "NeCo", "ViT-S/14", "coco", "train-hours", "25", "19"),
        ("10", "NeCo (init CrIBo)", "ViT-S/16", "coco-things", "linear", "8x RTX A6000", "68.0"),
    ],
)
def test_values_equal_the_papers_text(
    table: str, method: str, backbone: str, dataset: str, protocol: str, setting: str, text: str
) -> None:
    place = (method, backbone, dataset, protocol, setting)
    found = [
        row.text
        for row in of_table(read_reported(), table)
        if (row.method, row.backbone, row.dataset, row.protocol, row.setting) == place
    ]
    assert found == [text]


def test_minutes_and_seconds_are_minutes() -> None:
    times = {r.text: r.number for r in read_reported() if ":" in r.text}
    assert times == pytest.approx({"1:33": 1.55, "3:12": 3.2, "5:16": 5 + 16 / 60, "4:48": 4.8})


def test_the_same_model_has_one_name_everywhere() -> None:
    assert canonical("NeCo", "ViT-S/14") == canonical("+CD", "ViT-S/14")
    assert canonical("NeCo (init CrIBo)", "ViT-S/16") == canonical("CrIBo+NeCo", "ViT-S/16")
    assert canonical("TimeT (init DINO)", "ViT-S/16") == ("TimeT", "ViT-S/16")
    assert canonical("DINO", "ViT-S/16") != canonical("DINO", "ViT-B/16")


def test_numbers_that_two_tables_share_agree() -> None:
    rows = read_reported()
    full = {(r.method, r.backbone, r.dataset, r.setting): r.text for r in of_table(rows, "7")}
    for row in of_table(rows, "1a"):
        assert full[row.method, row.backbone, row.dataset, row.setting] == row.text


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "reported.csv"
    with pytest.raises(UserError, match="missing"):
        read_reported(path)
    path.write_text("table,value\n2,3\n")
    with pytest.raises(UserError, match="columns"):
        read_reported(path)
    path.write_text(",".join(COLUMNS) + "\n" + "table2,a,b,c,d,linear,,many\n")
    with pytest.raises(UserError, match="line 2: 'many'"):
        read_reported(path)
