"""What a training reports while it runs: rows come in, files, curves and a bar come out.

The rows go to metrics.csv, the curves to TensorBoard and the bar to the terminal.
"""

import csv
import logging
import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from neco.files import opened_whole
from neco.progress import drawn_line
from neco.run_files import PARTIAL_METRICS

log = logging.getLogger(__name__)


class StepMetrics(NamedTuple):
    """One row of metrics.csv."""

    step: int
    loss: float
    floor: float
    """The entropy of the targets, which the loss cannot go below."""
    excess: float
    """loss - floor."""
    information: float
    """How much the targets say about the order of the references, from 0 to 1: 1 less the floor
    divided by its largest value."""
    head_rank: float
    """The effective rank of the student's aligned patches; 1 means collapse."""
    backbone_rank: float
    """The effective rank of the backbone's tokens, before the head."""
    learning_rate: float
    momentum: float
    images_per_second: float
    data_wait: float
    """Share of the time in which the step waited for images."""
    seconds: float


class MetricsWriter:
    """Writes metrics to `folder`, to TensorBoard and to the terminal.

    Rows collect in metrics.partial and become metrics.csv when the training is complete. A workflow
    deletes the results of a failed job, and a training that continues needs its earlier rows.
    kept: what `text()` returned when the training's checkpoint was saved. A lost or torn
    metrics.partial is restored from it, with a warning.
    """

    def __init__(
        self, folder: Path, title: str, first_step: int, steps: int, kept: str | None = None
    ) -> None:
        self.path = folder / PARTIAL_METRICS
        self.steps = steps
        self._keep_rows_before(first_step, kept)
        self._file = self.path.open("a", newline="")
        self._csv = csv.writer(self._file)
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)
        self._bar = Progress(
            TextColumn(title),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[told]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(title, total=steps, completed=first_step, told="")
        self._line = drawn_line()
        """The line of a longer command, which takes the place of the bar."""
        self._interactive = self._bar.console.is_terminal and self._line is None
        self._title = title
        self._started, self._first = time.perf_counter(), first_step

    def __enter__(self) -> "MetricsWriter":
        if self._interactive:
            self._bar.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._interactive:
            self._bar.stop()
        self._file.close()
        self._board.close()

    def write(self, row: StepMetrics) -> None:
        """Add one row to the file, to TensorBoard and to the terminal."""
        self._csv.writerow([row.step, *(f"{value:.7g}" for value in row[1:])])
        self._file.flush()
        for name, value in zip(row._fields[1:], row[1:], strict=True):
            self._board.add_scalar(name, value, row.step)
        told = (
            f"loss {row.loss:.3f}  excess {row.excess:.3f}  targets say {row.information:.2f}  "
            f"rank {row.head_rank:.1f}  "
            f"{row.images_per_second:.1f} images/s"
        )
        done = row.step + 1
        if self._interactive:
            self._bar.update(self._task, completed=done, told=told)
            return
        pace = (time.perf_counter() - self._started) / max(1, done - self._first)
        left = pace * (self.steps - done)
        if self._line:
            self._line.inside(done / self.steps, f"step {done}/{self.steps}, {left:.0f} s left")
            return
        log.info("%s  step %d/%d  %s  %.0f s left", self._title, done, self.steps, told, left)

    def text(self) -> str:
        """Return all rows so far as CSV, for a checkpoint and, at the end, for metrics.csv."""
        if not self._file.closed:
            self._file.flush()
        return _read(self.path)

    def _keep_rows_before(self, step: int, kept: str | None) -> None:
        """Write the rows before `step`: those of `kept`, or of the file where there is none."""
        found = _rows(_read(self.path)) if self.path.exists() else []
        before = [row for row in found if int(row[0]) < step]
        if kept is not None:
            wanted = [row for row in _rows(kept) if int(row[0]) < step]
            if before != wanted:
                log.warning(
                    "%s: lost or torn; its %d rows are taken from the checkpoint",
                    self.path, len(wanted),
                )  # fmt: skip
            before = wanted
        elif step > 0 and not before:
            log.warning("%s: lost; the rows before step %d are missing", self.path, step)
        with opened_whole(self.path, newline="") as file:
            csv.writer(file).writerows([StepMetrics._fields, *before])


def _read(path: Path) -> str:
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return file.read()


def _rows(text: str) -> list[list[str]]:
    """Return the rows of a metrics file as CSV, without the header and without torn rows."""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    rows = csv.reader(lines)
    return [row for row in rows if len(row) == len(StepMetrics._fields) and row[0].isdecimal()]
