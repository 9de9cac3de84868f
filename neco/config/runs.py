"""Settings of a project's runs, and how a run takes over what another run says."""

from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, Field

from neco.config.base import Seeds, Settings, merged, nearest
from neco.config.reporting import ABLATION_TABLES

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that files and folders of results bear."""


def _cell(text: str) -> str:
    """Return a cell of an ablation table. Raises ValueError for one that no table could show."""
    table, _, setting = text.partition("/")
    if table not in ABLATION_TABLES or not setting.strip():
        tables = ", ".join(ABLATION_TABLES)
        raise ValueError(f"'{text}' is no TABLE/SETTING, as in 9a/24; the tables are {tables}")
    return text


Cell = Annotated[str, AfterValidator(_cell)]
"""A cell of an ablation table: the table and the setting that its row is called by."""


class Run(Settings):
    """One NeCo training: the backbone that it starts from, and what differs from the project's
    `train`."""

    like: str | None = None
    """Name of another run whose settings this one takes, except `ablations`. This run then states
    only what differs."""
    backbone: str
    """Name of the backbone that the training starts from (docs/backbones.md)."""
    method: str = "NeCo"
    """Name of the run's row in the tables."""
    seeds: Seeds = [0]
    """Seeds of the training. With each of them a model is trained and evaluated,
    `<run>.seed<n>`."""
    train: dict[str, Any] = {}
    """Training settings of this run: only those that differ from the project's `train`."""
    ablations: list[Cell] = []
    """Cells of the ablation tables that this run fills, such as `5a/foreground` or `9a/all`. A run
    with any is left out of the main tables and is evaluated by `models: ablations`."""
    initial: bool = True
    """`true` also evaluates the backbone that the training starts from; `false` does not."""


class Model(NamedTuple):
    """A model that is evaluated: a backbone as it is, or what a run made of it."""

    backbone: str
    run: str | None
    seed: int | None
    """Training seed; of a backbone None."""


def completed(name: str, runs: dict[str, Any], below: tuple[str, ...] = ()) -> Any:
    """Return a run with what it leaves out taken from the run that it is like."""
    run = runs[name]
    like = run.get("like") if isinstance(run, dict) else None
    if like is None:
        return run
    if like not in runs:
        raise ValueError(f"runs.{name}.like: '{like}' is not defined{nearest(like, runs)}")
    if like in (name, *below):
        raise ValueError(f"runs.{name}.like: '{like}' is like itself; name another run")
    base = completed(like, runs, (name, *below))
    inherited = {key: value for key, value in base.items() if key not in ("like", "ablations")}
    return merged(inherited, run)
