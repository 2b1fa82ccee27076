"""What a film says beside its frames: the way it stands in all eight ways, and its tags."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.films.film_files import picture, write_film
from tf_relight.films.film import Film, FilmWriter, Frame
from tf_relight.films.said import CHANGED, tags_for_copy
from tf_relight.photo.picture import turned

av = pytest.importorskip("av")

ONE = 1 << 16
# a, b, c, d: a pixel at (x, y) is shown at (a x + c y, b x + d y), moved back into sight.
MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}


def with_matrix(path: Path, matrix: tuple[int, ...]) -> Path:
    """The film with another display matrix in its track header. Source: ISO/IEC 14496-12, section 8.3.2."""
    a, b, c, d = (value * ONE for value in matrix)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    assert struct.unpack_from(">i", content, place)[0] == ONE
    struct.pack_into(">9i", content, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    return path


def shown(pixels: np.ndarray, matrix: tuple[int, ...]) -> np.ndarray:
    """The picture drawn pixel by pixel as the matrix says."""
    a, b, c, d = matrix
    rows, columns = np.indices(pixels.shape[:2])
    x, y = a * columns + c * rows, b * columns + d * rows
    x, y = x - x.min(), y - y.min()
    result = np.zeros((y.max() + 1, x.max() + 1, 3), pixels.dtype)
    result[y, x] = pixels
    return result


@pytest.mark.parametrize("orientation", MATRICES)
def test_all_eight_ways_a_film_can_stand(tmp_path, orientation):
    plain = next(iter(Film(write_film(tmp_path / "a.mp4", count=2)))).pixels
    film = Film(with_matrix(write_film(tmp_path / "b.mp4", count=2), MATRICES[orientation]))
    found = next(iter(film)).pixels
    expected = shown(plain, MATRICES[orientation])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(turned(plain, orientation), expected)
    assert film.size == expected.shape[:2]


def test_a_crooked_matrix_is_the_nearest_quarter(tmp_path):
    path = write_film(tmp_path / "a.mp4", count=2)
    content = bytearray(path.read_bytes())
    struct.pack_into(
        ">9i", content, content.index(b"tkhd") + 44, 9000, 64000, 0, -64000, 9000, 0, 0, 0, 1 << 30
    )
    path.write_bytes(content)
    assert Film(path).size == (64, 48)


TAGS = {
    "creation_time": "2020-01-02T03:04:05.000000Z",
    "title": "A title",
    "location": "+48.1000+006.2000/",
    "artist": "A Photographer",
    "copyright": "(c) me",
    "comment": "words",
}


@pytest.mark.parametrize("kind", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("more", [{}, {"com.apple.quicktime.make": "Apple"}])
def test_tags_go_with_the_copy(tmp_path, kind, more):
    source = tmp_path / "a.mov"
    with FilmWriter(source, (48, 64), Fraction(10), tags=TAGS | more) as writer:
        for index in range(3):
            writer.write(Frame(Fraction(index, 10), picture(index, (48, 64))))
    film = Film(source)
    copy = tmp_path / f"b.{kind}"
    with FilmWriter(copy, film.size, film.rate, tags=tags_for_copy(film.tags)) as writer:
        for frame in film:
            writer.write(frame)
    found = Film(copy).tags
    for key, value in (TAGS | more).items():
        assert found[key] == value if key != "comment" else found[key] == f"{value} {CHANGED}"
    assert "encoder" not in found and "major_brand" not in found
    # A second pass does not say it twice.
    assert tags_for_copy(found)["comment"].count(CHANGED) == 1


def test_without_tags_nothing_is_said(tmp_path):
    with FilmWriter(tmp_path / "a.mp4", (48, 64), Fraction(10)) as writer:
        writer.write(Frame(Fraction(0), picture(0, (48, 64))))
    assert set(Film(tmp_path / "a.mp4").tags) <= {"creation_time"}
