"""The picture of training curves: what is read from a run, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tf_relight.comparing.curves import COLOURS, ScoreCurve, curve_of, draw_curves
from tf_relight.errors import RelightError

TEXT = """step,stage,learning_rate,loss,validation_psnr,validation_input_psnr,images_per_second
5,first,0.001,3.0,,,9
10,first,0.001,2.0,14.5,12,9
20,second,0.001,2.5,13.25,12,9
30,second,0.001,1.5,18.0,12,9
"""


def test_validations_are_read_stage_by_stage(tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text(TEXT)
    assert curve_of("A", path) == ScoreCurve("A", (((10, 14.5),), ((20, 13.25), (30, 18.0))))


def test_scores_that_are_not_finite_are_no_points(tmp_path):
    path = tmp_path / "curve.csv"
    path.write_text(TEXT.replace("14.5", "inf").replace("13.25", "nan"))
    assert curve_of("A", path) == ScoreCurve("A", (((30, 18.0),),))


@pytest.mark.parametrize("text", ["", "step,loss\n1,2\n", TEXT.replace("13.25", "good"), "\0"])
def test_what_is_no_curve_is_left_out(text, tmp_path):
    path = tmp_path / "curve.csv"
    assert curve_of("A", path) is None
    path.write_text(text)
    assert curve_of("A", path) is None


def test_a_training_without_targets_has_no_curve(tmp_path):
    """Its curve.csv has no column for PSNR, which ended the table of the Siamese auto-encoder."""
    path = tmp_path / "curve.csv"
    path.write_text("step,stage,loss,validation_rmse\n10,first,2.0,0.1\n")
    assert curve_of("A", path) is None


def colour_at(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Return rows and columns of the field that have a colour; the names stand right of it."""
    return np.argwhere((picture[:, :710] == colour).all(axis=-1))


def test_higher_is_better_and_later_is_further_right(tmp_path):
    curves = [
        ScoreCurve("low", (((10, 12.0), (20, 13.0)),)),
        ScoreCurve("high, in two stages", (((10, 17.0),), ((20, 18.5),))),
    ]
    picture = np.asarray(Image.open(draw_curves(curves, tmp_path / "c.png", "Title")))
    low, high = (colour_at(picture, colour) for colour in COLOURS[:2])
    assert high[:, 0].max() < low[:, 0].min()
    # The line of one stage goes all the way; two stages are two dots.
    assert np.ptp(np.unique(low[:, 1])) + 1 == len(np.unique(low[:, 1])) > 300
    assert len(np.unique(high[:, 1])) < 20
    first, second = high[high[:, 1] < high[:, 1].mean()], high[high[:, 1] > high[:, 1].mean()]
    assert second[:, 0].mean() < first[:, 0].mean()


def test_more_rows_than_colours_and_a_wrong_name(tmp_path):
    curves = [ScoreCurve(str(number), (((1, 10.0 + number),),)) for number in range(len(COLOURS) + 2)]
    assert draw_curves(curves, tmp_path / "c.jpg").is_file()
    with pytest.raises(RelightError, match="change the ending"):
        draw_curves(curves, tmp_path / "c.gif")
