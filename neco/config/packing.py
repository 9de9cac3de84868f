"""Settings of packing a prepared dataset into shards."""

from pydantic import Field

from neco.config.base import Settings


class Packing(Settings):
    """How images are stored in shards."""

    shorter_side: int | None = Field(None, ge=8)
    """Larger images are shrunk to this many pixels and encoded again; None stores all as they are.
    """
    shard_mb: float = Field(256.0, gt=0.0)
    """Most that a shard holds, in millions of bytes; a single larger image has its own."""
    quality: int = Field(95, ge=1, le=100)
    """JPEG quality of shrunk images."""
