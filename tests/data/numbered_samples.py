"""A source of numbered samples, and what `batches` serves of a source."""

import numpy as np

from tf_relight.data.pipeline import batches


class Numbers:
    """Samples that tell their index, with a picture whose pixels tell their place."""

    fields = ("image", "light", "depth")

    def __init__(self, length=7, size=8, bad=None):
        self.length, self.size, self.bad = length, size, bad

    def __len__(self):
        return self.length

    def key(self, index):
        return f"Sample{index:02d}"

    def read(self, index):
        rows, columns = np.indices((self.size, self.size), np.uint8)
        depth = np.full((self.size, self.size, 1), index, np.float32)
        if index == self.bad:
            depth[2, 1] = np.nan
        return {
            "image": np.dstack([np.full_like(rows, index), rows, columns]),
            "light": np.asarray(index, np.int32),
            "depth": depth,
        }


def served(source, steps, batch_size=4, **values):
    """The first elements of `batches` as numpy."""
    return list(batches(source, batch_size, seed=5, **values).take(steps).as_numpy_iterator())


def assert_equal(first, second):
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
