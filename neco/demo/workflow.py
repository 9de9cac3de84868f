"""Snakemake as one line on the terminal; what it writes goes to a file."""

import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from neco.demo.records import TYPICAL, Records
from neco.errors import StoppedError, UserError
from neco.files import read_text
from neco.locks import held
from neco.processes import EndedError, number_of
from neco.progress import ProgressLine

TOLD = 12
"""Lines of Snakemake's records that are shown where it fails."""
LOOK = 0.5
"""Seconds between two looks at the time."""


def run_workflow(
    configuration: Path, results: Path, cores: str, typical: Mapping[str, float] = TYPICAL
) -> Path:
    """Run Snakemake with a configuration; return the file of its records.

    results: results/<name of the project>, which one process at a time may write.
    typical: seconds of a job of each rule, by which the progress line is divided.
    Raises UserError where a job fails, with the end of the records and the job's log, and
    StoppedError for Ctrl-C: the same call continues.
    """
    records = results / "snakemake.log"
    results.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "snakemake", "--cores", cores, "--configfile"]
    # The lock held here goes with this process; Snakemake's own would outlive a kill.
    command += [str(configuration), "--rerun-incomplete", "--nolock"]
    with held(results, "neco demo"):
        status, heard = _followed(command, records, typical)
    if status:
        raise UserError(_failure(heard, records))
    return records


def _followed(
    command: list[str], records: Path, typical: Mapping[str, float]
) -> tuple[int, Records]:
    """Run a command whose lines are Snakemake's; return its status and what was heard."""
    heard = Records(typical)
    lines: SimpleQueue[str | None] = SimpleQueue()
    with (
        subprocess.Popen(  # noqa: S603 (own words, no shell)
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
        records.open("w", encoding="utf-8") as file,
    ):
        assert process.stdout is not None  # noqa: S101 (for mypy)
        Thread(target=_forward, args=(process.stdout, lines), daemon=True).start()

        def stop(number: int, frame: object) -> None:
            """Pass on what only this process was told, and stop as for Ctrl-C."""
            process.send_signal(signal.SIGINT)
            raise EndedError(number)

        before = signal.signal(signal.SIGTERM, stop)
        try:
            with ProgressLine(1.0) as line:
                line.at(0.0, "plan the jobs")
                while (text := _next(lines)) is not None:
                    if text:
                        file.write(text)
                        file.flush()
                        heard.read(text)
                    if heard.total:
                        line.at(heard.done / heard.total, heard.step or "choose the next jobs")
                if not process.wait():
                    line.at(1.0, "done")
        except KeyboardInterrupt as ended:
            # Ctrl-C reached Snakemake and its jobs too: a training saves its state first.
            _end(process)
            raise StoppedError(
                "stopped; what is finished stays, and the same command continues from there",
                number_of(ended),
            ) from None
        finally:
            signal.signal(signal.SIGTERM, before)
    return process.returncode, heard


def _forward(stream: Iterable[str], lines: "SimpleQueue[str | None]") -> None:
    for text in stream:
        lines.put(text)
    lines.put(None)


def _next(lines: "SimpleQueue[str | None]") -> str | None:
    """Return the next line, "" where none came for a moment, None at the end."""
    try:
        return lines.get(timeout=LOOK)
    except Empty:
        return ""


def _end(process: "subprocess.Popen[str]") -> None:
    """Wait for a process that was told to stop; tell it again where only this one was told."""
    while process.poll() is None:
        try:
            process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        except KeyboardInterrupt:  # somebody presses again: it is on its way
            continue


def _failure(heard: Records, records: Path) -> str:
    """Return what is said of a workflow that failed: the end of its records goes to stderr."""
    lines = deque(read_text(records, "records").splitlines(), maxlen=TOLD)
    print(*lines, sep="\n", file=sys.stderr)
    logs = [f"{rule} ({log})" if log else rule for rule, log in heard.failed.items()]
    if logs:
        return f"failed in {', '.join(logs)}; mend it, the same command continues. Above: {records}"
    return f"Snakemake stopped; the end of {records} is above"
