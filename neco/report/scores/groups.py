"""Groups of models: models come in, all training seeds of a run come out together.

Groups have the names of the tables' rows.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from neco.backbones.registry import file_stem
from neco.paper.reported import canonical
from neco.report.scores.models import Model, read_models

ABLATION = re.compile(r"^(?:ablation-)?(5[a-e]|9[a-d])-(.+)$")


@dataclass(frozen=True)
class Group:
    """A backbone, or all training seeds of one run."""

    handle: str
    """What scores are kept under: no other group of the project has it."""
    name: str
    """The registry name of a backbone, or the name of a run. One of each may have the same name."""
    method: str
    label: str
    params: str
    start: str | None
    start_method: str | None
    members: tuple[Model, ...]
    ablations: tuple[str, ...]
    training: dict[str, Any]
    unique: bool = True
    """No other backbone of the project has this method and architecture."""

    @property
    def is_run(self) -> bool:
        return self.members[0].kind == "run"

    @property
    def is_released(self) -> bool:
        """Whether this is a student that NeCo's authors released: nothing was trained here."""
        return not self.is_run and self.start is not None

    @property
    def key(self) -> tuple[str, str]:
        """(method, backbone) of the paper's row that this group fills, as `canonical` writes it.

        A run counts as NeCo on its start only if its method is called so. So a variant never fills
        that row. The authors' released students do not either, because this project did not train
        them.
        """
        combined = f"{self.start_method}+NeCo"
        if self.is_released:
            return f"{self.method}, released weights", self.label
        if self.is_run and self.method in ("NeCo", combined):
            return combined, self.label
        return self.method, self.label

    @property
    def checked(self) -> tuple[str, str] | None:
        """(method, backbone) of the paper's row that a released student is held against.

        None for what this project trained or what was released without NeCo.
        """
        return canonical(self.method, self.label) if self.is_released else None

    @property
    def short(self) -> str:
        """Return a name for a row that states the architecture beside it."""
        if self.is_run:
            return f"{self.method} ({self.name}, from {self.start})"
        method = self.key[0]
        return method if self.unique else f"{method} ({self.name})"

    def of_row(self, method: str) -> str:
        """Return a released student's name beside the paper's row `method`."""
        name = f"{method}, released weights"
        return name if self.unique else f"{name} ({self.name})"

    @property
    def title(self) -> str:
        """Return a name for readers by which the groups of a project can be told apart."""
        label = "" if self.is_run or self.label in ("", "-") else f" {self.label}"
        return self.short + label if self.unique or self.is_run else self.short


class Place(NamedTuple):
    """Where the numbers of one group are: in its models' metrics files, or in their trainings."""

    handle: str
    dataset: str
    protocol: str


def slug(text: str) -> str:
    """Return `text` as a file or run name has it: `(10,100)` -> `10-100`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def read_groups(path: Path) -> list[Group]:
    """Return the groups of a models.json. Raises UserError where it is malformed."""
    return grouped(read_models(path))


def grouped(models: Sequence[Model]) -> list[Group]:
    """Return the groups of models, in the order in which each appears first."""
    methods = {model.model: model.method for model in models if model.kind == "backbone"}
    kinds = Counter((model.method, model.label) for model in models if model.kind == "backbone")
    grouped: dict[tuple[str, str], list[Model]] = {}
    for model in models:
        name = (model.run or model.model) if model.kind == "run" else model.model
        grouped.setdefault((model.kind, name), []).append(model)
    shared = {("run", name) for kind, name in grouped if kind == "backbone"}
    return [
        Group(
            handle=f"{name} (run)" if (kind, name) in shared else name,
            name=name,
            method=members[0].method,
            label=members[0].label,
            params=members[0].params,
            start=members[0].start and file_stem(members[0].start),
            start_method=members[0].start_method
            or methods.get(file_stem(members[0].start or ""), members[0].start),
            members=tuple(members),
            ablations=tuple(_ablations(members[0])),
            training=members[0].training,
            unique=kinds[members[0].method, members[0].label] <= 1,
        )
        for (kind, name), members in grouped.items()
    ]


def _ablations(model: Model) -> list[str]:
    """Return `table/slug of setting`, stated or read from a run's name (`5a-foreground`)."""
    stated = [
        f"{table}/{slug(setting)}"
        for table, _, setting in (cell.partition("/") for cell in model.ablations)
    ]
    named = ABLATION.match(model.run or "") if model.kind == "run" else None
    return stated or ([f"{named[1]}/{slug(named[2])}"] if named else [])
