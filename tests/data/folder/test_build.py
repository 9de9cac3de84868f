import numpy as np
import pytest
from PIL import Image

from neco.cli import main
from neco.data.dataset import read_dataset
from neco.data.prepare import prepare, prepare_folder
from neco.errors import UserError


@pytest.fixture
def mine(official):
    folder = official.archives / "mine"
    folder.mkdir(parents=True)
    return folder


def put(official, folder, *names):
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(official.jpeg(seed))


def put_masks(official, folder, masks):
    for name, ids in masks.items():
        path = folder / "masks" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(official.png(ids))


def run(official):
    into = official.prepared / "mine"
    return prepare("mine", official.archives, into, prepared=official.prepared)


def test_plain_images_are_one_unlabelled_training_split(official, mine):
    put(official, mine, "b.jpg", "holiday/a.PNG", "notes.txt.jpeg")
    (mine / "readme.txt").write_text("not an image")
    assert run(official).images == {"train": 3}
    dataset = read_dataset(official.prepared / "mine", "train")
    assert [item.id for item in dataset.items] == ["b", "holiday/a", "notes.txt"]
    assert dataset.items[1].read_image().size == (24, 16)


def test_preparing_does_not_touch_the_users_files(official, mine):
    put(official, mine, "a.jpg")
    run(official)
    run(official)  # replaces the first preparation, through its link
    assert [path.name for path in mine.iterdir()] == ["a.jpg"]


def test_pairs_hold_out_every_fifth(official, mine):
    names = [f"{n:02}" for n in range(11)]
    put(official, mine, *(f"images/{name}.jpg" for name in [*names, "unlabelled"]))
    masks = {name: official.labels([0, 1, 2, 255], seed) for seed, name in enumerate(names)}
    put_masks(official, mine, masks)
    (mine / "classes.txt").write_text("background\nleaf\nstem\n")
    summary = run(official)
    assert summary.images == {"train": 9, "val": 2}
    assert sum(summary.left_out.values()) == 1
    written = official.written("mine")
    assert {name for split, name in written if split == "val"} == {"04", "09"}
    for (_, name), (_, found) in written.items():
        np.testing.assert_array_equal(found, masks[name])
    description = official.description("mine")
    assert description["classes"] == ["background", "leaf", "stem"]
    assert description["background"] is True


def test_subfolders_are_splits(official, mine):
    put(official, mine, "images/train/a.jpg", "images/val/b.jpg")
    put_masks(official, mine, {n: official.labels([0, 1]) for n in ("train/a", "val/b")})
    (mine / "classes.txt").write_text("cat\ndog\n")
    assert run(official).images == {"train": 1, "val": 1}
    assert official.description("mine")["background"] is False


def test_lists_are_splits(official, mine):
    put(official, mine, "a.jpg", "b.jpg", "c.jpg")
    (mine / "train.txt").write_text("c\na\n")
    (mine / "val.txt").write_text("b\n")
    run(official)
    assert set(official.written("mine")) == {("train", "a"), ("train", "c"), ("val", "b")}


def test_a_list_that_names_a_missing_image_is_refused(official, mine):
    put(official, mine, "a.jpg")
    (mine / "train.txt").write_text("a\nb\n")
    with pytest.raises(UserError, match=r"train\.txt: names b"):
        run(official)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (np.full((16, 24), 2), r"masks/a\.png: impossible label 2 .*there are 2 classes"),
        (np.zeros((16, 20)), r"masks/a\.png: the mask is 20x16 but its image is 24x16"),
        (np.arange(16 * 24 * 3).reshape(16, 24, 3) % 9, r"classes\.txt: names .* hold colours"),
    ],
)
def test_an_impossible_mask_is_refused(official, mine, ids, message):
    put(official, mine, "images/a.jpg")
    put_masks(official, mine, {"a": ids})
    (mine / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(UserError, match=message):
        run(official)
    assert official.leftovers() == []


def test_masks_need_class_names(official, mine):
    put(official, mine, "images/a.jpg")
    put_masks(official, mine, {"a": official.labels([0])})
    with pytest.raises(UserError, match=r"classes\.txt: masks need class names"):
        run(official)


def test_masks_that_match_no_image_are_refused(official, mine):
    put(official, mine, "images/a.jpg")
    put_masks(official, mine, {"b": official.labels([0])})
    (mine / "classes.txt").write_text("cat\n")
    with pytest.raises(UserError, match=r"no image has a mask; masks are named like a\.png"):
        run(official)


def test_images_may_lie_beside_the_folder_of_masks(official, mine):
    put(official, mine, "a.jpg", "b.jpg")
    masks = {name: official.labels([0], seed) for seed, name in enumerate("ab")}
    put_masks(official, mine, masks)
    (mine / "classes.txt").write_text("cat\n")
    assert run(official).images == {"train": 2}


def test_images_that_differ_in_the_suffix_keep_it_in_their_ids(official, mine):
    put(official, mine, "a.jpg", "a.png")
    assert run(official).images == {"train": 2}
    assert set(official.written("mine")) == {("train", "a.jpg"), ("train", "a.png")}


def test_two_images_of_one_mask_are_refused(official, mine):
    put(official, mine, "images/a.jpg", "images/a.png")
    put_masks(official, mine, {"a": official.labels([0])})
    (mine / "classes.txt").write_text("cat\n")
    with pytest.raises(UserError, match=r"a\.png: differs from a\.jpg in the suffix only"):
        run(official)


def test_a_misspelt_dataset_is_told_the_nearest_name(official):
    with pytest.raises(UserError, match=r"did you mean 'pascal-voc'"):
        prepare(
            "pascal-vocs", official.archives, official.prepared / "x", prepared=official.prepared
        )


def test_a_path_is_as_good_as_a_name(mine, tmp_path, official):
    put(official, mine, "a.jpg")
    coco = mine.rename(mine.with_name("coco"))  # called like an official dataset
    assert prepare_folder(coco, tmp_path / "p").images == {"train": 1}
    assert main(["prepare", str(coco), "--into", str(tmp_path / "q")]) == 0
    assert read_dataset(tmp_path / "q", "train").name == "coco"
    assert main(["prepare", "coco", "--into", str(tmp_path / "r")]) == 1


def test_a_target_inside_of_the_folder_is_refused(official, mine):
    put(official, mine, "a.jpg")
    with pytest.raises(UserError, match="lies inside of the folder that is prepared"):
        prepare_folder(mine, mine / "prepared")
    assert [path.name for path in mine.iterdir()] == ["a.jpg"]


def test_unusable_files_are_listed_together_and_a_policy_decides(official, mine, capsys):
    put(official, mine, "a.jpg", "b.jpg")
    (mine / "empty.jpg").touch()
    (mine / "page.jpg").write_text("<html>")
    (mine / "half.jpg").write_bytes((mine / "a.jpg").read_bytes()[:-200])
    with pytest.raises(
        UserError, match=r"3 of 5 files .*\(1 empty, 1 truncated or damaged, 1 no im"
    ):
        run(official)
    said = capsys.readouterr().err
    for name in ("empty.jpg", "page.jpg", "half.jpg"):
        assert f"left out: {mine / name}: " in said
    assert official.leftovers() == []
    for text in ("skip: 2", "skip: 3"):
        (mine / "dataset.yaml").write_text(text)
        if text == "skip: 2":
            with pytest.raises(UserError, match="--skip 3"):
                run(official)
    assert run(official).images == {"train": 2}
    reasons = {"empty": 1, "no image": 1, "truncated or damaged": 1}
    assert official.description("mine")["notes"]["left_out"] == reasons


def test_nothing_but_broken_images_is_refused_whatever_the_policy(official, mine):
    for name in "ab":
        (mine / f"{name}.jpg").touch()
    with pytest.raises(UserError, match=r"2 of 2 files cannot be used \(2 empty\)") as caught:
        prepare_folder(mine, official.prepared / "mine", skip=9)
    assert "--skip" not in str(caught.value)


def test_one_bad_file_is_one_line(official, mine):
    put(official, mine, "a.jpg")
    (mine / "b.jpg").touch()
    with pytest.raises(UserError, match=r"b\.jpg: is an empty file; .* `--skip 1`") as caught:
        run(official)
    assert "\n" not in str(caught.value)


def test_what_had_to_be_converted_lies_beside_the_links(official, mine):
    put(official, mine, "plain.jpg")
    Image.new("RGBA", (24, 16), (255, 0, 0, 0)).save(mine / "clear.png")
    assert "1 with transparency laid over white" in str(run(official))
    items = {item.id: item for item in read_dataset(official.prepared / "mine", "train").items}
    assert items["plain"].image.samefile(mine / "plain.jpg")
    assert items["clear"].image.parent == official.prepared / "mine" / "converted"
    assert items["clear"].read_image().getpixel((0, 0)) == (255, 255, 255)
    run(official)  # what was converted does not stand in the way of preparing again


def test_several_processes_give_what_one_gives(official, mine, monkeypatch, tmp_path):
    monkeypatch.setattr("neco.data.pool.FEW", 0)
    names = [f"{n:02}" for n in range(40)]
    put(official, mine, *(f"images/{name}.jpg" for name in names))
    put_masks(official, mine, {name: official.labels([0, 255]) for name in names})
    (mine / "images" / "00.jpg").write_bytes(b"broken")
    (mine / "classes.txt").write_text("a\nb\n")
    for workers in (1, 2):
        prepare_folder(mine, tmp_path / f"p{workers}", workers=workers, skip=1)
    one, two = ((tmp_path / f"p{workers}" / "index.csv").read_bytes() for workers in (1, 2))
    assert one == two and one.count(b"\n") == 40


def test_files_that_nothing_reads_are_counted(official, mine):
    put(official, mine, "a.jpg")
    for name in ("film.mp4", "notes.md", "noname"):
        (mine / name).write_text("x")
    assert run(official).reasons == {"not read as images (.md, .mp4, without suffix)": 3}


def test_without_labels_nothing_has_to_name_classes(official, mine, tmp_path):
    put(official, mine, *(f"images/{name}.jpg" for name in "abcdef"))
    put_masks(official, mine, {name: official.labels([0, 77]) for name in "abcde"})
    summary = prepare_folder(mine, tmp_path / "p", labels=False)
    assert summary.images == {"train": 5, "val": 1} and summary.classes == 0
    assert all(item.mask is None for item in read_dataset(tmp_path / "p", "train").items)
    assert main(["prepare", str(mine), "--into", str(tmp_path / "q"), "--without-labels"]) == 0
