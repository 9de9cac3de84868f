"""What every kind of job asks of a scheduler: processors, GPUs, memory and time.

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
    """Memory that the first attempt of a job asks for on each node, in MB, by kind of job. The n-th
    attempt asks for n times as much. A job that asks for more waits longer in the queue."""

    fetch: int = Field(2_000, ge=100)
    """Downloading and checking an archive."""
    weights: int = Field(4_000, ge=100)
    """Downloading and converting the weights of a backbone."""
    scenes: int = Field(4_000, ge=100)
    """Generating archives of scenes."""
    prepare: int = Field(8_000, ge=100)
    """Preparing a dataset from its archives."""
    train: int = Field(24_000, ge=100)
    """A NeCo training. The number is for each process: a node with several `train_devices` is asked
    for as many times more."""
    extract: int = Field(8_000, ge=100)
    """Extracting features, or attention, of a split."""
    in_context: int = Field(32_000, ge=100)
    """In-context evaluation. A bank of 10,240,000 tokens of 768 float16 numbers takes 16,000 MB."""
    overcluster: int = Field(16_000, ge=100)
    """Overclustering."""
    linear: int = Field(16_000, ge=100)
    """Training and scoring linear heads."""
    fine_tune: int = Field(24_000, ge=100)
    """Fine-tuning a whole network with Segmenter."""
    unsupervised: int = Field(16_000, ge=100)
    """Unsupervised segmentation."""
    consistency: int = Field(8_000, ge=100)
    """Consistency of neighbours."""
    report: int = Field(4_000, ge=100)
    """A table, a figure, the choice of a learning rate, or the report."""


class Minutes(Settings):
    """Time limit of the first attempt of a job, in minutes, by kind of job. The n-th attempt asks
    for n times as much. A job that asks for more waits longer in the queue."""

    fetch: int = Field(720, ge=1)
    """Downloading and checking an archive."""
    weights: int = Field(60, ge=1)
    """Downloading and converting the weights of a backbone."""
    scenes: int = Field(60, ge=1)
    """Generating archives of scenes."""
    prepare: int = Field(240, ge=1)
    """Preparing a dataset from its archives."""
    train: int = Field(1_440, ge=1)
    """A NeCo training. The paper reports 19 hours for ViT-S/14; ViT-B/14 takes about 63 by
    arithmetic. A training that reaches its limit saves a checkpoint, and its next attempt continues
    from it."""
    extract: int = Field(60, ge=1)
    """Extracting features, or attention, of a split."""
    in_context: int = Field(480, ge=1)
    """In-context evaluation."""
    overcluster: int = Field(480, ge=1)
    """Overclustering."""
    linear: int = Field(480, ge=1)
    """Training and scoring linear heads."""
    fine_tune: int = Field(1_440, ge=1)
    """Fine-tuning a whole network with Segmenter: 5 to 45 hours by arithmetic. If it reaches its
    limit, its next attempt continues."""
    unsupervised: int = Field(480, ge=1)
    """Unsupervised segmentation."""
    consistency: int = Field(60, ge=1)
    """Consistency of neighbours."""
    report: int = Field(5, ge=1)
    """A table, a figure, the choice of a learning rate, or the report."""


class Resources(Settings):
    """What each job asks of the scheduler: threads, GPUs, memory and time (docs/cluster.md)."""

    train_threads: int = Field(8, ge=1)
    """Threads of each training process and of each fine-tuning. With more of them a job can be
    faster, and fewer jobs run at a time."""
    evaluate_threads: int = Field(8, ge=1)
    """Threads of each extraction and evaluation. With more of them a job can be faster, and fewer
    jobs run at a time."""
    train_gpus: int = Field(1, ge=0, le=1)
    """GPUs of each training process and of each fine-tuning: 1, or 0 to use the CPU."""
    evaluate_gpus: int = Field(1, ge=0)
    """GPUs of each extraction and of each evaluation that can use one. A higher value than 1
    reserves GPUs that stay idle; 0 evaluates on the CPU."""
    train_devices: int = Field(1, ge=1)
    """Training processes on each node, each with a GPU of its own. A higher value divides a run's
    batch among more processes, so the batch must be a multiple of their number."""
    train_nodes: int = Field(1, ge=1)
    """Nodes of each training. A higher value divides a run's batch among more nodes and needs
    SLURM."""
    memory_mb: Memory = Memory()
    minutes: Minutes = Minutes()
    largest_memory_mb: int = Field(128_000, ge=100)
    """Largest memory in MB that any attempt asks for. Set it to what the largest node has."""
    longest_minutes: int = Field(2_880, ge=1)
    """Longest time limit in minutes that any attempt asks for. Set it to the limit of the
    partition."""
    stop_seconds: int = Field(180, ge=1)
    """Seconds before its time limit at which a training or fine-tuning is told to save a checkpoint
    and stop. A higher value leaves more time to save and less to train. SLURM may tell it up to a
    minute early."""

    def memory_of(self, kind: Kind, attempt: int) -> int:
        """Return the MB that an attempt (1, 2, ...) of a kind of job asks for on each node."""
        each = getattr(self.memory_mb, kind) * (self.train_devices if kind == "train" else 1)
        return int(min(each * attempt, self.largest_memory_mb))

    def minutes_of(self, kind: Kind, attempt: int) -> int:
        """Return the time limit of an attempt (1, 2, ...) of a kind of job, in minutes."""
        return int(min(getattr(self.minutes, kind) * attempt, self.longest_minutes))
