"""Checkpoints from which a killed run continues to the same weights."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tf_relight.errors import RelightError, graph_reason
from tf_relight.files import scratch_folder
from tf_relight.training.average import WeightAverage
from tf_relight.training.soundness import describe, not_finite
from tf_relight.training.strategy import Cluster


class RunCheckpoints:
    """The checkpoints of one run: model, optimisers of the coming step, average, and the loop's own state.

    A checkpoint is named by its step. It always holds the optimisers of the stage that the next step belongs
    to, so at the border of two stages it holds fresh ones. Under several workers everyone saves, the chief to
    `folder` and the others to a temporary place, because the saving itself is a joint operation.
    """

    def __init__(
        self,
        folder: Path,
        model: keras.Model,
        average: WeightAverage | None,
        *,
        keep: int,
        cluster: Cluster,
    ) -> None:
        self.folder = folder
        self._model = model
        self._average = average
        self._keep = keep
        self._scratch = None if cluster.chief else scratch_folder("relight-worker-")
        self.sweep()

    def steps(self) -> list[int]:
        """Return the steps of the complete checkpoints, oldest first."""
        state = tf.train.get_checkpoint_state(str(self.folder))
        if state is None:
            return []
        found = [Path(path) for path in state.all_model_checkpoint_paths]
        return sorted(int(p.name.rpartition("-")[2]) for p in found if p.with_suffix(".index").exists())

    def save(self, step: int, optimizers: dict[str, Any], pending: tf.Variable) -> None:
        """Write the checkpoint of `step`; only whole checkpoints get their final name.

        Raises:
            RelightError: the disk is full or the folder cannot be written.
        """
        folder = self._scratch or self.folder
        keep = 1 if self._scratch else self._keep
        with _disk_errors(self.folder):
            folder.mkdir(parents=True, exist_ok=True)
            manager = tf.train.CheckpointManager(self._objects(optimizers, pending), str(folder), keep)
            manager.save(checkpoint_number=step)

    def restore(self, step: int, optimizers: dict[str, Any], pending: tf.Variable) -> None:
        """Load the checkpoint of `step` into the model, the optimisers and `pending`.

        Raises:
            RelightError: the checkpoint belongs to another network or is damaged.
        """
        path = self.folder / f"ckpt-{step}"
        # A cut-off file shows as IndexError ("Read less bytes than requested") or as an OpError.
        try:
            status = self._objects(optimizers, pending).restore(str(path))
            status.assert_existing_objects_matched()
        except (AssertionError, ValueError) as error:
            raise RelightError(
                f"The checkpoint {path} belongs to another network or recipe. Resume with the config it was "
                f"made with ({self.folder.parent / 'config.yaml'}) or start in a new output folder."
            ) from error
        except (tf.errors.OpError, IndexError) as error:
            raise RelightError(
                f"The checkpoint {path} is damaged. Delete its files and resume from the one before."
            ) from error

    def unsound(self, optimizers: dict[str, Any], pending: tf.Variable) -> str | None:
        """Return what of a checkpoint would be NaN or infinite now, None when all is finite."""
        averages = [] if self._average is None else self._average.averages
        attached = getattr(self._model, "attached", {})
        return not_finite(
            {
                "the weights": _values(self._model.variables),
                **{f"'{name}'": _values(network.variables) for name, network in attached.items()},
                "the averaged weights": _values(averages),
                **describe(optimizers),
                "the loss": [pending],
            }
        )

    def drop(self, steps: Iterable[int]) -> None:
        """Remove the checkpoints of these steps."""
        if self._scratch is None:
            for step in steps:
                for path in self.folder.glob(f"ckpt-{step}.*"):
                    path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what a killed run was writing: unfinished checkpoints never get an index."""
        if self._scratch is not None or not self.folder.is_dir():
            return
        for path in self.folder.glob("ckpt-*_temp"):
            shutil.rmtree(path, ignore_errors=True)
        for path in (*self.folder.glob("checkpoint.tmp*"), *self.folder.glob("ckpt-*.data-*")):
            if ".tmp" in path.name or not Path(f"{path}".partition(".data-")[0] + ".index").exists():
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the temporary place of a worker."""
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _objects(self, optimizers: dict[str, Any], pending: tf.Variable) -> tf.train.Checkpoint:
        averages = [] if self._average is None else self._average.averages
        attached = getattr(self._model, "attached", {})
        return tf.train.Checkpoint(
            model=_values(self._model.variables),
            attached={name: _values(network.variables) for name, network in attached.items()},
            optimizers={name: _values(optimizer.variables) for name, optimizer in optimizers.items()},
            pending=pending,
            averages=_values(averages),
        )


def _values(variables: Iterable[Any]) -> list[tf.Variable]:
    """The variables themselves: from a Keras layer TensorFlow takes no layers that lie in lists."""
    return [variable.value for variable in variables]


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise RelightError(
            f"Cannot write the checkpoint to {folder}: {graph_reason(error)}. Free some space or set "
            "another output folder, then run again with --resume."
        ) from error
