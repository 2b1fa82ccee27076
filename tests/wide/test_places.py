"""Folders and buckets alike: listing, reading, writing once."""

from __future__ import annotations

import uuid

import fsspec
import pytest

from tf_relight.errors import RelightError
from tf_relight.wide.places import Place


@pytest.fixture(params=["disk", "memory"])
def place(request, tmp_path):
    if request.param == "disk":
        return Place.of(tmp_path / "there")
    return Place.of(f"memory://bucket-{uuid.uuid4().hex}/there")


def test_what_is_written_is_listed_and_read(place):
    place.write("b/two.jpg", b"22")
    place.write("one.jpg", b"1")
    place.write(".hidden/x.json", b"{}")
    assert place.files() == {"b/two.jpg": 2, "one.jpg": 1}
    assert list(place.files()) == ["b/two.jpg", "one.jpg"]
    assert place.read("b/two.jpg") == b"22"
    assert place.has("one.jpg") and not place.has("none.jpg")
    assert place.names(".hidden") == {"x.json"} and place.names("nowhere") == set()
    place.remove("one.jpg")
    place.remove("one.jpg")
    assert not place.has("one.jpg")
    with pytest.raises(FileNotFoundError):
        place.read("one.jpg")


def test_a_local_copy_has_the_name_and_the_content(place):
    place.write("b/two.jpg", b"22")
    with place.local_copy("b/two.jpg") as path:
        assert path.name == "two.jpg" and path.read_bytes() == b"22"
    assert path.exists() == place.is_local


@pytest.mark.parametrize(
    "address, words",
    [
        ("nonsense://x/y", "is no address that can be used"),
        ("memory://nowhere-at-all/y", "There is no folder memory://nowhere-at-all/y"),
    ],
)
def test_an_address_that_cannot_be(address, words):
    with pytest.raises(RelightError, match=words):
        Place.of(address).files()


def test_missing_rights_are_one_sentence(monkeypatch):
    place = Place.of("memory://closed/x")
    place.write("a.jpg", b"1")

    def refuse(self, *arguments, **options):
        raise PermissionError("AccessDenied: a long story of the server")

    monkeypatch.setattr(fsspec.implementations.memory.MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(RelightError, match=r"Cannot write memory://closed/x/b.jpg: the rights are missing\."):
        place.write("b.jpg", b"2")
