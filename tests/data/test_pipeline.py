"""Caching and batching: equal to the source, exact on resume, the same for any number of devices."""

import gc
import itertools
import weakref

import numpy as np
import pytest

from tests.data.numbered_samples import Numbers, assert_equal, served
from tf_relight.data import open_source
from tf_relight.data.pipeline import batches, cached, reader_errors, sample_order
from tf_relight.errors import RelightError


def test_element_types_and_ranges():
    spec = batches(Numbers(), 4, seed=0, crop=6).element_spec
    assert {name: (tuple(s.shape), s.dtype.name) for name, s in spec.items()} == {
        "image": ((4, 6, 6, 3), "float32"),
        "light": ((4,), "int32"),
        "depth": ((4, 6, 6, 1), "float32"),
        "sample": ((4,), "int64"),
    }
    batch = served(Numbers(), 1)[0]
    np.testing.assert_array_equal(batch["image"][:, 0, 0, 0], (batch["light"] / 255).astype(np.float32))
    np.testing.assert_array_equal(batch["depth"][:, 0, 0, 0], batch["light"])


def test_every_epoch_holds_every_sample_once_in_a_new_order():
    lights = np.concatenate([batch["light"] for batch in served(Numbers(), 7)])  # 28 samples: 4 epochs of 7
    epochs = lights.reshape(4, 7)
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    in_order = np.concatenate([batch["light"] for batch in served(Numbers(), 3, shuffle=False)])
    assert in_order.tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4]


@pytest.mark.parametrize("start", [1, 2, 9, 1_000_003])
def test_starting_late_equals_the_tail_of_the_stream(start):
    if start < 100:
        whole = served(Numbers(), start + 4, crop=5)[start:]
    else:  # far into training: the entry must not replay what came before
        order = sample_order(7, 5)
        expected = [order(start * 4 + k) for k in range(16)]
        whole = served(Numbers(), 4, crop=5, start_step=start)
        assert np.concatenate([batch["light"] for batch in whole]).tolist() == expected
    assert_equal(served(Numbers(), 4, crop=5, start_step=start), whole)


@pytest.mark.parametrize(("workers", "replicas"), [(1, 2), (2, 1), (2, 2), (1, 4)])
def test_devices_together_see_the_batch_of_one(workers, replicas):
    whole = served(Numbers(), 5, crop=5, start_step=3)
    parts = [
        served(
            Numbers(), 5 * replicas, crop=5, start_step=3, worker=worker, workers=workers, replicas=replicas
        )
        for worker in range(workers)
    ]
    for step, batch in enumerate(whole):
        slices = [part[step * replicas + replica] for part in parts for replica in range(replicas)]
        together = {name: np.concatenate([one[name] for one in slices]) for name in batch}
        assert_equal([together], [batch])


def test_crops_are_one_window_for_all_fields_and_move_about():
    corners = set()
    for batch in served(Numbers(size=9), 10, crop=4):
        rows, columns = np.rint(batch["image"][..., 1] * 255), np.rint(batch["image"][..., 2] * 255)
        assert (np.diff(rows, axis=1) == 1).all() and (np.diff(columns, axis=2) == 1).all()
        corners |= set(zip(rows[:, 0, 0].tolist(), columns[:, 0, 0].tolist(), strict=True))
    assert len(corners) > 12  # 36 corners are possible, 40 drawn
    assert max(itertools.chain(*corners)) == 5 and min(itertools.chain(*corners)) == 0


def test_order_depends_on_seed_and_epoch_only():
    first, again, other = sample_order(50, 3), sample_order(50, 3), sample_order(50, 4)
    numbers = range(40, 120)
    assert [first(g) for g in numbers] == [again(g) for g in reversed(numbers)][::-1]
    assert [first(g) for g in numbers] != [other(g) for g in numbers]
    assert [sample_order(50, -1)(g) for g in range(50)] != [first(g) for g in range(50)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"batch_size": 3, "replicas": 2},
            "3 does not divide over 1 workers x 2 replicas; use a multiple of 2",
        ),
        ({"batch_size": 0}, "sizes must be positive"),
        ({"worker": 2, "workers": 2}, "worker 2 of 2"),
        ({"crop": 9}, "data.crop 9 is larger than sample Sample0. .8x8."),
    ],
)
def test_sizes_that_do_not_fit(values, message):
    with pytest.raises(RelightError, match=message):
        served(Numbers(), 1, **values)
    with pytest.raises(RelightError, match="has no samples"):
        served(Numbers(length=0), 1)


def test_nan_names_the_sample():
    with pytest.raises(RelightError, match="Sample03 has NaN or infinite values in 'depth'"), reader_errors():
        served(Numbers(bad=3), 3)
    with pytest.raises(RelightError, match="Sample03 has NaN"):
        cached(Numbers(bad=3), None, progress=False)


def test_other_errors_are_not_hidden():
    with pytest.raises(KeyError), reader_errors():
        raise KeyError("something else")


def test_a_file_that_breaks_during_training_is_named(vidit, truncate):
    vidit.pairs("train/input", "train/target", range(4))
    source = open_source(vidit.config(), "train")
    truncate(vidit.root / "train/input/Image002.png")
    for lesson in (lambda: served(source, 4), lambda: cached(source, None, progress=False)):
        with pytest.raises(RelightError) as caught, reader_errors():
            lesson()
        assert "Image002.png is damaged or cut off" in str(caught.value)


def test_samples_are_numbered_without_end():
    numbers = np.concatenate([batch["sample"] for batch in served(Numbers(), 5, start_step=3)])
    np.testing.assert_array_equal(numbers, np.arange(12, 32))


def test_a_stream_comes_along_in_an_order_of_its_own_and_resumes_exactly():
    streams = {"second": Numbers(), "another": Numbers(5)}
    whole = served(Numbers(), 6, streams=streams)
    assert set(whole[0]) == {
        *("image", "light", "depth", "sample"),
        *(f"{name}.{field}" for name in streams for field in ("image", "light", "depth")),
    }
    names = ("light", "second.light", "another.light")
    own, second, another = (np.concatenate([batch[name] for batch in whole]) for name in names)
    assert not np.array_equal(own, second)
    assert sorted(second[:7]) == list(range(7)) and sorted(another[:5]) == list(range(5))
    assert_equal(whole[2:], served(Numbers(), 4, start_step=2, streams=streams))
    alone = served(Numbers(), 6)
    np.testing.assert_array_equal(np.concatenate([batch["light"] for batch in alone]), own)


def test_a_stream_without_samples_is_refused():
    with pytest.raises(RelightError, match="stream 'second' has no samples"):
        batches(Numbers(), 4, seed=0, streams={"second": Numbers(0)})


def test_samples_are_freed_with_the_dataset_that_handed_them_out():
    source = Numbers()
    gone = weakref.ref(source)
    iterator = iter(batches(source, 4, seed=0).map(lambda batch: batch["image"]))
    del source
    gc.collect()
    assert next(iterator).shape == (4, 8, 8, 3) and gone() is not None
    del iterator
    gc.collect()
    assert gone() is None


def test_nobody_waits_for_a_tuner_when_an_iterator_is_dropped():
    # TensorFlow's tuner of datasets ends only seconds after its iterator; a run has one for every stage.
    assert batches(Numbers(), 4, seed=0).options().autotune.enabled is False
