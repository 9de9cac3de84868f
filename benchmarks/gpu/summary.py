"""The table at the end: a line for what each part found, and for each part how it ended.

python -m benchmarks.gpu.summary results.jsonl                       the same table again
python -m benchmarks.gpu.summary results.jsonl --markdown            as a table for a page
python -m benchmarks.gpu.summary results.jsonl --into docs/gpu.md    written into the page
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.records import read
from neco.documents import renew
from neco.errors import UserError

Row = dict[str, Any]
COMMAND = "python -m benchmarks.gpu.summary"
ABOUT = ("part", "device", "rehearsed", "measured", "seconds")
"""What a record without words of its own is not told of"""


def table(records: list[Row]) -> str:
    """Return the latest findings of every part as lines of text."""
    lines: list[str] = []
    for name in dict.fromkeys(row["part"] for row in records):
        own = latest(records, name)
        how = next((row for row in reversed(own) if "status" in row), {"status": "not ended"})
        reason = f": {how['reason']}" if how.get("reason") else ""
        where = next((row["device"] for row in own if "device" in row), "")
        toy = " (rehearsal: the figures mean nothing)" if own[0].get("rehearsed") else ""
        lines += ["", f"{name}: {how['status']}{reason}  {where}{toy}"]
        lines += [f"    {told}" for row in own if (told := finding(row))]
    return "\n".join(lines).lstrip("\n")


def latest(records: list[Row], name: str) -> list[Row]:
    """Return the records of a part's last run: those after its last but one status.

    That a part was not started again takes nothing away from what it found before.
    """
    own = [row for row in records if row["part"] == name]
    own = [row for row in own if row.get("status") != "not started"] or own[-1:]
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
    """Return a record in words, None for what only the file tells.

    A record that lacks something, or has no number where one is expected, is told as it stands.
    """
    tell = TELLERS.get(row.get("measured", ""))
    if tell is None:
        return None
    try:
        return tell(row)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        rest = {key: value for key, value in row.items() if key not in ABOUT}
        return f"{row['measured']}: {json.dumps(rest)}"


def markdown(records: list[Row]) -> str:
    """Return the latest findings of every part on a card as one Markdown table for each card.

    Rehearsals are left out. Raises ValueError where nothing is left.
    """
    found: dict[str, list[str]] = {}
    measured = [row for row in records if not row.get("rehearsed")]
    for name in dict.fromkeys(row["part"] for row in measured):
        own = latest(measured, name)
        where = next((row["device"] for row in own if "device" in row), None)
        if where is not None:
            rows = found.setdefault(where, [])
            rows += [f"| `{name}` | {cell(told)} |" for told in _told(own)]
    if not found:
        raise ValueError("no line that was measured on a card; rehearsals do not count")
    return "\n\n".join(
        "\n".join([f"**{where}**", "", "| part | what was found |", "| --- | --- |", *rows])
        for where, rows in found.items()
    )


def _told(own: list[Row]) -> Iterator[str]:
    """Yield a part's findings in words, and last how it ended where it was not done."""
    yield from (told for row in own if (told := finding(row)))
    ended = next((row for row in reversed(own) if "status" in row), {"status": "not ended"})
    if ended["status"] != "done":
        yield ": ".join(filter(None, (ended["status"], ended.get("reason"))))


def cell(text: str) -> str:
    """Return a text that a table's cell can hold."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())


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
    "left out": lambda row: f"{row['search']} left out: {row['seconds_left']:g} s were left",
    "check": lambda row: f"  largest difference from float32: {row['largest_difference']:g}",
    "test": lambda row: ": ".join(filter(None, (row["outcome"], row["test"], row.get("why", "")))),
    "in-context": lambda row: f"{row['backbone']} {row['when']}: mIoU {row['miou']:g}",
    "curve": lambda row: (
        f"  excess {row['curve']['excess'][0]:g} to {row['curve']['excess'][-1]:g}, head's "
        f"rank {row['curve']['head_rank'][0]:g} to {row['curve']['head_rank'][-1]:g}"
    ),
}
"""What `measured` says, in words"""


def main() -> None:
    """Print the table of a file of records, or write it into a page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("records", type=Path, help="what python -m benchmarks.gpu wrote")
    parser.add_argument("--markdown", action="store_true", help="print a table for a page")
    parser.add_argument("--into", type=Path, help="page with the two marks to write it between")
    chosen = parser.parse_args()
    found = read(chosen.records)
    try:
        if chosen.into:
            renew(chosen.into, COMMAND, markdown(found))
        else:
            print(markdown(found) if chosen.markdown else table(found))
    except UserError as error:
        parser.error(str(error))
    except ValueError as error:
        parser.error(f"{chosen.into or chosen.records}: {error}")


if __name__ == "__main__":
    main()
