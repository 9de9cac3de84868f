"""The parts of the report: every one is named where a reader looks, and imports go one way."""

import ast
from pathlib import Path

import pytest

import neco.report

ROOT = Path(neco.report.__file__).parent
FOLDERS = [ROOT, *sorted(path.parent for path in ROOT.glob("*/__init__.py"))]
ORDER = [line.split()[0] for line in (neco.report.__doc__ or "").split(":\n\n")[1].splitlines()]


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_package_names_what_is_in_it(folder: Path) -> None:
    tree = ast.parse((folder / "__init__.py").read_text())
    assert len(tree.body) == 1, "only a docstring, since every step would import the rest"
    words = (ast.get_docstring(tree) or "").replace(",", " ").replace(":", " ").split()
    inside = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    inside |= {path.parent.name for path in folder.glob("*/__init__.py")}
    assert inside <= set(words)


def test_a_part_imports_only_from_those_above_it() -> None:
    below = set()
    modules = [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]
    assert {part_of(path) for path in modules} == set(ORDER)
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neco.report."):
                imported = (node.module or "").split(".")[2]
                if ORDER.index(imported) > ORDER.index(part_of(path)):
                    below.add((path.name, node.module))
    assert below == set()
