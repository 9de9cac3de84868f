"""Settings of the extraction of features."""

from typing import Literal

from pydantic import Field

from neco.config.base import Settings

Precision = Literal["bf16-on-gpu", "auto", "32-true", "bf16-mixed"]


class Extraction(Settings):
    """How frozen features are read from a backbone."""

    batch_size: int = Field(16, ge=1)
    """Images that go through the backbone at a time. A higher value needs more memory and can be
    faster on a GPU; the features stay the same."""
    workers: int = Field(2, ge=0)
    """Processes that read and decode images. More of them help if the backbone waits for images,
    and need more processor cores and memory."""
    dtype: Literal["float16", "float32"] = "float16"
    """How features are stored on disk and in the memory bank. `float32` takes twice the space of
    `float16`."""
    precision: Precision = "bf16-on-gpu"
    """Arithmetic of the backbone. `bf16-on-gpu`: bfloat16 on a GPU, float32 on a CPU. `auto`:
    bfloat16 on every device that multiplies it fast. `32-true`: float32. `bf16-mixed`: bfloat16 in
    any case. Tokens in bfloat16 and in float32 have a cosine of 0.99998 with each other."""
    block: int | None = None
    """Block whose tokens are the features, or stage of a pyramid: 0 is the first, -1 the last, -3
    the third from the end; null takes the last (paper). Several networks have their best dense
    features before the last block. The class token's attention is always that of the last block."""
