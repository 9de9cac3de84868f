"""doctor: what this machine has, and what would run where something is absent."""

import argparse
import json
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING

from neco.cli.arguments import Commands

if TYPE_CHECKING:
    from neco.doctor import Finding


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    doctor = commands.add_parser(
        "doctor", help="print what this machine has, to paste into a report"
    )
    doctor.add_argument("--json", action="store_true", help="print JSON, for programs")
    doctor.set_defaults(step=_doctor)


def _doctor(chosen: argparse.Namespace) -> None:
    from neco.doctor import examine

    findings = examine()
    if chosen.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
        return

    for group, members in groupby(findings, key=lambda finding: finding.group):
        print(group)
        for finding in members:
            print(f"  {finding.name}: {finding.found or _absent(finding)}")


def _absent(finding: "Finding") -> str:
    """Return what takes the place of something that is absent, and who asks for it."""
    needed = f" (asked for by {finding.needed_by})" if finding.needed_by else ""
    return f"no; instead: {finding.instead}{needed}"
