import numpy as np
import pytest

from neco.cli import main
from neco.data.folder.look import look
from neco.data.folder.survey import survey
from neco.errors import UserError


def test_it_says_images_masks_ids_with_share_and_splits(mine):
    mine.pairs(9)
    mine.mask("masks/009.png", np.full((32, 40), 255, np.uint8))
    mine.photograph("images/009.jpg")
    mine.photograph("images/extra.jpg")
    mine.text("._x.jpg", b"x")
    text = look(mine.root).text
    assert "11 images (.jpg 11), 10 masks" in text
    assert "split train: 9 images, 8 labelled" in text and "split val: 2 images, 2 labelled" in text
    assert "255: 10 % of the pixels, in 1 mask\n" in text
    assert "left out: 1 hidden or of a system" in text


def test_shares_are_those_of_a_slow_count(mine):
    truth = mine.pairs(4, values=(0, 3, 9))
    found = survey([mine.root / f"masks/{name}.png" for name in truth])
    everything = np.stack(list(truth.values()))
    assert found.kind == "ids" and found.values() == [0, 3, 9]
    for value in (0, 3, 9):
        assert found.pixels[value] == (everything == value).sum()
        assert found.held_by[value] == 4


def test_many_masks_are_looked_at_from_place_to_place(mine, monkeypatch):
    truth = mine.pairs(10)
    monkeypatch.setattr("neco.data.folder.survey.MOST_MASKS", 4)
    found = survey([mine.root / f"masks/{name}.png" for name in truth])
    assert (found.masks, found.total) == (4, 10)
    assert "ids (of 4 of 10 masks):" in look(mine.root).text


def test_the_command_writes_once_and_reads_what_is_there(mine, capsys):
    mine.pairs(5)
    assert main(["look", str(mine.root), "--print"]) == 0
    assert "classes:  # give them" in capsys.readouterr().out
    assert not (mine.root / "dataset.yaml").exists()
    assert main(["look", str(mine.root)]) == 0
    written = (mine.root / "dataset.yaml").read_text()
    assert "written: " in capsys.readouterr().out and "  2: class 2  # " in written
    assert main(["look", str(mine.root)]) == 0
    out = capsys.readouterr().out
    assert "stays as it is" in out and "  2  class 2: " in out
    assert (mine.root / "dataset.yaml").read_text() == written
    assert main(["prepare", str(mine.root), "--into", str(mine.into)]) == 0
    assert mine.classes() == ["class 0", "class 1", "class 2"]


def test_what_cannot_be_decided_does_not_stop_the_look(mine):
    mine.pairs(5, values=(0, 255))
    mine.text("classes.txt", "a\nb\nc\n")
    found = look(mine.root)
    assert "to be decided: " in found.text and "hold only 0 and 255" in found.text
    assert "  255: class 1" in found.document


@pytest.mark.parametrize(
    ("make", "told"),
    [(lambda path: None, "no such folder of images"), (lambda path: path.touch(), "x: is a file")],
)
def test_what_is_no_folder_is_one_line(mine, make, told):
    make(mine.root / "x")
    with pytest.raises(UserError, match=told):
        look(mine.root / "x")


def test_an_empty_folder_is_one_line(mine):
    with pytest.raises(UserError, match="holds no images; put"):
        look(mine.root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("images: [", "no readable YAML"),
        ("- a\n- b\n", "holds no settings"),
        ("imags: x", "unknown key 'imags'; did you mean 'images'"),
        (b"\0", "no readable text"),
    ],
)
def test_a_dataset_yaml_that_cannot_be_read_is_one_line(mine, text, message):
    mine.pairs(5)
    mine.text("dataset.yaml", text)
    with pytest.raises(UserError, match=rf"dataset\.yaml: .*{message}") as caught:
        look(mine.root)
    assert "\n" not in str(caught.value)
