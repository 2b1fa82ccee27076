"""Reading and writing films: frames, times, colours, turns, sound, and files that are broken."""

from __future__ import annotations

import os
import sys
from fractions import Fraction

import numpy as np
import pytest

from tests.films.film_files import picture, write_film
from tf_relight.errors import RelightError
from tf_relight.films import film as films
from tf_relight.films.film import Film, FilmWriter, Frame, check_film_name

av = pytest.importorskip("av")


def sound_packets(path):
    with av.open(str(path)) as file:
        return [
            (packet.pts * packet.time_base, bytes(packet))
            for packet in file.demux(file.streams.audio[0])
            if packet.size
        ]


def test_frames_times_and_colours(tmp_path):
    film = Film(write_film(tmp_path / "a.mp4", uneven=True))
    assert (film.size, film.count, film.sounds) == ((48, 64), 12, ())
    for _ in range(2):  # it can be read again
        frames = list(film)
        assert [frame.time for frame in frames] == [Fraction(10 * i + i % 3, 100) for i in range(12)]
    for index in (0, 11):
        error = np.abs(frames[index].pixels.astype(int) - picture(index, (48, 64)))
        assert np.median(error) <= 3 and error.mean() < 6  # colour is stored at half size


@pytest.mark.parametrize("turned,size,corner", [(0, (48, 64), (0, 0)), (90, (64, 48), (-12, 0))])
def test_a_turned_film_is_read_the_right_way_up(tmp_path, turned, size, corner):
    # 90 degrees counterclockwise: the mark at the upper left comes to the lower left.
    film = Film(write_film(tmp_path / "a.mp4", turned=turned))
    assert film.size == size
    row, column = corner
    pixels = next(iter(film)).pixels
    assert pixels[row:, column:][:12, :12].mean() > 245
    half_turned = Film(write_film(tmp_path / "b.mp4", turned=180))
    assert next(iter(half_turned)).pixels[-12:, -12:].mean() > 245


@pytest.mark.parametrize("height", [64, 720])
def test_a_copy_keeps_times_colours_and_sound(tmp_path, height):
    source = Film(write_film(tmp_path / "a.mp4", size=(height, 96), count=6, sound="aac", uneven=True))
    path = tmp_path / "b.mp4"
    with FilmWriter(
        path, source.size, source.rate, time_base=source.time_base, sound_from=source.path
    ) as writer:
        for frame in source:
            writer.write(frame)
    copy = Film(path)
    assert writer.notes == () and copy.sounds == ("aac",)
    assert copy.rate == pytest.approx(source.rate, rel=0.02)  # how long the last frame stays is a guess
    for ours, theirs in zip(copy, source, strict=True):
        assert ours.time == theirs.time
        # The edges of the stripes lose some colour; a wrong matrix (BT.601 for BT.709) is off by 10 to 20.
        assert np.abs(ours.pixels.mean((0, 1)) - theirs.pixels.mean((0, 1))).max() < 2
    before, after = sound_packets(source.path), sound_packets(path)
    assert [data for _, data in before] == [data for _, data in after]
    starts = np.array([[float(a), float(b)] for (a, _), (b, _) in zip(before, after, strict=True)])
    assert np.abs(starts[:, 0] - starts[:, 1]).max() < 0.03


def test_odd_sides_grow_by_a_pixel(tmp_path):
    with FilmWriter(tmp_path / "a.mkv", (33, 47), Fraction(10)) as writer:
        for index in range(3):
            writer.write(Frame(Fraction(index, 10), picture(index, (33, 47))))
    film = Film(tmp_path / "a.mkv")
    assert film.size == (34, 48) and len(list(film)) == 3


def test_sound_that_does_not_fit_is_left_out_with_a_word(tmp_path):
    source = write_film(tmp_path / "a.mkv", sound="pcm_s16le")
    assert Film(source).sounds == ("pcm_s16le",)
    with FilmWriter(tmp_path / "b.mp4", (48, 64), Fraction(10), sound_from=source) as writer:
        if writer.notes:
            assert "pcm_s16le" in writer.notes[0] and "left out" in writer.notes[0]
        writer.write(Frame(Fraction(0), picture(0, (48, 64))))
    assert len(Film(tmp_path / "b.mp4").sounds) == (0 if writer.notes else 1)


def damaged(path, name="bad.mp4"):
    """The film with bytes of its pictures changed; it still opens."""
    data = bytearray(path.read_bytes())
    begin, end = data.index(b"mdat") + 2500, data.index(b"moov") - 40
    for place in np.random.default_rng(0).integers(begin, end, 60):
        data[place] ^= 0xFF
    bad = path.with_name(name)
    bad.write_bytes(data)
    return bad


def test_broken_frames_are_refused_or_left_out(tmp_path):
    path = damaged(write_film(tmp_path / "a.mp4", count=30, noise=12))
    with pytest.raises(RelightError, match=r"is broken .*--skip-broken"):
        list(Film(path))
    film = Film(path, skip_broken=True)
    frames = list(film)
    assert 0 < len(frames) < 30 and film.broken > 0
    assert all(b.time > a.time for a, b in zip(frames, frames[1:], strict=False))


def test_a_film_that_was_cut_off(tmp_path):
    path = write_film(tmp_path / "a.mkv", count=60, noise=12)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(RelightError, match="is broken after"):
        list(Film(path))
    film = Film(path, skip_broken=True)
    assert 10 < len(list(film)) < 50 and film.broken
    cut = write_film(tmp_path / "b.mp4", count=30).read_bytes()
    (tmp_path / "c.mp4").write_bytes(cut[: len(cut) // 2])  # its table of frames, at the end, is lost
    with pytest.raises(RelightError, match="not a film that can be read"):
        Film(tmp_path / "c.mp4")


def only_sound(path):
    with av.open(str(path), "w") as file:
        track = file.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        file.mux(track.encode(frame))
        file.mux(track.encode())


def no_frames(path):
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        file.start_encoding()


def unknown_codec(path):
    write_film(path)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzzz"))


@pytest.mark.parametrize(
    "make,message",
    [
        (None, "There is no film"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: os.mkfifo(path), "is no regular file"),  # opening it would wait for ever
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"hello " * 100), "not a film that can be read"),
        (only_sound, "holds no pictures"),
        (no_frames, "holds no pictures|not a film"),
        (unknown_codec, "codec that is not known"),
        # A playlist could name any file of the machine.
        (lambda path: path.write_bytes(b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"), "not a film that can be read"),
    ],
)
def test_files_that_are_no_films(tmp_path, make, message):
    path = tmp_path / "x.mp4"
    if make is not None:
        make(path)
    with pytest.raises(RelightError, match=message):
        Film(path)


def test_odd_names_mean_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "concat:a|b.mp4", count=2)
    assert len(list(Film("concat:a|b.mp4"))) == 2


def test_names_of_films(tmp_path):
    assert check_film_name(tmp_path / "A.MP4").name == "A.MP4"
    with pytest.raises(RelightError, match="Films are written as"):
        check_film_name(tmp_path / "a.avi")


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(RelightError, match=r"tf-relight\[video\]"):
        films.av_package()


def test_without_an_encoder(tmp_path, monkeypatch):
    monkeypatch.setattr(films, "_ENCODER", "nosuch264")
    with pytest.raises(RelightError, match="no H.264 encoder"):
        FilmWriter(tmp_path / "a.mp4", (16, 16), Fraction(10))
