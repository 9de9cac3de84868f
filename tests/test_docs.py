"""What the pages say can be done: commands parse, links lead somewhere, files and settings exist.

Nothing is run. A command is read as its own program would read it: `python -m neco` by its parser
and its settings by the configuration, Snakemake by Snakemake's parser, `make` by the Makefile,
benchmarks by the flags that their source names. `...` and NAME stand for what a reader fills in.
"""

import argparse
import ast
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import yaml
from pydantic import BaseModel

from neco.cli import parser
from neco.cli.arguments import project_of
from neco.config import Project, Train, load_project
from neco.config.base import validated
from neco.config.project import PARTS
from neco.config.training import with_preset
from neco.evaluate.protocol import PROTOCOLS

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "benchmarks" / "results" / "README.md",
]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
NOT_SETTINGS = {"py", "md", "yaml", "json", "jsonl", "csv", "html", "tar", "png", "txt", "zip"}
every_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


class Command(NamedTuple):
    """One program with its arguments, as a page shows it."""

    line: int
    words: list[str]
    whole: bool
    """Whether a reader could type it as it stands: it is in a block of code, without `...`."""

    def after(self, *starts: str) -> list[str] | None:
        """Return the words behind `starts` (space-separated), None where it begins otherwise."""
        for start in starts:
            head = start.split()
            if self.words[: len(head)] == head:
                return self.words[len(head) :]
        return None


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line, language, code) of every block of code; an indented one has no language."""
    lines = [*text.split("\n"), ""]
    kept, language, began = [], None, 0
    for number, line in enumerate(lines, start=1):
        fence = re.match(r"\s*```(\w*)", line)
        if language is not None:  # within a fence
            if fence:
                yield began, language, "\n".join(kept)
                kept, language = [], None
            else:
                kept.append(line)
        elif fence:
            language, began, kept = fence[1], number + 1, []
        elif re.match(r" {4,}\S", line) and (kept or not lines[number - 2].strip()):
            began = began if kept else number
            kept.append(line)
        elif kept:
            yield began, "", "\n".join(kept)
            kept = []


def spans(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, content) of every piece of code within a sentence."""
    blanked = re.sub(r"(?ms)^\s*```.*?^\s*```", lambda found: "\n" * found[0].count("\n"), text)
    for found in re.finditer(r"(?<!`)`([^`]+)`(?!`)", blanked):
        yield blanked.count("\n", 0, found.start()) + 1, " ".join(found[1].split())


def commands(page: Path) -> list[Command]:
    """Return the commands of a page, those within sentences too."""
    text = page.read_text()
    found = []
    for line, language, code in blocks(text):
        if language in ("", "bash", "sh", "shell", "console"):
            joined = re.sub(r"\\\n\s*", " ", code)
            for row in joined.split("\n"):
                found += [Command(line, words, "..." not in words) for words in simple(row)]
    for line, code in spans(text):
        found += [Command(line, words, False) for words in simple(code)]
    return [one for one in found if one.words]


def simple(row: str) -> list[list[str]]:
    """Return the words of each command in a row of shell, without variables, launchers, `...`."""
    words = shlex.shlex(row, posix=True, punctuation_chars="&|;<>()")
    words.whitespace_split = True
    try:
        told = list(words)
    except ValueError:  # an apostrophe in a sentence: no command
        return []
    found: list[list[str]] = [[]]
    skipped = False
    for word in told:
        if word in ("&&", "||", "|", ";", "&"):
            found.append([])
        elif word in (">", ">>", "<"):
            skipped = True
        elif skipped:
            skipped = False
        else:
            found[-1].append(word)
    return [_without_launcher(words) for words in found]


def _without_launcher(words: list[str]) -> list[str]:
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words and words[0] in ("srun", "exec", "nohup"):
        start = next((n for n, word in enumerate(words) if word.startswith("python")), len(words))
        words = words[start:]
    if words and words[0] in ("python3", ".venv/bin/python"):
        words = ["python", *words[1:]]
    return [word.removeprefix(".venv/bin/") for word in words]


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
        if "set" in args:
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


def braces(word: str) -> list[str]:
    """Return what a shell makes of `{a,b}` in a word."""
    found = re.search(r"\{([^{}]*,[^{}]*)\}", word)
    if not found:
        return [word]
    start, end = word[: found.start()], word[found.end() :]
    return [one for part in found[1].split(",") for one in braces(start + part + end)]


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


def slugs(text: str) -> set[str]:
    """Return the anchors that headings of a page make."""
    headings = re.sub(r"(?ms)^```.*?^```", "", text)
    titles = re.findall(r"^#+ (.+?)\s*$", headings, re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


@every_page
def test_links_within_the_project_lead_somewhere(page) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        led = (page.parent / path).resolve() if path else page
        assert led.exists(), f"{page.name}: no {target}"
        if anchor:
            assert anchor in slugs(led.read_text()), f"{page.name}: no heading for {target}"


@every_page
def test_files_that_are_named_exist(page) -> None:
    kept = r"(?:neco|tests|docs|config|benchmarks|workflow|envs|profiles)/[\w./-]*[\w/]"
    for line, code in spans(page.read_text()):
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
    for line, code in spans(page.read_text()):
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
    for line, language, code in blocks(page.read_text()):
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


def test_a_fault_of_each_kind_is_seen(tmp_path) -> None:
    """Blocks, continued lines, code in sentences, launchers, braces, headings, settings."""
    page = tmp_path / "page.md"
    page.write_text(
        "Say `neco train\n--strict`.\n\n    A=1 srun -n 2 python3 -m neco plan \\\n"
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
