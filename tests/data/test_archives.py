import pytest

from neco.data.archives import member, members_of, stream, unpack_nested
from neco.errors import UserError

FILES = {"a/b.txt": b"one\n\n two \n", "a/c.bin": bytes(range(256)) * 100}


@pytest.fixture(params=["x.zip", "x.tar"])
def archive(request, official):
    path = official.archives / request.param
    return (official.write_zip if path.suffix == ".zip" else official.write_tar)(path, FILES)


def test_members_read_what_was_written(archive):
    members = members_of(archive)
    assert {name: found.read() for name, found in members.items()} == FILES
    assert members["a/b.txt"].read_lines() == ["one", "two"]
    assert {name: found.size for name, found in members.items()} == {
        name: len(data) for name, data in FILES.items()
    }


def test_a_missing_archive_says_how_to_get_it(tmp_path):
    for read in (members_of, lambda path: list(stream(path))):
        with pytest.raises(UserError, match=r"none\.zip: no such archive; .* neco fetch none"):
            read(tmp_path / "none.zip")


def test_a_missing_member_is_named(archive):
    with pytest.raises(UserError, match=r"holds no a/d\.txt"):
        member(members_of(archive), "a/d.txt", archive)


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_archive_is_refused(archive, kept):
    data = archive.read_bytes()
    archive.write_bytes(data[: int(kept * sum(map(len, FILES.values())))])
    with pytest.raises(UserError, match=r"x\.\w+: truncated or damaged archive .*fetch it again"):
        for found in members_of(archive).values():
            found.read()


def test_an_archive_that_shrinks_while_it_is_read_is_refused(official):
    path = official.write_tar(official.archives / "x.tar", FILES)
    members = members_of(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"ends inside a/c\.bin"):
        members["a/c.bin"].read()


def test_a_flipped_bit_in_a_zip_is_noticed(official):
    path = official.write_zip(official.archives / "x.zip", FILES)
    data = bytearray(path.read_bytes())
    data[data.index(FILES["a/c.bin"]) + 1000] ^= 4
    path.write_bytes(data)
    with pytest.raises(UserError, match="truncated or damaged archive"):
        members_of(path)["a/c.bin"].read()


def test_an_archive_that_is_replaced_is_read_anew(official):
    path = official.write_zip(official.archives / "x.zip", {"a": b"1"})
    assert members_of(path)["a"].read() == b"1"
    path.unlink()
    official.write_zip(path, {"a": b"2"})
    assert members_of(path)["a"].read() == b"2"


def test_a_compressed_tar_streams_in_order(official):
    path = official.write_tar(official.archives / "x.tgz", FILES, "w:gz")
    assert list(stream(path)) == list(FILES.items())


@pytest.mark.parametrize("kept", [0, 10, 200, -50])
def test_a_truncated_compressed_tar_is_refused(official, kept):
    path = official.write_tar(official.archives / "x.tgz", FILES, "w:gz")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"x\.tgz: truncated or damaged"):
        list(stream(path))


def test_a_zip_in_a_zip_is_readable(official, tmp_path):
    inner = official.write_zip(tmp_path / "inner.zip", FILES)
    outer = official.write_zip(official.archives / "x.zip", {"i.zip": inner.read_bytes()})
    members = unpack_nested(members_of(outer)["i.zip"], tmp_path / "work" / "i.zip")
    assert {name: found.read() for name, found in members.items()} == FILES
