"""The jobs of a dry run, and the table of what each part of the report costs alone."""

from pathlib import Path

from neco.config import load_project
from neco.config.reporting import SHOWN
from neco.documents import renewed
from neco.plan.alone import COMMAND, file_of, jobs_of_paper, table
from neco.plan.jobs import by_rule, leading_to, read_jobs

ROOT = Path(__file__).parents[2]
TEXT = """
[Wed Nov 25 19:21:41 2026]
rule weights:
    output: w
    resources: tmpdir=/tmp, network=1

localrule features:
    input: w, data
    output: f
Shell command: make f

rule table:
    input: f
    output: t.csv, t.html

rule figure:
    input: data
    output: p.png

rule all:
    input: t.html
Job stats:
"""


def test_jobs_are_read_and_followed_back() -> None:
    jobs = read_jobs(TEXT)
    assert [job.rule for job in jobs] == ["weights", "features", "table", "figure"]
    assert by_rule(leading_to(["t.html"], jobs)) == {"table": 1, "features": 1, "weights": 1}
    assert by_rule(leading_to(["p.png", "nothing"], jobs)) == {"figure": 1}


def test_the_document_tells_what_each_part_costs_and_all_of_them_are_the_dag(monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    jobs = jobs_of_paper()
    project = load_project(ROOT / "config" / "config.yaml")
    parts = leading_to([file_of(part, project) for part in SHOWN], jobs)
    further = by_rule(set(jobs) - set(parts))
    assert further == {"summary": 1, "verify": 1, "models": 1, "report": 1}
    document = ROOT / "docs" / "paper-map.md"
    text = document.read_text()
    paper = load_project(ROOT / "config" / "config.yaml", {"data": "/nowhere"})
    assert renewed(text, document, COMMAND, table(paper, jobs)) == text, f"run {COMMAND}"
