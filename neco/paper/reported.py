"""The 571 numbers that the paper reports: a CSV file comes in, typed numbers come out.

They never mix with numbers that were measured here.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neco.errors import UserError

REPORTED = Path(__file__).with_name("reported.csv")
COLUMNS = ("table", "method", "backbone", "params", "dataset", "protocol", "setting", "value")

NO_BACKBONE = ("Hummingbird", "MaskContrast", "DeepSpectral", "DINOSAUR", "COMUS")
"""Methods without a published backbone that can be loaded here. They are reported and never run."""

DATASET_TITLES = {
    "pascal-voc": "Pascal VOC",
    "coco-things": "COCO-Things",
    "coco-stuff": "COCO-Stuff",
    "ade20k": "ADE20K",
    "pascal-context": "Pascal Context",
    "coco-stuff-164k": "COCO-Stuff 164k",
    "coco": "COCO",
}


@dataclass(frozen=True)
class Reported:
    """One printed number. `text` is how it is printed, and the other fields say where."""

    table: str
    method: str
    backbone: str
    params: str
    dataset: str
    protocol: str
    setting: str
    text: str

    @property
    def number(self) -> float:
        """Return the value. It is in minutes where the paper prints min:sec."""
        minutes, _, seconds = self.text.partition(":")
        return float(minutes) + (float(seconds) / 60 if seconds else 0.0)


def read_reported(path: Path = REPORTED) -> list[Reported]:
    """Return every reported number, in the order of the file.

    Raises UserError for a missing file, other columns, or a value that is no number.
    """
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise UserError(f"{path}: columns must be {', '.join(COLUMNS)}; restore it")
            rows = [Reported(*(line[name] for name in COLUMNS)) for line in reader]
    except FileNotFoundError:
        raise UserError(f"{path}: the paper's numbers are missing; restore this file") from None
    for number, row in enumerate(rows, start=2):
        try:
            row.number  # noqa: B018 (raises for what is no number)
        except ValueError:
            raise UserError(
                f"{path}, line {number}: '{row.text}' is not a number; mend it"
            ) from None
    return rows


def of_table(reported: Sequence[Reported], name: str) -> list[Reported]:
    """Return the numbers of one table, named as in the paper (`1a`)."""
    return [row for row in reported if row.table == f"table{name}"]


def canonical(method: str, backbone: str) -> tuple[str, str]:
    """Return (method, backbone) under one name for all tables.

    The paper writes the same model in several ways: NeCo on ViT-*/14 starts from DINOv2R, Table 3
    says `DINO+NeCo`, Table 6 `+NeCo`, Table 10 `NeCo (init CrIBo)`.
    """
    if method in ("+NeCo", "+CBFE", "+CD") or (method == "NeCo" and backbone.endswith("/14")):
        return "DINOv2R+NeCo", backbone
    name, _, start = method.removesuffix(")").partition(" (init ")
    return (f"{start}+NeCo" if name == "NeCo" and start else name), backbone
