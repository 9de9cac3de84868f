"""What a machine has that settings are chosen from."""

from dataclasses import dataclass
from pathlib import Path

from neco.data.pool import available_cores
from neco.precision import device_name, training_precision

CGROUP = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)
"""Where containers say how much memory they may take and have taken."""


@dataclass(frozen=True)
class Machine:
    """One device to train on, and what is beside it."""

    kind: str
    """`cuda` or `cpu`."""
    name: str
    memory: int
    """Free bytes, of the GPU where there is one."""
    cores: int
    precision: str
    """What `auto` comes to: bf16-mixed or 32-true."""

    @property
    def gpu(self) -> bool:
        return self.kind == "cuda"

    def __str__(self) -> str:
        return f"{self.name}, {self.cores} cores, {self.memory / 1e9:.1f} GB free"


def this_machine() -> Machine:
    """Return what this machine has."""
    import torch

    kind = "cuda" if torch.cuda.is_available() else "cpu"
    memory = torch.cuda.mem_get_info()[0] if kind == "cuda" else free_memory()
    precision = training_precision("auto", kind)
    return Machine(kind, device_name(kind), memory, available_cores(), precision)


def free_memory(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the bytes of memory that may still be taken, of the container where that is less.

    Where the system does not say it, 4 GB are assumed.
    """
    free = 4 << 30
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        if "MemAvailable" in lines:
            free = int(lines["MemAvailable"].split()[0]) * 1024
    for limit, used in CGROUP:
        try:
            free = min(free, max(int(limit.read_text()) - int(used.read_text()), 0))
        except (OSError, ValueError):  # no such group, or `max`
            continue
    return free
