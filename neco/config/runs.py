"""Settings of a project's runs, and how a run takes over what another run says."""

from typing import Annotated, Any, NamedTuple

from pydantic import Field

from neco.config.base import Settings, merged, nearest

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that files and folders of results bear."""


class Run(Settings):
    """One NeCo training: a starting backbone and what differs from the project's `train`."""

    like: str | None = None
    """Another run that this one starts from: only what differs from it is written here."""
    backbone: str
    """Registry name of the starting backbone."""
    method: str = "NeCo"
    """The row's name in the tables."""
    seeds: list[int] = [0]
    """Training seeds; every seed is a model of its own."""
    train: dict[str, Any] = {}
    """Sparse override of the project's `train`."""
    ablations: list[str] = []
    """Cells of the ablation tables that this run fills: `5a/foreground`, `9a/all`. Such a run has
    evaluations of its own and no place in the main tables."""
    initial: bool = True
    """Also evaluate the starting backbone."""


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
