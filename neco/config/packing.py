"""Settings of packing a prepared dataset into shards."""

from pydantic import Field

from neco.config.base import Settings


class Packing(Settings):
    """How `neco pack` stores images in shards."""

    shorter_side: int | None = Field(None, ge=8)
    """Shorter side in pixels to which larger images are shrunk before they are stored. A higher
    value keeps more detail and makes larger shards; null stores every image as it is."""
    shard_mb: float = Field(256.0, gt=0.0)
    """Largest size of a shard in millions of bytes. A higher value makes fewer files. An image that
    is larger has a shard of its own."""
    quality: int = Field(95, ge=1, le=100)
    """JPEG quality of images that are shrunk, from 1 to 100. A higher value keeps more detail and
    makes larger shards."""
