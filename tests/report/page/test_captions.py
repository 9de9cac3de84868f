from pathlib import Path

import jinja2
import pytest

from neco.paper.tables import LAYOUTS
from neco.report.page.captions import CAPTIONS, TITLES, files

FOLDER = Path(__file__).resolve().parents[3] / "workflow" / "report"


def test_shipped_captions_are_those_of_the_code() -> None:
    """When this fails: python -m neco.report.page.captions workflow/report"""
    shipped = {path.name: path.read_text() for path in FOLDER.glob("*.rst")}
    assert shipped == files()
    assert TITLES.keys() == CAPTIONS.keys()


class _Output(list):
    pass


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_tables_caption_is_that_of_the_output(name: str) -> None:
    class Snakemake:
        output = _Output([f"results/demo/tables/table-{name}.html"])

    text = jinja2.Template(files()["table.rst"]).render(snakemake=Snakemake)
    assert f"**Table {name}. {LAYOUTS[name].title}**" in " ".join(text.split())
    assert text.count("**Table") == 1


@pytest.mark.parametrize("name", ["overlays", *(f"figure-{number}" for number in range(1, 8))])
def test_the_figures_caption_is_that_of_the_output(name: str) -> None:
    class Snakemake:
        output = _Output([f"results/demo/figures/{name}.pdf"])

    text = jinja2.Template(files()["figure.rst"]).render(snakemake=Snakemake)
    assert " ".join(text.split()) == f"**{TITLES[name]}** {CAPTIONS[name]}"
