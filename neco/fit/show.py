"""A training before its start, in words."""

from rich.table import Table

from neco.fit.settle import Settled
from neco.progress import console


def show(settled: Settled) -> None:
    """Print the settings with their reasons, and the estimate of the time."""
    table = Table("setting", "value", "why", title="the training")
    for row in settled.rows:
        table.add_row(*row)
    console.print(table)
    console.print(estimate_line(settled), soft_wrap=True, markup=False)


def estimate_line(settled: Settled) -> str:
    """Return how long the training will take, and what that is known from."""
    pace, steps = settled.pace, settled.settings.steps or 0
    over = f"{pace.steps} step{'s' * (pace.steps != 1)}"
    return (
        f"estimate: {duration(pace.seconds(steps))} of training, at {pace.step:.2f} s a step "
        f"(measured over {over})"
    )


def duration(seconds: float) -> str:
    """Return seconds in words, as in `6 min 10 s`."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
