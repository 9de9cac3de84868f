"""demo and config: the whole workflow in one command, and what can be configured."""

import argparse
import subprocess
import sys
from pathlib import Path

from neco.cli.arguments import Commands
from neco.errors import UserError


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    demo = commands.add_parser("demo", help="the whole path on generated scenes, then its result")
    demo.add_argument("--cores", default="all")
    demo.set_defaults(step=_demo)

    config = commands.add_parser("config", help="print every setting, its default and its meaning")
    config.add_argument("--schema", action="store_true", help="print the JSON schema instead")
    config.set_defaults(step=_config)


def _demo(chosen: argparse.Namespace) -> None:
    if not Path("Snakefile").exists():
        raise UserError("no Snakefile here; run this in the repository's folder")
    workflow = [sys.executable, "-m", "snakemake", "--cores", chosen.cores]
    configuration = ["--configfile", "config/demo.yaml"]
    if subprocess.run([*workflow, *configuration]).returncode:  # noqa: S603 (own words, no shell)
        raise UserError("the workflow stopped; its last lines above name the log to read")
    results = Path("results/demo")
    summary = [
        "summary",
        "--config",
        str(results / "project.yaml"),
        "--into",
        str(results / "tables"),
    ]
    inputs = ["--metrics", str(results / "metrics"), "--models", str(results / "models.json")]
    subprocess.run([sys.executable, "-m", "neco", *summary, *inputs], check=True)  # noqa: S603 (own words, no shell)
    print(f"\nThe report: {(results / 'report' / 'report.html').resolve()}")


def _config(chosen: argparse.Namespace) -> None:
    from neco.config.documents import defaults_document, schema_document

    print(schema_document() if chosen.schema else defaults_document(), end="")
