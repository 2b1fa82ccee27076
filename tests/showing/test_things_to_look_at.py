"""Turntable, contact sheet, page and film, from photo to file, with a stand-in for the network."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from tests.films.film_files import write_film
from tests.portrait_stand_in import grey_photo, lit_side, loaded
from tf_relight.cli.main import main
from tf_relight.contract.usual import PORTRAIT_METHOD
from tf_relight.errors import RelightError
from tf_relight.films import face_tracks, video
from tf_relight.methods.trained import describe
from tf_relight.photo.faces import Face
from tf_relight.relighting import portraits
from tf_relight.showing import before_after, contact_sheet, turntable
from tf_relight.showing.before_after import After, BeforeAfter, write_page


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
    """Every command gets the stand-in network; nobody is found in the pictures."""

    def load_for(method, weights, engine="keras"):
        return made[method or describe(weights).method.name]

    made = {name: loaded(name) for name in (PORTRAIT_METHOD, "dpr512", "dpr1024")}
    made["dmshn"] = loaded("dmshn", takes_light=False)
    for module in (turntable, contact_sheet, before_after, video):
        monkeypatch.setattr(module, "load_for", load_for)
    monkeypatch.setattr(portraits, "find_faces", lambda pixels: [])
    monkeypatch.setattr(face_tracks, "find_faces", lambda pixels: [])
    return made


def frames_of(path):
    with Image.open(path) as file:
        for index in range(file.n_frames):
            file.seek(index)
            yield np.asarray(file.convert("RGB")).astype(float)


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_the_light_goes_around(tmp_path, capsys, suffix):
    photo, out = grey_photo(tmp_path / "p.png"), tmp_path / f"t{suffix}"
    assert main(["turntable", str(photo), "-o", str(out), "--frames", "8", "--fps", "10"]) == 0
    output = capsys.readouterr()
    assert output.out.strip() == str(out) and "No face was found" in output.err
    sides = [lit_side(frame) for frame in frames_of(out)]
    assert len(sides) == 8
    # Front, right, behind, left.
    assert abs(sides[0]) < 0.03 and sides[2] > 0.05 and abs(sides[4]) < 0.03 and sides[6] < -0.05


def test_around_the_face_the_light_starts_above(tmp_path, stand_in):
    words = ["turntable", str(grey_photo(tmp_path / "p.png")), "-o", str(tmp_path / "t.gif"), "--frames", "4"]
    assert main([*words, "--axis", "view"]) == 0
    lights = np.array(stand_in[PORTRAIT_METHOD].method.lights)
    assert (lights[:, 1] < 0).all()  # always in front
    assert lights[0, 2] > 0.08 and lights[1, 3] > 0.08 and lights[2, 2] < -0.08 and lights[3, 3] < -0.08


def test_the_turn_starts_at_the_given_light(tmp_path, stand_in):
    words = ["turntable", str(grey_photo(tmp_path / "p.png")), "-o", str(tmp_path / "t.gif"), "--frames", "2"]
    assert main([*words, "--from", "left", "--up", "30", "--sphere"]) == 0
    lights = np.array(stand_in[PORTRAIT_METHOD].method.lights)
    assert lights[0, 3] < -0.1 < 0.1 < lights[1, 3] and lights[0, 2] == pytest.approx(lights[1, 2], rel=0.02)


def test_a_turntable_film(tmp_path):
    pytest.importorskip("av")
    from tf_relight.films.film import Film

    out = tmp_path / "t.mp4"
    words = ["turntable", str(grey_photo(tmp_path / "p.png", (33, 47))), "-o", str(out)]
    assert main([*words, "--frames", "6", "--fps", "7.5"]) == 0
    film = Film(out)
    assert film.size == (34, 48) and float(film.rate) == 7.5 and len(list(film)) == 6


@pytest.mark.parametrize(
    "words,message",
    [
        (["-o", "t.png"], "Cannot tell the format"),
        (["-o", "t.gif", "--frames", "1"], "outside 2..1000"),
        (["-o", "t.gif", "--side", "3"], "outside 16..8192"),
        (["-o", "t.gif", "--fps", "0"], "outside 0.1..240"),
        (["-o", "t.gif", "--from", "left", "--light", "rembrandt"], "in one way"),
        (["-o", "t.gif", "--azimuth", "3", "--up", "3"], "--up goes with --from"),
        (["-o", "t.gif", "--method", "dmshn"], "takes no"),
        (["-o", "t.gif", "--strength", "2"], "outside 0..1"),
    ],
)
def test_turntables_that_cannot_be(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    grey_photo(tmp_path / "p.png")
    assert main(["turntable", "p.png", *words]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_a_sheet_has_a_row_for_each_method_and_a_column_for_each_light(tmp_path):
    photo, out = grey_photo(tmp_path / "p.png", (80, 100)), tmp_path / "sheet.png"
    words = ["contact-sheet", str(photo), "-o", str(out), "--tile", "60"]
    assert main([*words, "--lights", "left,right,rembrandt", "--methods", "dpr512,dpr1024,dmshn"]) == 0
    sheet = np.asarray(Image.open(out)).astype(float)
    # Tiles of 60 x 48, gaps of 8, captions of 26 above and below; 4 columns, 3 rows.
    assert sheet.shape == (8 + 3 * (48 + 26 + 26 + 8), 8 + 4 * 68, 3)

    def tile(row, column):
        top, left = 8 + row * 108 + 26, 8 + column * 68
        return sheet[top : top + 48, left : left + 60]

    assert np.abs(tile(0, 0) - 128).max() <= 1
    for row in (0, 1):
        # The upper part: the ball is in the lower right corner.
        assert lit_side(tile(row, 1)[:30]) < -0.05 < 0.05 < lit_side(tile(row, 2)[:30])
        ball = tile(row, 2)[-10:, -10:]
        assert ball.std() > 5
    assert np.abs(tile(2, 1) - 127).max() <= 1  # the stand-in without a light turns pictures into negatives
    assert (tile(2, 2) == 255).all()


def test_a_sheet_compares_weights_too(tmp_path):
    photo, sizes = grey_photo(tmp_path / "p.png", (80, 100)), []
    for number, more in enumerate(([], ["--methods", "dpr1024"], ["--methods", "dpr512,dmshn"])):
        out = tmp_path / f"sheet{number}.png"
        words = ["contact-sheet", str(photo), "-o", str(out), "--tile", "60", "--lights", "left"]
        assert main([*words, "--weights", "dpr-humans-128-v0", *more]) == 0
        sizes.append(np.asarray(Image.open(out)).shape[0])
    # Weights alone have one row; beside methods they have one more.
    assert sizes == [8 + rows * 108 for rows in (1, 2, 3)]


@pytest.mark.parametrize(
    "words,message",
    [
        (["-o", "s.gif"], "change the ending"),
        (["-o", "s.png", "--methods", ","], "at least one method"),
        (["-o", "s.png", "--methods", "dpr512,dpr512"], "given twice"),
        (["-o", "s.png", "--methods", "dpr215"], "dpr512"),
        (["-o", "s.png", "--weights", "lit-unet-humans"], "lit-unet-humans-128"),
        (["-o", "s.png", "--lights", "letf"], "Did you mean 'left'"),
        (["-o", "s.png", "--tile", "5"], "outside 32..4096"),
        (
            ["-o", "s.png", "--tile", "4096", "--lights", "left,right,above,below,front,behind,rim,loop,top"],
            "too large",
        ),
    ],
)
def test_sheets_that_cannot_be(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    grey_photo(tmp_path / "p.png", (80, 60))
    assert main(["contact-sheet", "p.png", *words]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


class Page(HTMLParser):
    """Collects the tags of a page and checks that they are closed in order."""

    VOID = ("meta", "img", "input", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag, **wanted):
        return [attrs for name, attrs in self.tags if name == tag and wanted.items() <= attrs.items()]


def decoded(uri):
    kind, data = uri.split(";base64,")
    assert kind in ("data:image/jpeg", "data:image/png")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(float)


def test_a_page_needs_nothing_else_and_shows_every_photo_and_light(tmp_path):
    photos = [grey_photo(tmp_path / "a.png"), grey_photo(tmp_path / "b.png", (64, 32))]
    out = tmp_path / "page.html"
    words = ["page", *map(str, photos), "-o", str(out), "--lights", "left,right", "--title", "A & <b>"]
    assert main(words) == 0
    text = out.read_text(encoding="utf-8")
    page = Page(text)
    assert "http://" not in text and "https://" not in text and "url(" not in text and "@import" not in text
    assert all(attrs["src"].startswith("data:image/") for attrs in page.all("img"))
    assert not page.all("link") and all("src" not in attrs for attrs in page.all("script"))
    assert "default-src 'none'" in text
    assert len(page.all("section")) == 2 and len(page.all("input", type="range")) == 2
    assert all(attrs["aria-label"] for attrs in page.all("input", type="range"))
    assert len(page.all("input", type="radio")) == 4 and "A & <b>" in page.words
    before = [decoded(attrs["src"]) for attrs in page.all("img") if attrs.get("class") == "before"]
    after = [decoded(attrs["src"]) for attrs in page.all("img") if attrs.get("class") == "after"]
    assert [each.shape for each in before] == [(40, 48, 3), (64, 32, 3)] == [each.shape for each in after]
    assert all(lit_side(each) < -0.05 for each in after)
    for attrs in page.all("input", type="radio", **{"data-name": "right"}):
        (picture,) = page.all("img", id=attrs["data-picture"])
        assert lit_side(decoded(picture["src"])) > 0.05


def test_strange_names_stay_text(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    name = '"><script>alert(1)</script>$title {&amp;}'
    out = write_page(
        [BeforeAfter(name, pixels, [After(name, pixels), After("b", pixels)])],
        tmp_path / "p.html",
        title="$x",
    )
    page = Page(out.read_text(encoding="utf-8"))
    assert len(page.all("script")) == 1 and name in page.words
    assert page.all("input", type="radio")[0]["data-name"] == name


def test_a_broken_photo_is_named_and_the_page_shows_the_others(tmp_path, capsys):
    good, out = grey_photo(tmp_path / "a.png"), tmp_path / "page.html"
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    words = ["page", str(good), str(tmp_path / "broken.jpg"), "-o", str(out), "--lights", "left"]
    assert main(words) == 2
    assert "broken.jpg" in capsys.readouterr().err
    assert len(Page(out.read_text(encoding="utf-8")).all("section")) == 1
    out.unlink()
    assert main(["page", str(tmp_path / "broken.jpg"), "-o", str(out), "--lights", "left"]) == 2
    assert "broken.jpg" in capsys.readouterr().err and not out.exists()


def test_a_page_for_a_method_without_light(tmp_path, capsys):
    photo, out = grey_photo(tmp_path / "a.png"), tmp_path / "page.html"
    assert main(["page", str(photo), "-o", str(out), "--method", "dmshn"]) == 0
    page = Page(out.read_text(encoding="utf-8"))
    assert not page.all("fieldset") and "dmshn" in page.words


@pytest.mark.parametrize(
    "words,message",
    [
        (["p.png", "-o", "p.htm.txt"], "change the ending"),
        (["absent.png", "-o", "p.html"], "There is no file"),
        (["p.png", "-o", "p.html", "--side", "2"], "outside 64..8192"),
        (["p.png", "-o", "p.html", "--lights", "x1"], "is no light"),
    ],
)
def test_pages_that_cannot_be(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    grey_photo(tmp_path / "p.png")
    assert main(["page", *words]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]


def test_nothing_to_compare(tmp_path):
    with pytest.raises(RelightError, match="no pictures to compare"):
        write_page([], tmp_path / "p.html", title="")


def film_words(tmp_path, *words, **film):
    pytest.importorskip("av")
    write_film(tmp_path / "in.mp4", **film)
    return ["video", str(tmp_path / "in.mp4"), "-o", str(tmp_path / "out.mp4"), *words]


def film_sides(path):
    from tf_relight.films.film import Film

    # The green stripe in the middle: the others differ in brightness themselves.
    return [lit_side(frame.pixels[16:, 23:41].astype(float)) for frame in Film(path)]


def test_a_film_under_a_light_that_moves(tmp_path, capsys):
    words = film_words(tmp_path, "--light-path", str(tmp_path / "keys.yaml"), sound="aac", count=20)
    (tmp_path / "keys.yaml").write_text("0.2: left\n1.6: right\n")
    assert main(words) == 0
    output = capsys.readouterr()
    assert output.out.strip().endswith("out.mp4") and "No face was found" in output.err
    from tf_relight.films.film import Film

    before, after = Film(tmp_path / "in.mp4"), Film(tmp_path / "out.mp4")
    assert after.sounds == ("aac",) and after.size == before.size
    assert [frame.time for frame in after] == [frame.time for frame in before]
    sides = np.array(film_sides(tmp_path / "out.mp4")) - np.array(film_sides(tmp_path / "in.mp4"))
    assert sides[0] < -0.03 and sides[-1] > 0.03 and np.diff(sides).min() > -0.01


def test_a_film_under_one_light_and_by_a_method_without(tmp_path):
    words = film_words(tmp_path, count=4)
    assert main([*words, "--from", "right"]) == 0
    change = np.array(film_sides(tmp_path / "out.mp4")) - np.array(film_sides(tmp_path / "in.mp4"))
    assert (change > 0.03).all()
    assert main([*words, "--method", "dmshn"]) == 0
    from tf_relight.films.film import Film

    before, after = (next(iter(Film(tmp_path / name))).pixels.astype(int) for name in ("in.mp4", "out.mp4"))
    assert np.median(np.abs(before + after - 255)) <= 4


def test_only_frames_with_people_are_relit_and_people_fade_in(tmp_path, monkeypatch):
    words = film_words(tmp_path, "--from", "right", count=30, size=(96, 128))
    now = iter(range(1000))
    found = Face(40, 20, 30, 40, 0.99)
    # At 10 frames per second every other frame is looked at; somebody is there from 1.2 s on.
    monkeypatch.setattr(face_tracks, "find_faces", lambda pixels: [found] if next(now) >= 6 else [])
    assert main(words) == 0
    from tf_relight.films.film import Film

    pairs = zip(Film(tmp_path / "in.mp4"), Film(tmp_path / "out.mp4"), strict=True)
    change = [np.abs(a.pixels.astype(int) - b.pixels)[30:50, 45:65].mean() for a, b in pairs]
    assert max(change[:7]) < 2.5 and min(change[-10:]) > 5
    assert np.abs(np.diff(change)).max() < 0.6 * max(change)


@pytest.mark.parametrize(
    "words,message",
    [
        ([], "needs a light"),
        (["--light-path", "absent.yaml"], "Cannot read the light path"),
        (["--light-path", "keys.yaml", "--from", "left"], "Give the light once"),
        (["--light-path", "wrong.yaml"], "wrong.yaml, line 2: 'letf' is no light"),
        (["--from", "left", "--keep-background"], "No face was found in the film"),
        (["--from", "left", "-o", "in.mp4"], "would overwrite the film"),
        (["--from", "left", "-o", "out.avi"], "Films are written as"),
        (["--method", "dmshn", "--light-path", "keys.yaml"], "takes no"),
    ],
)
def test_films_that_cannot_be(tmp_path, monkeypatch, capsys, words, message):
    command = film_words(tmp_path, count=3)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys.yaml").write_text("0: left")
    (tmp_path / "wrong.yaml").write_text("0: left\n1: letf")
    before = (tmp_path / "in.mp4").read_bytes()
    assert main([*command, *words]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "keys.yaml", "wrong.yaml"]
    assert (tmp_path / "in.mp4").read_bytes() == before


def test_a_stop_leaves_no_film_behind(tmp_path, monkeypatch, stand_in, capsys):
    words = film_words(tmp_path, "--from", "left", count=6)
    calls = iter(range(10))
    honest = stand_in[PORTRAIT_METHOD].method.predict

    def stopped(*arguments, **inputs):
        if next(calls) == 3:
            raise KeyboardInterrupt
        return honest(*arguments, **inputs)

    monkeypatch.setattr(stand_in[PORTRAIT_METHOD].method, "predict", stopped)
    assert main(words) == 130
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
