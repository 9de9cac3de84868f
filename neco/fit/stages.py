"""What a stage was done with: a stage whose inputs are the same is not done again."""

import json
from pathlib import Path
from typing import Any

from neco.errors import StoppedError
from neco.files import write_json
from neco.run_files import FIT_RECORD


class Stages:
    """The record `fit.json` of a folder: per stage its inputs, and what it found."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FIT_RECORD
        self._stages: dict[str, Any] = {}
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
            self._stages = dict(stored["stages"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # none yet, or torn: every stage is done

    def found(self, stage: str, inputs: dict[str, Any], outputs: list[Path]) -> Any:
        """Return what a stage found with these inputs, None where it has to be done (again).

        outputs: what it wrote; it is done again where one of them is gone.
        """
        entry = self._stages.get(stage)
        if not isinstance(entry, dict) or entry.get("inputs") != _plain(inputs):
            return None
        return entry.get("found") if all(path.exists() for path in outputs) else None

    def done(self, stage: str, inputs: dict[str, Any], found: Any) -> None:
        """Note that a stage is done; found: anything but None."""
        self._stages[stage] = {"inputs": _plain(inputs), "found": found}
        write_json(self.path, {"stages": self._stages})

    def forget(self, stage: str) -> None:
        """Note that what a stage wrote is about to change."""
        if self._stages.pop(stage, None) is not None:
            write_json(self.path, {"stages": self._stages})


def _plain(inputs: dict[str, Any]) -> Any:
    """Return inputs as they come back from a file."""
    return json.loads(json.dumps(inputs))


def stopped_at(stage: str, number: int) -> StoppedError:
    """Return the error of a stage that signal `number` ended."""
    return StoppedError(f"interrupted at `{stage}`; the same command continues", number)
