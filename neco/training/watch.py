"""A watch over the training: a row of metrics comes in, a line for each new collapse comes out.

The bounds that the rows are compared with are those of `train.watch`.
"""

from neco.config.training import Watch
from neco.training.metrics import StepMetrics

REMEDIES = {
    "information": (
        "the targets hardly order the references any more; use the teacher's references "
        "(loss.references.source=teacher, loss.two_way=false), a slower teacher or lower rates"
    ),
    "head_rank": (
        "the head sends all patches the same way; use the teacher's references "
        "(loss.references.source=teacher) and a lower optimiser.head_learning_rate"
    ),
    "backbone_rank": (
        "the backbone's tokens become alike; lower optimiser.backbone_learning_rate, and see that "
        "optimiser.name is adamw"
    ),
}


class CollapseWatch:
    """Tells once for each kind of collapse what a row of metrics shows and what to change."""

    def __init__(self, settings: Watch) -> None:
        self.settings = settings
        self._said: set[str] = set()

    def look(self, row: StepMetrics) -> list[str]:
        """Return one line for every bound that a row falls below for the first time."""
        lines = []
        for name, remedy in REMEDIES.items():
            value, bound = getattr(row, name), getattr(self.settings, name)
            if value < bound and name not in self._said:
                self._said.add(name)
                lines.append(
                    f"at step {row.step} {name} is {value:.3g}, below train.watch.{name} "
                    f"{bound:g}: {remedy}"
                )
        return lines
