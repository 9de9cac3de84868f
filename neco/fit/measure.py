"""The pace of a training on this machine, from real steps."""

import csv
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from neco.backbones.backbone import Backbone
from neco.config.training import Train
from neco.data.dataset import Dataset
from neco.errors import StoppedError
from neco.fit.stages import stopped_at
from neco.run_files import METRICS
from neco.training import train
from neco.training.stopping import StopRequest


@dataclass(frozen=True)
class Pace:
    """How long a training takes."""

    step: float
    """Seconds of a step, the mean of those after the first."""
    around: float
    """Seconds before the first step is done and after the last one."""
    steps: int
    """How many steps the mean is over."""

    def seconds(self, steps: int) -> float:
        """Return about how long a training of so many steps takes."""
        return self.around + steps * self.step


def measure_pace(
    backbone: Backbone, dataset: Dataset, settings: Train, steps: int, scratch: Path
) -> Pace:
    """Return the pace of a training of a few steps, which is thrown away.

    It is the same training as the real one (neco.training), in the folder `scratch`, which is
    removed. backbone is changed by it.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    short = settings.model_copy(update={"steps": steps, "log_every": 1})
    began = time.perf_counter()
    try:
        train(backbone, dataset, short, scratch, "trial")
        whole = time.perf_counter() - began
        rows = list(csv.DictReader((scratch / METRICS).read_text().splitlines()))
    except StoppedError as error:  # its words are about a checkpoint that nobody needs
        raise stopped_at("measure", error.status - 128) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if StopRequest.latest is not None:  # in the last step, which ended all the same
        raise stopped_at("measure", StopRequest.latest)
    first, last = float(rows[0]["seconds"]), float(rows[-1]["seconds"])
    step = max((last - first) / (steps - 1), 1e-6)
    return Pace(step, max(whole - steps * step, 0.0), steps - 1)
