"""What a training tells while it runs: a bar or lines, a CSV, TensorBoard."""

import csv
import logging
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)


class StepMetrics(NamedTuple):
    """One row of metrics.csv."""

    step: int
    loss: float
    floor: float
    """Entropy of the targets: the least the loss can be."""
    excess: float
    """loss - floor."""
    information: float
    """1 - floor / its largest value: how much the targets say about the order, 0 to 1."""
    head_rank: float
    """Effective rank of the student's aligned features; 1 means collapse."""
    backbone_rank: float
    """Effective rank of the backbone's tokens, before the head."""
    learning_rate: float
    momentum: float
    images_per_second: float
    data_wait: float
    """Share of the time in which the step waited for images."""
    seconds: float


class MetricsWriter:
    """Writes metrics to `folder`, to TensorBoard and to the terminal.

    Rows collect in metrics.partial and become metrics.csv when the training is complete: a
    workflow deletes the results of a failed step, and a resumed run needs the rows before it.
    """

    def __init__(self, folder: Path, title: str, first_step: int, steps: int) -> None:
        self.path = folder / "metrics.partial"
        self.steps = steps
        self._keep_rows_before(first_step)
        self._file = self.path.open("a", newline="")
        self._csv = csv.writer(self._file)
        if self._file.tell() == 0:
            self._csv.writerow(StepMetrics._fields)
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
        self._interactive = self._bar.console.is_terminal
        self._title = title
        self._started, self._first = time.perf_counter(), first_step

    def __enter__(self) -> "MetricsWriter":
        if self._interactive:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._interactive:
            self._bar.stop()
        self._file.close()
        self._board.close()

    def write(self, row: StepMetrics) -> None:
        """Record one step everywhere."""
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
        log.info("%s  step %d/%d  %s  %.0f s left", self._title, done, self.steps, told, left)

    def publish(self) -> None:
        """Write metrics.csv: the training is complete."""
        shutil.copyfile(self.path, self.path.with_suffix(".csv"))

    def _keep_rows_before(self, step: int) -> None:
        """Drop rows that a resumed run will write again."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            return
        with self.path.open(newline="") as file:
            rows = list(csv.reader(file))
        kept = rows[:1] + [row for row in rows[1:] if int(row[0]) < step]
        with self.path.open("w", newline="") as file:
            csv.writer(file).writerows(kept)
