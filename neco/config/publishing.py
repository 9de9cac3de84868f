"""Where published results go."""

from pydantic import Field

from neco.config.base import Settings


class Publish(Settings):
    """Where `snakemake publish` brings the content of what it publishes (docs/publishing.md)."""

    remote: str = "repository"
    """A DVC remote of .dvc/config. `repository` is published/remote, which every clone has."""
    megabytes: float = Field(20, gt=0)
    """The most that published/remote may hold, all projects together; other remotes have none."""
    checkpoints: list[str] | None = None
    """Trained models (`<run>.seed<n>`) whose weights are published; None means all. Metrics,
    curves, tables and figures always are."""
    without: list[str] = []
    """Tables, figures and reports that stay behind, as patterns: `figures/*.pdf`."""
