"""What every kind of job asks of a scheduler: processors, GPUs, memory, time.

On one machine only threads count; memory and time are for a cluster (docs/cluster.md).
"""

from typing import Literal

from pydantic import Field

from neco.config.base import Settings

Kind = Literal[
    "fetch", "weights", "scenes", "prepare", "train", "extract", "in_context", "overcluster",
    "linear", "fine_tune", "unsupervised", "consistency", "report",
]  # fmt: skip


class Memory(Settings):
    """MB of a job's first attempt on each node, by kind of job; attempt n gets n times as much."""

    fetch: int = Field(2_000, ge=100)
    weights: int = Field(4_000, ge=100)
    scenes: int = Field(4_000, ge=100)
    prepare: int = Field(8_000, ge=100)
    train: int = Field(24_000, ge=100)
    """For each process. Fine-tuning a whole network with Segmenter counts as `fine_tune`."""
    extract: int = Field(8_000, ge=100)
    """Features or attention of a split."""
    in_context: int = Field(32_000, ge=100)
    """A bank of 10,240,000 tokens of 768 numbers is 16 GB."""
    overcluster: int = Field(16_000, ge=100)
    linear: int = Field(16_000, ge=100)
    fine_tune: int = Field(24_000, ge=100)
    unsupervised: int = Field(16_000, ge=100)
    consistency: int = Field(8_000, ge=100)
    report: int = Field(4_000, ge=100)
    """A table, a figure, a choice of learning rate, the report."""


class Minutes(Settings):
    """Time limit of a job's first attempt, by kind of job; attempt n gets n times as much."""

    fetch: int = Field(720, ge=1)
    weights: int = Field(60, ge=1)
    scenes: int = Field(60, ge=1)
    prepare: int = Field(240, ge=1)
    train: int = Field(1_440, ge=1)
    """ViT-S/14 takes 19 hours by the paper, ViT-B/14 63 by arithmetic: a training that is stopped
    at its limit continues on its next attempt."""
    extract: int = Field(60, ge=1)
    in_context: int = Field(480, ge=1)
    overcluster: int = Field(480, ge=1)
    linear: int = Field(480, ge=1)
    fine_tune: int = Field(1_440, ge=1)
    """5 to 45 hours by arithmetic, and it continues as a training does."""
    unsupervised: int = Field(480, ge=1)
    consistency: int = Field(60, ge=1)
    report: int = Field(5, ge=1)


class Resources(Settings):
    """What a rule asks of the scheduler."""

    train_threads: int = Field(8, ge=1)
    """Threads of each training process."""
    evaluate_threads: int = Field(8, ge=1)
    train_gpus: int = Field(1, ge=0, le=1)
    """GPUs of each training process; 0 trains on the CPU."""
    evaluate_gpus: int = Field(1, ge=0)
    train_devices: int = Field(1, ge=1)
    """Training processes on each node, one GPU each; a run's batch is shared among them."""
    train_nodes: int = Field(1, ge=1)
    """Nodes of one training; more than one needs SLURM."""
    memory_mb: Memory = Memory()
    minutes: Minutes = Minutes()
    largest_memory_mb: int = Field(128_000, ge=100)
    """No attempt asks for more: what the largest node has."""
    longest_minutes: int = Field(2_880, ge=1)
    """No attempt asks for more: the partition's own limit."""
    stop_seconds: int = Field(180, ge=1)
    """Before its time limit a training or fine-tuning is told to save its checkpoint and stop, this
    long before (SLURM may be a minute early)."""

    def memory_of(self, kind: Kind, attempt: int) -> int:
        """Return the MB that an attempt (1, 2, ...) of a kind of job asks for on each node."""
        each = getattr(self.memory_mb, kind) * (self.train_devices if kind == "train" else 1)
        return int(min(each * attempt, self.largest_memory_mb))

    def minutes_of(self, kind: Kind, attempt: int) -> int:
        """Return the time limit of an attempt (1, 2, ...) of a kind of job, in minutes."""
        return int(min(getattr(self.minutes, kind) * attempt, self.longest_minutes))
