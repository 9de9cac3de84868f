"""Class names that the archives do not hold: a dataset's name comes in, its classes come out.

They are read from classes.yaml.
"""

from functools import cache
from importlib.resources import files

import yaml


@cache
def _table() -> dict[str, list[str]]:
    text = files("neco.data").joinpath("classes.yaml").read_text(encoding="utf-8")
    table: dict[str, list[str]] = yaml.safe_load(text)
    return table


def class_names(dataset: str) -> list[str]:
    """Return the class names of a dataset in the order of their ids."""
    return list(_table()[dataset])
