import re
from importlib import import_module

import pytest

from neco.data.classes import class_names
from neco.data.sources import (
    archives,
    archives_of,
    dataset_names,
    hint,
    is_folder,
    prerequisites_of,
)


def test_every_archive_has_what_a_reader_of_the_table_needs():
    for archive in archives().values():
        assert archive.size > 0 and archive.licence
        assert re.match(r"https?://", archive.url) or archive.name == "imagenet-100"
        assert not archive.url or archive.url.endswith(archive.name)


def test_digests_have_the_length_of_their_algorithm_and_a_source():
    lengths = {"md5": 32, "sha1": 40, "sha256": 64}
    published = [archive for archive in archives().values() if archive.digest]
    assert published
    for archive in published:
        algorithm, digest = archive.digest.split(":")
        assert re.fullmatch(f"[0-9a-f]{{{lengths[algorithm]}}}", digest)
        assert archive.digest_from


@pytest.mark.parametrize("dataset", dataset_names())
def test_every_dataset_is_built_from_known_archives(dataset):
    needs = archives_of(dataset)
    assert needs.required and set(needs.required + needs.optional) <= set(archives())
    assert set(prerequisites_of(dataset)) <= set(dataset_names())
    assert callable(import_module(f"neco.data.{dataset.replace('-', '_')}").build)


def test_trainaug_is_optional():
    assert archives_of("pascal-voc").optional == ("benchmark.tgz",)


def test_another_name_is_a_folder_of_the_users():
    assert archives_of("my-photos").required == ("my-photos",)
    assert prerequisites_of("my-photos") == ()


def test_only_what_the_user_brings_is_a_folder():
    assert [name for name in archives() if is_folder(name)] == ["imagenet-100"]
    assert is_folder("my-photos")


def test_a_known_name_needs_no_hint():
    assert hint("coco") == "" and "'coco-things'" in hint("coco-thing")


def test_a_folder_that_is_near_nothing_is_told_each_dataset_once_and_weights_nothing():
    told = hint("zzz")
    assert sorted(told.removeprefix("; valid: ").split(", ")) == sorted(dataset_names())
    assert hint("dino_deitsmall16_pretrain.pth") == ""


@pytest.mark.parametrize(
    ("dataset", "count"),
    [("pascal-voc", 21), ("ade20k", 150), ("pascal-context", 60), ("coco-stuff-164k", 171)],
)
def test_class_lists_have_the_official_length(dataset, count):
    names = class_names(dataset)
    assert len(names) == len(set(names)) == count
