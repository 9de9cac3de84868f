"""demo and config: the whole workflow in one command, and what can be configured."""

import argparse
from pathlib import Path

from neco.cli.arguments import Commands


def add_commands(commands: Commands) -> None:
    """Add this module's commands."""
    demo = commands.add_parser(
        "demo", help="run the whole path on generated scenes, and show its result"
    )
    demo.add_argument("--cores", default="all", help="processor cores to use (default: all)")
    demo.add_argument(
        "--full", action="store_true", help="three training seeds and the sizes that are published"
    )
    demo.set_defaults(step=_demo)

    config = commands.add_parser("config", help="print every setting, its default and its meaning")
    config.add_argument("--schema", action="store_true", help="print the JSON schema instead")
    config.set_defaults(step=_config)


def _demo(chosen: argparse.Namespace) -> None:
    from neco.demo.ending import print_ending
    from neco.demo.records import FULL, TYPICAL
    from neco.demo.workflow import run_workflow
    from neco.plan.jobs import refuse_no_snakefile

    name = "demo" if chosen.full else "quick-demo"
    configuration, results = Path("config") / f"{name}.yaml", Path("results") / name
    refuse_no_snakefile()
    run_workflow(configuration, results, chosen.cores, FULL if chosen.full else TYPICAL)
    print_ending(results, Path())


def _config(chosen: argparse.Namespace) -> None:
    from neco.config.documents import defaults_document, schema_document

    print(schema_document() if chosen.schema else defaults_document(), end="")
