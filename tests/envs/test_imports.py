"""Every environment of envs/ holds what its steps import, by a walk over the library's imports."""

import ast
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from neco.evaluate.protocol import PROTOCOLS

ROOT = Path(__file__).resolve().parents[2]
# What the rules of an environment call, by folder (the command line imports nothing else itself).
STEPS = {
    "train": ("neco/data", "neco/backbones", "neco/training", "neco/cli/arguments.py"),
    "evaluate": (
        "neco/evaluate",
        "neco/features.py",
        "neco/backbones/load.py",
        "neco/cli/arguments.py",
    ),
    "segmenter": ("neco/evaluate/segmenter", "neco/cli/arguments.py"),
    "report": ("neco/report", "neco/publish", "neco/backbones/load.py", "neco/cli/arguments.py"),
}
# `best-rate` alone runs in `evaluate`: choosing among results needs no MMSegmentation.
ELSEWHERE = {"evaluate": re.compile(r"neco\.evaluate\.segmenter(?!\.choice)")}


def modules_under(folder: str) -> list[str]:
    """Return the names of the modules of a folder or a file of the library."""
    path = ROOT / folder
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    names = (".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files)
    return [name.removesuffix(".__init__") for name in names]


def file_of(module: str) -> Path | None:
    """Return a module's file, or None where the name is that of something in a module."""
    path = ROOT.joinpath(*module.split("."))
    return next((f for f in (path / "__init__.py", path.with_suffix(".py")) if f.is_file()), None)


@cache
def imported_by(module: str) -> frozenset[str]:
    """Return what a module's file imports, inside functions too.

    What is imported for type checkers, or when a name of a package is asked for, is left out.
    """
    path = file_of(module)
    tree = ast.parse(path.read_text()) if path else ast.Module([], [])
    others = {
        id(inner)
        for node in ast.walk(tree)
        if (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        or (isinstance(node, ast.FunctionDef) and node.name == "__getattr__")
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in others:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    if module == "neco.cli.evaluation":  # which imports a protocol's module by the record's name
        found |= {f"neco.evaluate.{record.module}" for record in PROTOCOLS.values()}
    return frozenset(found)


def packages_behind(modules: list[str]) -> dict[str, str]:
    """Return the other packages that modules import, directly or not: package -> a module."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        for name in imported_by(module):
            first = name.partition(".")[0]
            if first == "neco":
                parts = name.split(".")
                todo += [".".join(parts[: count + 1]) for count in range(len(parts))]
            elif first not in sys.stdlib_module_names:
                found.setdefault(first, module)
    return found


def locked(environment: str) -> set[str]:
    """Return the names of the distributions that an environment's lock holds."""
    text = (ROOT / "envs" / f"{environment}.lock.txt").read_text()
    return set(re.findall(r"^([a-z0-9._-]+)==", text, flags=re.MULTILINE))


@pytest.mark.parametrize("environment", STEPS)
def test_environment_holds_what_its_steps_import(environment: str) -> None:
    modules = [name for folder in STEPS[environment] for name in modules_under(folder)]
    if environment in ELSEWHERE:
        modules = [name for name in modules if not ELSEWHERE[environment].match(name)]
    held = locked(environment)
    distributions = packages_distributions()
    missing = {
        package: module
        for package, module in packages_behind(modules).items()
        if not held & {name.lower().replace("_", "-") for name in distributions.get(package, ())}
        # The GPU build of faiss installs the module that the venv has from faiss-cpu.
        and not (package == "faiss" and "faiss-gpu" in held)
    }
    assert missing == {}, f"envs/{environment}.in lacks what these modules import"


def test_walk_sees_imports_inside_functions() -> None:
    found = packages_behind(["neco.cli"])
    assert {"torch", "mmseg", "infomap", "matplotlib"} <= set(found)


def test_every_rule_runs_in_one_of_the_environments() -> None:
    named = set()
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        text = path.read_text()
        environments = re.findall(r'conda:\s+"\.\./\.\./envs/([a-z]+)\.yaml"', text)
        rules = re.findall(r"^\s*rule(?: \w+)?:", text, flags=re.MULTILINE)
        assert len(environments) == len(rules), path
        named |= set(environments)
    assert named == set(STEPS) == {path.stem for path in (ROOT / "envs").glob("*.yaml")}
