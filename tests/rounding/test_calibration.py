"""The start of a training with rounding: the float result stays, and bright pictures fit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.rounding.small_rounding import network, pictures, psnr, uneven_network
from tf_relight.rounding.calibration import calibrate, channel_extremes
from tf_relight.rounding.equalisation import equalise
from tf_relight.rounding.ranges import Extremes, brightened


def exact(model, image) -> np.ndarray:
    with model.int8.switched(False):
        return np.asarray(model(image))


def dark(count: int = 2, seed: int = 0) -> np.ndarray:
    """Pictures as dark as rendered scenes."""
    return pictures(count, 32, seed) ** 6


class Dark:
    """A source of dark pictures."""

    fields = ("image",)

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[int] = []

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> dict[str, np.ndarray]:
        self.asked.append(index)
        return {"image": np.rint(255 * dark(1, seed=index)[0]).astype(np.uint8)}


@pytest.mark.parametrize("stacks", [1, 2])
def test_the_float_result_stays_and_every_range_is_set(stacks):
    model = uneven_network(stacks=stacks)
    image = pictures()
    before = exact(model, image)
    kernels = [np.asarray(each) for each in model.trainable_variables]
    assert not model.int8.started
    calibrate(model, [image[:1], image[1:]])
    assert model.int8.on and model.int8.started
    np.testing.assert_allclose(exact(model, image), before, atol=1e-5 * np.abs(before).max())
    changed = [not np.allclose(a, b) for a, b in zip(kernels, model.trainable_variables, strict=True)]
    assert sum(changed) > len(changed) // 2


def test_evened_channels_span_what_was_foretold():
    model = uneven_network()
    shown = [pictures()]
    foretold = equalise(model, channel_extremes(model, shown))
    found = channel_extremes(model, shown)
    assert set(found) == set(foretold)
    for tensor, each in found.items():
        np.testing.assert_allclose(each.low, foretold[tensor].low, atol=1e-5 * each.largest.max())
        np.testing.assert_allclose(each.high, foretold[tensor].high, atol=1e-5 * each.largest.max())


def test_what_is_watched_is_not_rounded():
    model = network(quantised=True)
    image = pictures()
    found = channel_extremes(model, [image])
    output = exact(model, image)
    last = next(each for tensor, each in found.items() if tensor.index is None)
    np.testing.assert_array_equal(last.high, output.max(axis=(0, 1, 2)))


def test_calibration_gives_small_channels_more_steps():
    model = uneven_network()
    image, other = pictures(), pictures(seed=4)
    wanted = exact(model, other).clip(0, 1)
    generator = np.random.default_rng(0)
    extremes = channel_extremes(model, [image])
    for _ in range(2):
        # What is evened by extremes that are not true becomes uneven.
        drawn = {each: 32 ** -generator.uniform(0, 1, extremes[each].low.shape) for each in extremes}
        equalise(model, {each: Extremes(-high, high) for each, high in drawn.items()})
    extremes = channel_extremes(model, [image])
    bounds = {tensor.index: (min(each.low.min(), 0), each.high.max()) for tensor, each in extremes.items()}
    model.int8.limits.assign([bounds[index] for index in range(model.int8.limits.shape[0])])
    before = psnr(model(other), wanted)
    calibrate(model, [image])
    assert psnr(model(other), wanted) > before + 2


def test_tensors_that_are_always_zero_have_a_range_too():
    model = network(quantised=True)
    first = next(each for each in model.trainable_variables if "unit1/conv1/bias" in each.path)
    first.assign(np.full(first.shape, -100.0))
    calibrate(model, [pictures()])
    assert model.int8.started
    assert [0.0, 1.0] in np.asarray(model.int8.limits).tolist()
    assert np.isfinite(np.asarray(model(pictures()))).all()


def test_pictures_are_spread_over_the_training_and_each_comes_bright_too():
    from tf_relight.training.calibration_pictures import COUNT, CalibrationPictures

    source = Dark(101)
    shown = CalibrationPictures(source)
    first, again = list(shown), list(shown)
    assert source.asked[:COUNT] == source.asked[COUNT:] and source.asked[0] == 0
    assert source.asked[COUNT - 1] == 100 and np.ptp(np.diff(source.asked[:COUNT])) <= 1
    assert len(first) == 2 * COUNT and all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for plain, bright in zip(first[::2], first[1::2], strict=True):
        assert plain.shape == bright.shape == (1, 32, 32, 3) and plain.dtype == bright.dtype == np.float32
        assert plain.mean() < 0.2 and bright.mean() == pytest.approx(0.45, abs=1e-2)
    assert len(list(CalibrationPictures(Dark(3)))) == 6


@pytest.mark.long
def test_bright_pictures_keep_their_features():
    from tf_relight.training.calibration_pictures import CalibrationPictures

    bright = brightened(dark(seed=50))
    reached = []
    for shown in ([dark(1, seed=index) ** 2 for index in range(3)], CalibrationPictures(Dark(3))):
        model = uneven_network()
        wanted = exact(model, bright).clip(0, 1)
        calibrate(model, shown)
        reached.append(psnr(model(bright), wanted))
    assert reached[1] > reached[0] + 3 and reached[1] > 45
