"""The page in a real browser: it works offline, sorts, and finds numpy's neighbours."""

import base64
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from neco.compare.page.build import HERE, _class_map, _cluster_maps
from neco.compare.page.script import script
from neco.report.figures.style import label_colours

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
WIDTHS = {"desktop": (1280, 900), "phone": (360, 740)}


def embedded(page_text: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page_text, re.S)
    return json.loads(found[1])


@pytest.fixture(scope="module")
def text(compared):
    return (compared / "comparison.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def data(text):
    return embedded(text)


def test_everything_lies_inside_of_the_file(text, data):
    assert not re.search(r"{{\w+}}", text)
    bare = re.sub(r'"data:image/[^"]+"', '""', text)
    assert not re.search(r'(?:src|href)="?(?!#|data:|")', bare)
    assert (
        "http://" not in bare.replace("http://www.w3.org/2000/svg", "") and "https://" not in bare
    )
    assert "default-src 'none'" in text
    assert len(data["datasets"][0]["images"]) == 3


def test_a_name_with_markup_stays_text(text, data):
    body = re.search(r'id="data">(.*?)</script>', text, re.S)[1]
    assert "<" not in body


def test_the_sources_ask_for_nothing():
    page, style = ((HERE / name).read_text(encoding="utf-8") for name in ("page.html", "page.css"))
    for source in (page, style, script(HERE / "js")):
        assert not re.search(r"\bfetch\(|XMLHttpRequest|import\s|@import|url\(|innerHTML", source)


def picture(source: str) -> np.ndarray:
    """Return a picture of the page as uint8 (H, W, 4)."""
    data = base64.b64decode(source.partition(",")[2])
    return np.array(Image.open(io.BytesIO(data)).convert("RGBA"))


@pytest.mark.parametrize("classes", [2, 3, 17, 30])
def test_class_maps_show_their_colours_and_nothing_where_ignored(classes):
    labels = np.array([[0, 1, classes - 1], [255, 255, 1]], np.uint8)
    colours = label_colours(["background", *map(str, range(1, classes))])
    shown = picture(_class_map(labels, colours))
    known = labels != 255
    assert (shown[known][:, :3] == colours[labels[known]]).all() and (shown[known][:, 3] > 0).all()
    assert (shown[~known][:, 3] == 0).all()


def test_cluster_maps_are_coloured_alike_where_they_overlap():
    first = np.array([[[0, 0, 1], [2, 2, 1]]], np.int32)
    other = np.array([[[2, 2, 0], [1, 1, 0]]], np.int32)  # the same clusters, numbered otherwise
    same, turned = (picture(_cluster_maps(one, first, 3)[0]) for one in (first, other))
    assert (same == turned).all() and len(np.unique(same.reshape(-1, 4), axis=0)) == 3


# ------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def browser():
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with driver.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(params=list(WIDTHS))
def opened(request, browser, compared):
    """Open the page; at the end there must be no error and no request but the file itself."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        has_touch=request.param == "phone",
        offline=True,
    )
    page = context.new_page()
    told, asked = [], []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda one: asked.append(one.url))
    page.goto((compared / "comparison.html").as_uri())
    page.wait_for_selector(".card .near button")
    yield page
    assert told == []
    assert [url[:5] for url in asked if not url.startswith("data:")] == ["file:"]
    context.close()


def values(page, column):
    cells = page.locator(f"#numbers tbody tr td:nth-child({column + 1}) .value")
    return [float(cell) for cell in cells.all_inner_texts()]


def names(page):
    found = page.locator("#numbers tbody td:first-child").all_inner_texts()
    return [name.split("\n")[0].strip() for name in found]


def test_the_script_leaves_no_name_behind(opened):
    declared = re.findall(r"^(?:const|function) (\w+)", script(HERE / "js"), re.MULTILINE)
    names = [name for name in declared if not opened.locator(f"#{name}").count()]
    assert len(names) > 50
    kinds = opened.evaluate(f"[{', '.join(f'typeof {name}' for name in names)}]")
    assert dict(zip(names, kinds, strict=True)) == dict.fromkeys(names, "undefined")


def test_nothing_is_wider_than_the_screen(opened):
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    opened.check("#every-setting")
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_click_on_a_head_sorts_and_another_turns_around(opened, data):
    assert names(opened) == [one["name"] for one in data["backbones"]]
    head = opened.locator("#numbers th").nth(1)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    down = values(opened, 1)
    assert down == sorted(down, reverse=True)
    opened.keyboard.press("Enter")  # the head kept the focus
    assert head.get_attribute("aria-sort") == "ascending"
    assert values(opened, 1) == sorted(down) != down
    opened.locator("#numbers th").first.locator("button").click()
    assert names(opened) == sorted(names(opened))


def test_the_table_shows_the_numbers_and_every_setting_when_asked(opened, data):
    first = next(row for row in data["rows"] if row["headline"])
    assert values(opened, 1)[0] == pytest.approx(first["value"], abs=0.051)
    columns = opened.locator("#numbers th").count()
    opened.check("#every-setting")
    settings = {(row["protocol"], row["setting"]) for row in data["rows"]}
    assert opened.locator("#numbers th").count() == 1 + len(settings) > columns


def nearest(shown, query, count, others):
    """Return the nearest patches and their cosines by numpy, from what the page carries."""
    dimensions = shown["dimensions"]
    numbers = np.frombuffer(base64.b64decode(shown["numbers"]), np.int8).reshape(-1, dimensions)
    vectors = numbers.astype(np.float64) * np.array(shown["scales"])
    cosines = vectors @ vectors[query]
    cosines /= np.linalg.norm(vectors, axis=1) * np.linalg.norm(vectors[query])
    each = shown["grid"][0] * shown["grid"][1]
    allowed = np.arange(len(vectors)) != query
    if others:
        allowed &= np.arange(len(vectors)) // each != query // each
    found = np.flatnonzero(allowed)
    return found[np.argsort(-cosines[found], kind="stable")][:count], cosines


def check_neighbours(page, data, image, x, y, others):
    dataset = data["datasets"][0]
    for name, shown in dataset["shown"].items():
        rows, columns = shown["grid"]
        query = image * rows * columns + int(y * rows) * columns + int(x * columns)
        card = page.locator(f'.card[data-backbone="{name}"]')
        assert int(card.get_attribute("data-query")) == query
        buttons = card.locator(".near button")
        patches = [int(one.get_attribute("data-patch")) for one in buttons.all()]
        expected, cosines = nearest(shown, query, data["neighbours"], others)
        assert cosines[patches] == pytest.approx(cosines[expected], abs=1e-12)
        assert len(set(patches)) == len(patches)
        told = [float(text.split("\u00b7")[0]) for text in buttons.all_inner_texts()]
        assert told == pytest.approx(cosines[patches], abs=0.00501)


def test_a_click_on_a_patch_shows_the_neighbours_that_numpy_finds(opened, data):
    query = opened.locator("#query")
    before = opened.locator(".card").first.get_attribute("data-query")
    for x, y in ((0.1, 0.15), (0.7, 0.55)):
        query.scroll_into_view_if_needed()
        box = query.bounding_box()
        query.click(position={"x": x * box["width"], "y": y * box["height"]})
        assert opened.locator(".card").first.get_attribute("data-query") != before
        check_neighbours(opened, data, 0, x, y, others=True)
    opened.uncheck("#others")
    check_neighbours(opened, data, 0, 0.7, 0.55, others=False)


def test_another_image_and_the_keyboard(opened, data):
    opened.locator("#strip button").nth(2).click()
    assert opened.locator("#strip button").nth(2).get_attribute("aria-pressed") == "true"
    check_neighbours(opened, data, 2, 0.5, 0.5, others=True)
    rows, columns = data["datasets"][0]["shown"][data["baseline"]]["grid"]
    opened.locator("#query").focus()
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("ArrowUp")
    row, column = rows // 2 - 1, columns // 2 + 1
    check_neighbours(opened, data, 2, (column + 0.5) / columns, (row + 0.5) / rows, others=True)
    assert f"row {row + 1}, column {column + 1}" in opened.locator("#query-text").inner_text()


def test_a_neighbour_leads_to_its_image(opened):
    button = opened.locator(".card .near button").first
    image = int(button.inner_text().split("\u00b7")[1])
    button.click()
    assert opened.locator("#strip button").nth(image - 1).get_attribute("aria-pressed") == "true"


def test_overlays_change_with_what_is_chosen(opened, data):
    panels = opened.locator("#overlays figure")
    assert panels.count() == 1 + len(data["backbones"])
    shown = opened.locator("#overlays .over").nth(1).get_attribute("src")
    opened.locator('#layers input[value="clusters"]').check()
    assert opened.locator("#overlays .over").nth(0).get_attribute("src") != shown
    opened.locator('#layers input[value="none"]').check()
    assert panels.count() == 1 and opened.locator("#overlays .over").count() == 0
    opened.locator('#layers input[value="predictions"]').check()
    opened.locator("#opacity").fill("0")
    strength = "getComputedStyle(document.querySelector('#overlays .over')).opacity"
    assert opened.evaluate(strength) == "0"


def test_pictures_have_words_and_controls_have_names(opened):
    unnamed = opened.evaluate(
        """[...document.querySelectorAll('button, input, select, canvas[tabindex], svg')].filter(
        (node) => !(node.getAttribute('aria-label') || node.textContent.trim()
        || node.labels?.length || node.getAttribute('aria-hidden'))
        && !node.closest('[hidden]')).length"""
    )
    assert unnamed == 0
    assert opened.evaluate("[...document.images].every((image) => image.hasAttribute('alt'))")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out(browser, compared, scheme):
    """Contrast of every colour of text to the page's, at least 4.5 to 1 (WCAG AA)."""
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto((compared / "comparison.html").as_uri())
    paper, *inks = page.evaluate(
        """['--paper', '--text', '--soft', '--better', '--worse', '--accent'].map((name) =>
        getComputedStyle(document.documentElement).getPropertyValue(name).trim())"""
    )
    context.close()
    for ink in inks:
        bright, dim = sorted((luminance(paper), luminance(ink)), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (scheme, ink)


def luminance(colour: str) -> float:
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
