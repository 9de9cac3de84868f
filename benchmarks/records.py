"""JSON lines that are on the disk as soon as they are known, so that an abort loses none."""

import json
import math
import os
from pathlib import Path
from typing import Any


def append(path: Path, record: dict[str, Any]) -> None:
    """Add one line to the file and have the system write it out.

    A line that an abort cut off is ended first, so that it does not take this one along.
    """
    line = json.dumps(plain(record), allow_nan=False).encode() + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def plain(value: Any) -> Any:
    """Return a value as JSON has it: numbers of NumPy and PyTorch as Python's, NaN as a word."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if value is None or isinstance(value, str | int):
        return value
    return plain(value.tolist()) if hasattr(value, "tolist") else str(value)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the records of a file; a line that was cut off is left out."""
    found = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else []:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and "part" in record:
            found.append(record)
    return found
