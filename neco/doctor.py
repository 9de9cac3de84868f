"""What this machine has, and what would run in place of what it lacks.

`examine()` returns findings; nothing that it looks at can make it fail, and nothing that it returns
names the machine, its user or a folder of theirs, since people paste it into public reports.
"""

import getpass
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

VERSIONS = (
    *("torch", "torchvision", "timm", "lightning-fabric", "numpy", "scipy", "pandas", "pydantic"),
    *("pillow", "safetensors", "onnx", "faiss-cpu", "faiss-gpu", "snakemake"),
)
"""Packages whose versions are told."""
GIGABYTE = 1e9
SHORT = 20.0
"""Seconds that another program may take to tell its version."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    group: str
    name: str
    found: str
    """What is there, in words; empty where it is absent."""
    instead: str = ""
    """What is used where it is absent."""
    needed_by: str = ""
    """Which command or setting asks for it."""


def examine() -> list[Finding]:
    """Return every finding, group by group."""
    return [_private(finding) for look in LOOKS for finding in _surely(look)]


def _surely(look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return the findings of a look; one that says so where it failed."""
    try:
        return list(look())
    except Exception as error:
        name = look.__name__.strip("_").replace("_", " ")
        return [Finding("Not told", name, f"{type(error).__name__}: {error}")]


def _versions() -> Iterable[Finding]:
    from neco.evaluate.conditions import git_commit

    commit = git_commit()
    own = version("neco-reproduction") + (f", commit {commit}" if commit else "")
    yield Finding("Versions", "neco", own)
    yield Finding("Versions", "Python", platform.python_version())
    system = f"{platform.system()} {platform.release()} ({platform.machine()})"
    yield Finding("Versions", "system", system)
    for package in VERSIONS:
        if found := _version(package):
            yield Finding("Versions", package, found)


def _processor() -> Iterable[Finding]:
    import torch

    from neco.precision import device_name, fast_half, training_precision

    usable = getattr(os, "sched_getaffinity", lambda _: range(os.cpu_count() or 1))(0)
    yield Finding("Machine", "processor", device_name("cpu").rpartition(" (")[0])
    yield Finding("Machine", "cores", f"{len(usable)} usable of {os.cpu_count()}")
    flags = _flags()
    wide = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in flags]
    yield Finding(
        "Machine", "instructions", ", ".join(wide) or torch.backends.cpu.get_cpu_capability()
    )
    half = fast_half("cpu")
    yield Finding(
        "Machine",
        "fast bfloat16 on the processor",
        "yes" if half is not None else "",
        "float32",
        "train.precision: auto",
    )
    yield Finding("Machine", "train.precision: auto", training_precision("auto"))


def _memory() -> Iterable[Finding]:
    from neco.loading import SHARED_MEMORY, SMALL

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _cgroup_limit()
    within = f", of which this process may use {_size(limit)}" if limit and limit < memory else ""
    yield Finding("Machine", "memory", _size(memory) + within)
    if SHARED_MEMORY.exists():
        shared = shutil.disk_usage(SHARED_MEMORY)
        small = (
            "" if shared.free >= SMALL else "; loader workers use pipes instead, a little slower"
        )
        told = f"{_size(shared.free)} free of {_size(shared.total)}{small}"
        yield Finding("Machine", str(SHARED_MEMORY), told)
    yield Finding("Machine", "disk", f"{_size(shutil.disk_usage('.').free)} free in this folder")


def _gpus() -> Iterable[Finding]:
    import torch

    count = torch.cuda.device_count()
    for number in range(count):
        card = torch.cuda.get_device_properties(number)
        text = f"{card.name}, {_size(card.total_memory)}, capability {card.major}.{card.minor}"
        yield Finding("Machine", f"GPU {number}", text)
    if not count:
        instead = "the processor; set train_gpus and evaluate_gpus of `resources` to 0"
        yield Finding("Machine", "GPU", "", instead, "snakemake, neco train")
    yield Finding("Machine", "CUDA of torch", torch.version.cuda or "", "a build for processors")


def _sorting() -> Iterable[Finding]:
    import torch

    from neco.sorting import triton_path
    from neco.sorting.compiled import build

    library = build.cache_directory() / f"{build.NAME}.so"
    compiler = build.words_of(build.compiler())
    has_compiler = shutil.which(compiler[0]) is not None
    kernel = "torch, slower than the compiled loop: no C++ compiler; install g++ or set CXX"
    if library.exists():
        kernel = "compiled (built already)"
    elif has_compiler:
        kernel = "compiled (built on first use)"
    yield Finding("What would run", "sorting loss on the processor", kernel)
    missing = triton_path.missing()
    if torch.cuda.is_available():
        kernel = f"torch, slower than Triton: {missing}" if missing else "triton"
        yield Finding("What would run", "sorting loss on the GPU", kernel)
    yield Finding(
        "Optional parts",
        "C++ compiler",
        _told(*compiler, "--version") if has_compiler else "",
        "plain PyTorch for the sorting loss",
        "neco train on the processor",
    )
    yield Finding(
        "Optional parts",
        "Triton",
        "" if missing else _version("triton"),
        f"plain PyTorch for the sorting loss ({missing})",
        "neco train on a GPU",
    )


def _packages() -> Iterable[Finding]:
    for name, module, packages, instead, needed_by in PACKAGES:
        there = find_spec(module) is not None
        known = next(filter(None, map(_version, packages)), "yes")
        yield Finding("Optional parts", name, known if there else "", instead, needed_by)


PACKAGES = (
    (
        "faiss", "faiss", ("faiss-gpu", "faiss-cpu"), "nothing: run `make setup`",
        "neco evaluate overcluster, unsupervised",
    ),
    (
        "ScaNN", "scann", ("scann",), "search: exact, which finds the true neighbours",
        "in_context.search: scann",
    ),
    (
        "MMSegmentation", "mmseg", ("mmsegmentation",),
        "nothing: pip install 'neco-reproduction[segmenter]'", "neco evaluate segmenter",
    ),
    (
        "infomap", "infomap", ("infomap",),
        "nothing: pip install 'neco-reproduction[unsupervised]'", "neco evaluate unsupervised",
    ),
    (
        "optuna", "optuna", ("optuna",),
        "nothing: pip install 'neco-reproduction[unsupervised]', or set unsupervised.trials to 0",
        "unsupervised.trials",
    ),
    (
        "onnxruntime", "onnxruntime", ("onnxruntime", "onnxruntime-gpu"),
        "PyTorch, which runs every network of this project", "running an exported ONNX file",
    ),
    (
        "DVC", "dvc", ("dvc",), "nothing: pip install 'neco-reproduction[dvc]'",
        "snakemake publish, dvc pull",
    ),
    (
        "Snakemake's SLURM plugin", "snakemake_executor_plugin_slurm",
        ("snakemake-executor-plugin-slurm",), "this machine alone",
        "snakemake --workflow-profile profiles/slurm",
    ),
)  # fmt: skip
"""Name, module, distributions, what is used instead, what asks for it."""


def _programs() -> Iterable[Finding]:
    for program, instead, needed_by in PROGRAMS:
        there = shutil.which(program) is not None
        found = _told(program, "--version") if there else ""
        yield Finding("Optional parts", program, found, instead, needed_by)


PROGRAMS = (
    ("git", "results do not name the commit that made them", "every evaluation"),
    ("conda", "the virtual environment of `make setup`", "snakemake --use-conda"),
    ("apptainer", "the virtual environment of `make setup`", "snakemake --sdm apptainer"),
    ("docker", "the virtual environment of `make setup`", "make image"),
    ("sbatch", "this machine alone", "snakemake --workflow-profile profiles/slurm"),
)
"""Program, what is used instead, what asks for it."""

LOOKS: tuple[Callable[[], Iterable[Finding]], ...] = (
    _versions, _processor, _memory, _gpus, _sorting, _packages, _programs,
)  # fmt: skip


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _told(*command: str) -> str:
    """Return the first line that a program says, `yes` where it says nothing."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SHORT, check=False)  # noqa: S603 (own words, no shell)
    except (OSError, subprocess.SubprocessError):
        return "there, but it does not answer"
    return next(iter((run.stdout or run.stderr).strip().splitlines()), "yes")


def _flags() -> set[str]:
    description = Path("/proc/cpuinfo")
    return set(description.read_text().split()) if description.exists() else set()


def _cgroup_limit() -> int | None:
    """Return the bytes of memory that a container is allowed, None where it is not limited."""
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        if Path(path).exists():
            text = Path(path).read_text().strip()
            return int(text) if text.isdecimal() else None
    return None


def _size(size: float) -> str:
    return f"{size / GIGABYTE:.1f} GB"


def _private(finding: Finding) -> Finding:
    """Return a finding without names of the machine, its user or their folders."""
    values = vars(finding).items()
    return Finding(**{key: _without_names(value) for key, value in values})


def _without_names(text: str) -> str:
    """Return a text with `~`, `USER` and `HOST` for the names of this machine."""
    text = text.replace(str(Path.home()), "~").replace(str(Path.cwd()), ".")
    text = text.replace(sys.prefix, "<environment>")
    for name, stand_in in ((_user(), "USER"), (socket.gethostname(), "HOST")):
        if len(name) > 2:
            text = re.sub(rf"(?<![\w-]){re.escape(name)}(?![\w-])", stand_in, text)
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
