"""The table at the end: a line for what each part found, and for each part how it ended."""

from typing import Any

Row = dict[str, Any]


def table(records: list[Row]) -> str:
    """Return the latest findings of every part as lines of text."""
    lines: list[str] = []
    names = list(dict.fromkeys(row["part"] for row in records))
    for name in names:
        own = latest(records, name)
        how = next((row for row in reversed(own) if "status" in row), {"status": "not ended"})
        reason = f": {how['reason']}" if how.get("reason") else ""
        where = next((row["device"] for row in own if "device" in row), "")
        toy = " (rehearsal: the figures mean nothing)" if own[0].get("rehearsed") else ""
        lines += ["", f"{name}: {how['status']}{reason}  {where}{toy}"]
        lines += [f"    {told}" for row in own if (told := finding(row))]
    return "\n".join(lines).lstrip("\n")


def latest(records: list[Row], name: str) -> list[Row]:
    """Return the records of a part's last run: those after its last but one status."""
    own = [row for row in records if row["part"] == name]
    ends = [place for place, row in enumerate(own[:-1]) if "status" in row]
    return own[ends[-1] + 1 :] if ends else own


def failed(records: list[Row]) -> bool:
    """Return whether the last run of some part failed, or was stopped."""
    return any(
        row.get("status") in ("failed", "stopped")
        for name in {row["part"] for row in records}
        for row in latest(records, name)
    )


def finding(row: Row) -> str | None:
    """Return a record in words, None for what only the file tells."""
    tell = TELLERS.get(row.get("measured", ""))
    return tell(row) if tell else None


def _step(row: Row) -> str:
    how = "compiled" if row["compiled"] else "eager"
    return (
        f"{row['backbone']} {how}, batch {row['batch_size']}, {row['precision']}: "
        f"{row['step_ms']:g} ms, {row['images_per_second']:g} images/s, host "
        f"{row['host_thread_ms']:g} ms, {row['tflops_sustained']:g} TFLOP/s"
    )


def _parts(row: Row) -> str:
    parts = ", ".join(f"{part} {spent:g}" for part, spent in row["milliseconds"].items())
    return f"  of it, ms: {parts}"


def _error(row: Row) -> str:
    ways = "two ways" if row["two_way"] else "one way"
    return (
        f"{row['width']} references, {row['relaxation']}, {ways}, {row['path']}: error of loss "
        f"{row['loss_error']:.1e}, of gradient {row['gradient_error']:.1e}"
    )


def _time(row: Row) -> str:
    ways = "two ways" if row["two_way"] else "one way"
    floors = [
        f"{row[key]:g} ms is what its {what} takes"
        for key, what in (("memory_floor_ms", "traffic"), ("arithmetic_floor_ms", "arithmetic"))
        if key in row
    ]
    spent = f"{row['width']} references, {row['rows']} rows, {ways}: {row['milliseconds']:g} ms"
    return "; ".join([spent, *floors])


def _diffsort(row: Row) -> str:
    if "note" in row:
        return str(row["note"])
    return (
        f"{row['width']} references, {row['rows']} rows: diffsort "
        f"{row['diffsort_milliseconds']:g} ms, {row['path']} {row['milliseconds']:g} ms: "
        f"{row['ratio']:g}x"
    )


TELLERS = {
    "copy": lambda row: f"copies {row['gb_per_second']:g} GB/s",
    "matrix product": lambda row: f"{row['dtype']}: {row['tflops']:g} TFLOP/s",
    "host to device": lambda row: f"host to device {row['gb_per_second']:g} GB/s",
    "error": _error,
    "time": _time,
    "diffsort": _diffsort,
    "step": _step,
    "waits": lambda row: (
        "  whether the host waits is seen on a card only"
        if row["host_waits"] is None
        else f"  the host waits {row['host_waits']} times"
    ),
    "parts of a step": _parts,
    "end to end": lambda row: (
        f"{row['backbone']} from JPEGs, views={row['views']}, {row['workers']} workers: "
        f"{row['images_per_second']:g} images/s, {100 * row['data_wait']:.1f} % waiting"
    ),
    "search": lambda row: (
        f"{row['search']}: {row['queries']:,} of {row['of_queries']:,} queries in "
        f"{row['seconds']:g} s, {100 * row['proved_at_once']:.2f} % proved at once"
    ),
    "check": lambda row: f"  largest difference from float32: {row['largest_difference']:g}",
    "test": lambda row: f"{row['outcome']}: {row['test']}",
    "in-context": lambda row: f"{row['backbone']} {row['when']}: mIoU {row['miou']:g}",
    "curve": lambda row: (
        f"  excess {row['curve']['excess'][0]:g} to {row['curve']['excess'][-1]:g}, head's "
        f"rank {row['curve']['head_rank'][0]:g} to {row['curve']['head_rank'][-1]:g}"
    ),
}
"""What `measured` says, in words"""
