"""The numbers of metrics files as one table of pandas, for what no report shows."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neco.evaluate.result import Metrics, Result, read_results

if TYPE_CHECKING:
    import pandas as pd


def results(where: str | PathLike[str], *, classes: bool = False) -> pd.DataFrame:
    """Return a row for every number of every metrics file, by path.

    where: a metrics file, or a folder of them, such as `results/<project>`. Columns: protocol,
    dataset, model, setting, seed, quantity, value (in percent, where it is an mIoU), low and high
    (its 95 % bootstrap interval over images, where it was computed), headline (whether the setting
    is the one that tables show) and path. classes: whether a row is one class's IoU instead, with
    its name in the column `class`; a class that is absent from the ground truth has no value.
    Raises UserError for a place without metrics files, and naming a broken file.
    """
    import pandas as pd

    rows = [
        row
        for path, metrics in read_results(Path(where)).items()
        for result in metrics.results
        for row in _rows(path, metrics, result, classes)
    ]
    return pd.DataFrame(rows)


def _rows(path: Path, metrics: Metrics, result: Result, classes: bool) -> list[dict[str, Any]]:
    low, high = result.interval or (None, None)
    row = {
        "protocol": metrics.protocol,
        "dataset": metrics.dataset,
        "model": metrics.model,
        "setting": result.setting,
        "seed": result.seed,
        "quantity": result.quantity,
        "value": result.mIoU,
        "low": low,
        "high": high,
        "headline": result.setting == metrics.headline,
        "path": str(path),
    }
    if not classes:
        return [row]
    del row["low"], row["high"]
    of_class = result.per_class_iou.items()
    return [{**row, "class": name, "quantity": "IoU", "value": iou} for name, iou in of_class]
