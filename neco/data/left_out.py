"""Files that a preparation leaves out: passed over by a rule, or unusable and counted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from neco.errors import UserError
from neco.progress import console

SHOWN = 20
"""Unusable files that are listed one by one."""


class Unusable(NamedTuple):
    """One file that cannot be used."""

    reason: str
    """A few words that files of the same trouble share."""
    message: str
    """What is wrong with which file, and what to do."""


class UnusableError(UserError):
    """A single file cannot be used. The other files may be."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type["UnusableError"], tuple[str, str]]:
        """Let worker processes raise it, which an error rebuilt from its message alone cannot."""
        return type(self), (self.reason, str(self))

    def entry(self) -> Unusable:
        """Return what is kept of this error."""
        return Unusable(self.reason, str(self))


@dataclass
class LeftOut:
    """Everything in a folder that is not taken, by reason."""

    passed: Counter[str] = field(default_factory=Counter)
    """Passed over by a stated rule: hidden files, files that are no images."""
    unusable: list[Unusable] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Return how many files were left out for every reason."""
        return dict(self.passed + Counter(entry.reason for entry in self.unusable))

    def decide(self, folder: object, taken: int, allowed: int) -> None:
        """List what is unusable; raise UserError when it is more than `allowed` or all there is."""
        count = len(self.unusable)
        if not count:
            return
        if count > 1:
            for entry in self.unusable[:SHOWN]:
                console.print(f"left out: {entry.message}", soft_wrap=True, markup=False)
            if count > SHOWN:
                console.print(f"left out: and {count - SHOWN:,} more")
        if count <= allowed and taken:
            return
        first = self.unusable[0].message
        if count == 1 and taken:
            raise UserError(f"{first}; or leave it out with `--skip 1`")
        reasons = counted(Counter(entry.reason for entry in self.unusable).items())
        remedy = f", or leave them out with `--skip {count}`" if taken else ""
        raise UserError(
            f"{folder}: {count:,} of {count + taken:,} files cannot be used ({reasons}); the first "
            f"is {first}; mend or remove them{remedy}"
        )


def counted(reasons: Iterable[tuple[str, int]]) -> str:
    """Return `2 truncated, 1 empty`."""
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons)
