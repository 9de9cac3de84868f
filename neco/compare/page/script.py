"""The page's JavaScript modules joined into one script, so that the page stays one file."""

import re
from graphlib import TopologicalSorter
from pathlib import Path

IMPORT = re.compile(r'^import \{([\w,\s]+)\} from "\./(\w+)\.js";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:const|function) )", re.MULTILINE)


def script(folder: Path) -> str:
    """Return every module of `folder`, each after those that it imports, without the two words.

    The modules share one scope then. Hence a name means one thing in all of them, and no name is
    changed while it is imported. Modules that import each other are refused (graphlib.CycleError).
    """
    sources = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.js"))}
    needed = {name: [at for _, at in IMPORT.findall(text)] for name, text in sources.items()}
    order = TopologicalSorter(needed).static_order()
    return "\n".join(EXPORT.sub("", IMPORT.sub("", sources[name])) for name in order)
