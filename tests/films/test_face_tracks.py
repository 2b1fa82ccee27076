"""Faces over time: linked, smoothed without lag, faded, and told apart at cuts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tf_relight.films import face_tracks
from tf_relight.films.face_tracks import FaceFinder, overlap
from tf_relight.films.film import Frame
from tf_relight.photo.faces import Face

RATE = 24.0
GREY, WHITE = np.full((60, 80, 3), 90, np.uint8), np.full((60, 80, 3), 230, np.uint8)


def shots(monkeypatch, seconds, faces_at, pixels_at=lambda time: GREY):
    """Look at a film whose faces at a time are given."""
    now = [0.0]
    monkeypatch.setattr(face_tracks, "find_faces", lambda pixels: faces_at(now[0]))
    finder = FaceFinder(RATE)
    for index in range(round(seconds * RATE)):
        now[0] = index / RATE
        finder.look(Frame(Fraction(index, int(RATE)), pixels_at(now[0])))
    return finder.shots()


def face(left, top=10.0, size=20.0, confidence=0.99):
    return Face(left, top, 0.75 * size, size, confidence)


def test_noise_of_the_detector_is_smoothed_and_motion_is_not_delayed(monkeypatch):
    rng = np.random.default_rng(0)

    def moving(time):
        return [face(10 + 20 * time + rng.normal(0, 1.5), size=20 + rng.normal(0, 1.5))]

    (shot,) = shots(monkeypatch, 3, moving)
    times = np.arange(0.2, 2.7, 1 / RATE)
    boxes = [shot.faces_at(time) for time in times]
    assert all(len(found) == 1 and found[0].weight == 1 for found in boxes)
    left = np.array([found[0].face.left for found in boxes])
    # About four looks weigh in: the noise of 1.5 falls to less than 1; a lag of one look would be 3.3 off.
    assert np.abs(left - 10 - 20 * times).mean() < 0.8
    # From frame to frame the box moves as evenly as the face, 20 / 24 pixels.
    assert np.abs(np.diff(left) - 20 / RATE).max() < 0.5


def test_two_people_stay_two_people(monkeypatch):
    (shot,) = shots(
        monkeypatch, 2, lambda time: [face(50 - 5 * time), face(5 + 5 * time)][:: 1 if time < 1 else -1]
    )
    assert len(shot.tracks) == 2
    found = {each.number: each.face.left for each in shot.faces_at(1.5)}
    assert found[0] == pytest.approx(42.5, abs=0.5) and found[1] == pytest.approx(12.5, abs=0.5)


def test_a_short_miss_is_bridged_and_a_single_find_is_a_mistake(monkeypatch):
    def sometimes(time):
        found = [] if 0.7 < time < 1.3 else [face(10)]
        return found + ([face(60)] if 0.4 < time < 0.5 else [])

    (shot,) = shots(monkeypatch, 2, sometimes)
    assert len(shot.tracks) == 1
    assert all(shot.faces_at(time)[0].weight == 1 for time in np.arange(0, 2, 0.05))


def test_a_face_that_comes_and_goes_is_faded(monkeypatch):
    (shot,) = shots(monkeypatch, 4, lambda time: [face(10)] if 1.5 <= time <= 2.5 else [])
    times = np.arange(0, 4, 1 / RATE)
    weights = np.array([sum(each.weight for each in shot.faces_at(time)) for time in times])
    assert weights[0] == weights[-1] == 0 and weights[round(2 * RATE)] == 1
    # 0.4 s for the whole way, at most 1.5 times as fast in its middle.
    assert np.abs(np.diff(weights)).max() < 1.6 / (0.4 * RATE)


def test_a_cut_begins_a_new_shot_and_a_pan_does_not(monkeypatch):
    def pixels(time):
        return GREY if time < 1 else WHITE

    first, second = shots(monkeypatch, 2, lambda time: [face(10 if time < 1 else 40)], pixels)
    assert (first.begin, first.end, second.begin) == (0, 1, 1)
    assert first.faces_at(0.99)[0].face.left == pytest.approx(10)
    assert second.faces_at(1.0)[0].face.left == pytest.approx(40)
    brightening = shots(monkeypatch, 2, lambda time: [face(10)], lambda time: GREY + np.uint8(60 * time))
    assert len(brightening) == 1


def test_no_faces(monkeypatch):
    (shot,) = shots(monkeypatch, 1, lambda time: [])
    assert shot.faces_at(0.5) == [] and shot.usual_height() == 0


def test_overlap():
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (20, 0, 10, 10)) == 0
