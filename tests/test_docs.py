"""What the pages say can be done: commands parse, links lead somewhere, files and settings exist.

Nothing is run. A command is read as its own program would read it: `python -m neco` by its parser
and its settings by the configuration, Snakemake by Snakemake's parser, `make` by the Makefile,
benchmarks by the flags that their source names. `...` and NAME stand for what a reader fills in.
"""

import argparse
import ast
import importlib
import math
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from neco.cli import parser
from neco.cli.arguments import project_of, settings_of
from neco.config import Project, Train, load_project
from neco.config.base import validated
from neco.config.fit import Fit
from neco.config.reporting import PARTS
from neco.config.training import PRESETS, with_preset
from neco.evaluate.protocol import PROTOCOLS
from tests.pages import Command, blocks, braces, commands, read, slugs, spans

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "benchmarks" / "results" / "README.md",
]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
NOT_SETTINGS = {"py", "md", "yaml", "json", "jsonl", "csv", "html", "tar", "png", "txt", "zip"}
every_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


def told(page: Path, command: Command) -> str:
    """Return how a fault of a command is told."""
    return f"{page.relative_to(ROOT)}:{command.line}: {' '.join(command.words)}"


@cache
def forgiving() -> argparse.ArgumentParser:
    """Return the parser of `python -m neco` that asks for nothing."""
    root = parser()
    _ask_for_nothing(root)
    return root


def _ask_for_nothing(one: argparse.ArgumentParser) -> None:
    for action in one._actions:
        action.required = False
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _ask_for_nothing(inner)
        elif not action.option_strings and action.nargs is None:
            action.nargs = "?"


@every_page
def test_commands_of_this_project_parse_and_their_settings_exist(page, capsys, monkeypatch) -> None:
    monkeypatch.chdir(ROOT)
    for command in commands(page):
        words = command.after("python -m neco", "neco")
        if words is None or not words or words == ["--help"]:
            continue
        asked = [word for word in words if word != "..."]
        reader = parser() if command.whole else forgiving()
        try:
            args = reader.parse_args(asked)
        except SystemExit as stop:
            assert stop.code == 0, f"{told(page, command)}: {capsys.readouterr().err[-200:]}"
            continue
        if args.command == "fit":
            given = settings_of(args)
            validated(Fit, given.get("fit", {}), told(page, command))
            validated(Train, with_preset(given.get("train", {}), "train"), told(page, command))
        elif "set" in args:
            if args.config is not None and not args.config.exists():
                assert args.config.parts[0] != "config", f"{told(page, command)}: no {args.config}"
                args.config = None  # a reader's own, or what `dvc pull` brings
            project = project_of(args)
            validated(Train, with_preset(project.train, "train"), told(page, command))
            if getattr(args, "run", None):
                assert args.run in project.runs, told(page, command)


@cache
def snakemake() -> tuple[argparse.ArgumentParser, set[str]]:
    """Return Snakemake's parser and the names of the rules."""
    from snakemake.cli import get_argument_parser

    named = re.compile(r"^\s*(?:rule|checkpoint|use rule \w+ as) (\w+)", re.MULTILINE)
    files = [ROOT / "workflow" / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    rules = {name for file in files for name in named.findall(file.read_text())}
    return get_argument_parser(), {
        *rules, *PARTS, *(record.rule for record in PROTOCOLS.values()),
    }  # fmt: skip


@every_page
def test_what_snakemake_is_asked_for_exists(page, capsys) -> None:
    for command in commands(page):
        words = command.after("snakemake", "python -m snakemake")
        if not words:
            continue
        reader, rules = snakemake()
        try:
            args = reader.parse_args([word for word in words if word != "..."])
        except SystemExit as stop:
            assert stop.code == 0, f"{told(page, command)}: {capsys.readouterr().err[-200:]}"
            continue
        for file in args.configfile or []:
            assert (ROOT / file).exists(), f"{told(page, command)}: no {file}"
        configuration = ROOT / ((args.configfile or ["config/config.yaml"])[0])
        given = [word.partition("=") for word in args.config or []]
        override = {name: yaml.safe_load(value) for name, _, value in given}
        project = load_project(configuration, override)
        validated(Train, with_preset(project.train, "train"), told(page, command))
        for target in (one for word in args.targets for one in braces(word)):
            _refuse_unknown_target(target, project, rules, told(page, command))
        for rule in [*(args.until or []), *(args.omit_from or [])]:
            assert rule in rules, f"{told(page, command)}: no rule {rule}"


def _refuse_unknown_target(target: str, project: Project, rules: set[str], where: str) -> None:
    if "/" not in target:
        assert target in rules, f"{where}: no rule {target}"
        return
    metrics = re.fullmatch(r"results/([^/]+)/metrics/([^/]+)/([^/]+)/([^/]+)\.json", target)
    if metrics:
        name, *asked = metrics.groups()
        assert name == project.name, f"{where}: project {name}"
        assert tuple(asked) in project.evaluated(), f"{where}: {target}"
    else:
        assert target.startswith(("results/", "data/", "build/")), f"{where}: {target}"


@every_page
def test_what_make_is_asked_for_exists(page) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, re.MULTILINE))
    for command in commands(page):
        for word in command.after("make") or []:
            name, equals, _ = word.partition("=")
            if equals:
                used = f"$({name})" in makefile or f"$(if $({name})" in makefile
                reads = name in makefile or name in "".join(
                    file.read_text() for file in (ROOT / "tests" / "image").glob("*.py")
                )
                assert used or reads, f"{told(page, command)}: nothing reads {name}"
            elif not word.startswith("-"):
                assert word in targets, f"{told(page, command)}: no target {word}"


@every_page
def test_benchmarks_and_modules_have_the_flags_that_they_are_called_with(page) -> None:
    for command in commands(page):
        words = command.after("python")
        if not words or words[:2] in (["-m", "neco"], ["-m", "pytest"], ["-m", "snakemake"]):
            continue
        if words[0] == "-m":
            path = ROOT.joinpath(*words[1].split("."))
            source = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
            if words[1].partition(".")[0] not in ("neco", "benchmarks"):
                continue
        elif words[0].endswith(".py"):
            source = ROOT / words[0]
        else:
            continue
        assert source.exists(), f"{told(page, command)}: no {source.relative_to(ROOT)}"
        for flag in (word.partition("=")[0] for word in words if word.startswith("--")):
            assert f'"{flag}"' in source.read_text(), f"{told(page, command)}: no {flag}"


@every_page
def test_packages_are_asked_for_with_extras_that_exist(page) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for command in commands(page):
        for word in command.after("pip install", "uv pip install") or []:
            for asked in re.findall(r"\[([\w,-]+)\]", word):
                assert set(asked.split(",")) <= set(extras["optional-dependencies"]), told(
                    page, command
                )


@every_page
def test_links_within_the_project_lead_somewhere(page) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", read(page))
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        led = (page.parent / path).resolve() if path else page
        assert led.exists(), f"{page.name}: no {target}"
        if anchor:
            assert anchor in slugs(read(led)), f"{page.name}: no heading for {target}"


@every_page
def test_files_that_are_named_exist(page) -> None:
    kept = r"(?:neco|tests|docs|config|benchmarks|workflow|envs|profiles)/[\w./-]*[\w/]"
    for line, code in spans(read(page)):
        if re.fullmatch(kept, code) and not re.search(r"\b[A-Z]+\b(?!\.md)", code):  # NAME: any
            assert (ROOT / code).exists(), f"{page.name}:{line}: no {code}"


def setting(path: list[str], model: Any = Project) -> bool:
    """Return whether a dotted path names a setting, of the project or of its training."""
    for name in path:
        if model is Project and name == "train":
            model = Train
            continue
        inner = [one for one in (model, *get_args(model)) if isinstance(one, type)]
        models = [one for one in inner if issubclass(one, BaseModel)]
        if not models:
            return dict in inner or str(model).startswith("dict")  # any name may follow
        fields = models[-1].model_fields
        if name not in fields:
            return False
        model = fields[name].annotation
    return True


@every_page
def test_settings_that_are_named_exist(page) -> None:
    for line, code in spans(read(page)):
        where = f"{page.name}:{line}: {code}"
        path = code.partition("=")[0].partition(":")[0].split(".")
        dotted = len(path) > 1 and all(re.fullmatch(r"[a-z_]+", name) for name in path)
        if dotted and path[-1] not in NOT_SETTINGS:
            if path[0] in Project.model_fields and path[0] != "name":
                assert setting(path), where
            elif path[0] in Train.model_fields:
                assert setting(path, Train), where
        elif re.match(r"[a-z_]+: \S", code) and path[0] in Project.model_fields:
            values = yaml.safe_load(code)
            if isinstance(values, dict):
                validated(Project, values, where)


@every_page
def test_blocks_of_yaml_and_python_are_sound(page, monkeypatch) -> None:
    for line, language, code in blocks(read(page)):
        where = f"{page.name}:{line}"
        if language == "python":
            for node in ast.walk(ast.parse(code, where)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("neco"):
                    module = importlib.import_module(node.module)
                    for name in node.names:
                        if not hasattr(module, name.name):
                            importlib.import_module(f"{node.module}.{name.name}")
        elif language in ("yaml", "yml"):
            values = yaml.safe_load(code)
            if isinstance(values, dict) and set(values) & set(Project.model_fields):
                asked = [one.get("datasets", []) for one in values.get("evaluations", [])]
                named = {"datasets": {name: {} for names in asked for name in names}}
                validated(Project, named | values, where)


def keys(values: dict[str, Any]) -> Iterator[str]:
    """Yield the names of the settings in nested values."""
    for name, value in values.items():
        yield from keys(value) if isinstance(value, dict) else [name]


def test_every_difference_of_a_preset_is_a_row() -> None:
    text = (ROOT / "docs" / "deviations.md").read_text()
    named = {part for _, code in spans(text) for part in re.split(r"[.:{\s]+", code)}
    asked = {key for preset in PRESETS.values() for key in keys(preset)}
    for record in PROTOCOLS.values():
        for preset in record.settings.presets.values():
            asked |= {*keys(preset.settings), *keys(preset.on)}
    assert asked - named == {"iterations"}  # the paper's own on a dataset, in docs/evaluation.md


def test_what_steepness_does_is_what_the_page_shows() -> None:
    """The table of docs/sorting.md is of random features; those that are all alike have 3.86."""
    import torch
    from torch.nn.functional import normalize

    from neco.sorting import SortSettings, sorting_cross_entropy

    def distances(generator: torch.Generator) -> torch.Tensor:
        patches = normalize(torch.randn(16, 49, 256, generator=generator), dim=-1)
        references = normalize(torch.randn(16, 49, 256, generator=generator), dim=-1)
        return (1 - patches @ references.transpose(1, 2)).flatten(0, 1)

    text = (ROOT / "docs" / "sorting.md").read_text()
    rows = re.findall(r"^\| (steepness|floor|information|loss)[^|]*\|(.*)\|$", text, re.MULTILINE)
    table = {
        name: [float(cell.replace(",", "")) for cell in cells.split("|")] for name, cells in rows
    }
    generator = torch.Generator().manual_seed(0)
    teacher, student = distances(generator), distances(generator)
    alike = torch.full((1, 49), 0.5)
    for place, steepness in enumerate(table["steepness"]):
        settings = SortSettings(student_steepness=steepness, teacher_steepness=steepness)
        loss, floor = (
            part.mean().item() for part in sorting_cross_entropy(student, teacher, settings)
        )
        assert loss == pytest.approx(table["loss"][place], abs=0.03)
        assert floor == pytest.approx(table["floor"][place], abs=0.03)
        assert 1 - floor / math.log(49) == pytest.approx(table["information"][place], abs=0.01)
    assert sorting_cross_entropy(alike, alike, SortSettings()).loss.item() == pytest.approx(
        3.86, abs=0.005
    )


def test_a_fault_of_each_kind_is_seen(tmp_path) -> None:
    """Blocks, continued lines, code in sentences, launchers, braces, headings, settings."""
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- `neco no` -->Say `neco train\n--strict`.\n\n"
        "    A=1 srun -n 2 python3 -m neco plan \\\n"
        "        --gpus 2 && make x  # or y\n\n```bash\npython benchmarks/a.py > out\n```\n"
    )
    assert [one.words for one in commands(page)] == [
        ["python", "-m", "neco", "plan", "--gpus", "2"],
        ["make", "x"],
        ["python", "benchmarks/a.py"],
        ["neco", "train", "--strict"],
    ]
    assert braces("a{,b}/{c,d}") == ["a/c", "a/d", "ab/c", "ab/d"]
    assert slugs("# A b, c: `d`\n```\n# no\n```\n## E-f") == {"a-b-c-d", "e-f"}
    assert setting(["train", "loss", "references", "source"])
    assert setting(["loss", "sorting", "student_steepness"], Train)
    assert not setting(["loss", "sorting", "steepnes"], Train)
    assert not setting(["in_context", "neighbors"])
