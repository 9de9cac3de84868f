"""Settings of publishing results."""

from pydantic import Field

from neco.config.base import Settings


class Publish(Settings):
    """What `snakemake publish` publishes, and where its content goes (docs/publishing.md)."""

    remote: str = "repository"
    """Name of a DVC remote in .dvc/config. `repository` is the folder published/remote, which every
    clone has."""
    megabytes: float = Field(20, gt=0)
    """Largest size of published/remote in millions of bytes, all projects together. Publishing
    stops before it grows larger; a higher value allows more. Other remotes have no limit."""
    checkpoints: list[str] | None = None
    """Trained models (`<run>.seed<n>`) whose weights are published; null publishes those of all.
    Metrics, curves, tables and figures are published in any case."""
    without: list[str] = []
    """Patterns of tables, figures and reports that are not published, such as `figures/*.pdf`."""
