"""The page's modules joined into one script: in order, without a word that only modules know."""

import re
from collections import Counter
from graphlib import CycleError
from pathlib import Path

import pytest

import neco.compare.page
from neco.compare.page.script import script

JS = Path(neco.compare.page.__file__).parent / "js"
TOP = re.compile(r"^(?:export )?(?:const|let|function|class) (\w+)", re.MULTILINE)
EXPORTED = re.compile(r"^export (?:const|function) (\w+)", re.MULTILINE)


def written(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.js").write_text(text)
    return folder


def imports(text: str) -> list[tuple[list[str], str]]:
    """Return what a module imports: names, and the module they come from."""
    found = re.findall(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', text, re.MULTILINE)
    return [([name for name in re.split(r"[,\s]+", names) if name], at) for names, at in found]


def test_a_module_comes_after_those_that_it_imports(tmp_path):
    folder = written(
        tmp_path,
        a='import { b } from "./b.js";\nimport {\n  c,\n  d,\n} from "./c.js";\n\nb(c, d);\n',
        b='import { c } from "./c.js";\nexport function b() {}\n',
        c='export const c = "export const";\nexport const d = 2;\n',
    )
    assert script(folder) == (
        'const c = "export const";\nconst d = 2;\n\nfunction b() {}\n\n\nb(c, d);\n'
    )


def test_modules_that_import_each_other_are_refused(tmp_path):
    folder = written(
        tmp_path,
        a='import { b } from "./b.js";\nexport const a = 1;\n',
        b='import { a } from "./a.js";\nexport const b = 1;\n',
    )
    with pytest.raises(CycleError):
        script(folder)


def test_no_word_of_modules_is_left():
    assert not re.search(r"^\s*(?:import|export)\b", script(JS), re.MULTILINE)


def test_a_name_stands_for_one_thing_in_all_modules():
    """They share one scope on the page, so a second declaration would be a syntax error there."""
    assert [name for name, count in Counter(TOP.findall(script(JS))).items() if count > 1] == []


@pytest.mark.parametrize("path", sorted(JS.glob("*.js")), ids=lambda path: path.stem)
def test_a_module_imports_what_another_exports_and_says_what_it_does(path):
    text = path.read_text()
    assert re.match(r"// In: .*\n// Out: .*\n\n", text)
    assert all(len(line) <= 100 for line in text.splitlines())
    for names, at in imports(text):
        assert set(names) <= set(EXPORTED.findall((JS / f"{at}.js").read_text())), at
        rest = re.sub(r"^import \{[^}]*\} from .*$", "", text, flags=re.MULTILINE)
        assert all(re.search(rf"\b{name}\b", rest) for name in names), "imported and not used"


def test_the_page_is_drawn_last():
    assert script(JS).rstrip().endswith("drawDataset();")
