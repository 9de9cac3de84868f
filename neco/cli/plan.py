"""The command plan: it takes a configuration and prints how many jobs and GPU-hours it asks for, as
a whole or for some tables and figures."""

import argparse
from pathlib import Path

from neco.cli.arguments import Commands, add_config, file_or_folder, project_of
from neco.errors import UserError


def add_commands(commands: Commands) -> None:
    """Add this module's command."""
    plan = commands.add_parser(
        "plan", help="print the jobs and GPU-hours of a project before it runs"
    )
    add_config(plan)
    plan.set_defaults(config=Path("config/config.yaml"), step=_plan)
    plan.add_argument(
        "--only",
        nargs="+",
        metavar="PART",
        help="only what these parts need: table-8, figure-2, ...",
    )
    plan.add_argument(
        "--measured",
        type=file_or_folder,
        help="speed that your GPU was measured at: JSON lines of benchmarks.training or "
        "benchmarks/gpu (default: the paper's GPU)",
    )
    plan.add_argument(
        "--gpus", type=int, default=1, help="GPUs that share one training (default: 1)"
    )


def _plan(args: argparse.Namespace) -> None:
    from rich.console import Console
    from rich.table import Table

    from neco.plan.hours import gpu_hours, measured_speed, paper_speed, run_hours
    from neco.plan.jobs import by_rule, dry_run, read_jobs
    from neco.report.needs import together

    if args.gpus < 1:
        raise UserError(f"plan: --gpus {args.gpus} is less than 1; name 1 or more")
    if args.only:
        args.set.append(f"only=[{','.join(args.only)}]")
    project = project_of(args)
    speed = measured_speed(args.measured) if args.measured else paper_speed()
    needs = together(project.only, project) if project.only else None
    costs = {cost.rule: cost for cost in gpu_hours(project, speed, needs)}
    settings = [item for item in args.set if "." not in item.partition("=")[0]]
    jobs = by_rule(read_jobs(dry_run(args.config, settings)))
    title = f"project {project.name}" + f", only {', '.join(project.only)}" * bool(project.only)
    table = Table("rule", "jobs", "GPU-hours", title=title)
    for rule in sorted(jobs, key=lambda name: -costs[name].hours if name in costs else 0):
        hours = f"{costs[rule].hours:,.1f}" if rule in costs else "-"
        table.add_row(rule, f"{jobs[rule]:,}", hours)
    total = sum(cost.hours for rule, cost in costs.items() if rule in jobs)
    table.add_row("total", f"{sum(jobs.values()):,}", f"{total:,.1f}")
    Console().print(table)
    trainings = run_hours(project, speed, needs)
    if trainings:
        runs = Table("run", "seeds", "GPU-hours a seed", f"hours on {args.gpus} GPU", title="train")
        for run in trainings:
            runs.add_row(
                run.run, str(run.seeds), f"{run.hours:,.2f}", f"{run.hours / args.gpus:,.2f}"
            )
        Console().print(runs)
    print(
        f"Hours at {speed.flops / 1e12:.1f} TFLOP/s, from {speed.source}; `-`: CPU work, not "
        "counted; several GPUs are taken to share a training without loss.\n"
        "Jobs are those that `snakemake --dry-run` would start now."
    )
