"""plan: how many jobs a project is, and how many GPU-hours."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

from neco.cli.arguments import Commands, add_config, project_of
from neco.errors import UserError


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    plan = commands.add_parser("plan", help="jobs and GPU-hours of a project before it runs")
    add_config(plan)
    plan.set_defaults(config=Path("config/config.yaml"), step=_plan)
    plan.add_argument(
        "--measured",
        type=Path,
        help="JSON lines of benchmarks/training.py or benchmarks/gpu (default: the paper's)",
    )
    plan.add_argument("--gpus", type=int, default=1, help="of one training (default 1)")


def _plan(chosen: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from neco.plan.hours import gpu_hours, measured_speed, paper_speed, run_hours

    project = project_of(chosen)
    speed = measured_speed(chosen.measured) if chosen.measured else paper_speed()
    costs = {cost.rule: cost for cost in gpu_hours(project, speed)}
    jobs = _jobs(chosen)
    table = Table("rule", "jobs", "GPU-hours", title=f"project {project.name}")
    for rule in sorted(jobs, key=lambda name: -costs[name].hours if name in costs else 0):
        hours = f"{costs[rule].hours:,.1f}" if rule in costs else "-"
        table.add_row(rule, f"{jobs[rule]:,}", hours)
    total = sum(cost.hours for rule, cost in costs.items() if rule in jobs)
    table.add_row("total", f"{sum(jobs.values()):,}", f"{total:,.1f}")
    Console().print(table)
    if chosen.gpus < 1:
        raise UserError(f"plan: --gpus {chosen.gpus} is less than 1")
    if project.runs:
        runs = Table(
            "run", "seeds", "GPU-hours a seed", f"hours on {chosen.gpus} GPU", title="train"
        )
        for run in run_hours(project, speed):
            runs.add_row(
                run.run, str(run.seeds), f"{run.hours:,.2f}", f"{run.hours / chosen.gpus:,.2f}"
            )
        Console().print(runs)
    print(
        f"Hours at {speed.flops / 1e12:.1f} TFLOP/s, from {speed.source}; `-`: CPU work, not "
        "counted; several GPUs are taken to share a training without loss.\n"
        "Jobs are those that `snakemake --dry-run` would start now."
    )


def _jobs(chosen: argparse.Namespace) -> dict[str, int]:
    """Return the jobs by rule that Snakemake would start."""
    if not Path("Snakefile").exists():
        raise UserError("no Snakefile here; run this in the repository's folder")
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--configfile", str(chosen.config)]
    settings = [item for item in chosen.set if "." not in item.partition("=")[0]]
    if settings:
        command += ["--config", *settings]
    run = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 (own words, no shell)
    if run.returncode:
        raise UserError(f"the dry run failed: {(run.stdout + run.stderr).strip()[-300:]}")
    stats = re.search(r"^job +count\n[- ]+\n(.*?)^total", run.stdout + run.stderr, re.M | re.S)
    if stats is None:
        return {}
    rows = (line.split() for line in stats[1].splitlines())
    return {name: int(count) for name, count in rows if name != "all"}
