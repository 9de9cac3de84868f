"""doctor: what this machine has, and what would run where something is absent."""

import argparse
import json
from dataclasses import asdict
from itertools import groupby

from neco.cli.arguments import Commands


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    doctor = commands.add_parser("doctor", help="what this machine has; paste it into a report")
    doctor.add_argument("--json", action="store_true", help="for programs")
    doctor.set_defaults(step=_doctor)


def _doctor(chosen: argparse.Namespace) -> None:
    from neco.doctor import Finding, examine

    findings = examine()
    if chosen.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
        return

    def line(finding: Finding) -> str:
        text = f"  {finding.name}: {finding.found or 'no'}"
        absent = not finding.found or finding.found == "torch"
        needed = f" (asked for by {finding.needed_by})" if finding.needed_by else ""
        if finding.instead and (absent or not needed):
            return f"{text}; instead: {finding.instead}{needed}"
        return text

    for group, members in groupby(findings, key=lambda finding: finding.group):
        print(group)
        for finding in members:
            print(line(finding))
