"""The base class of every network: one `train_step` for plain and adversarial stages.

A method only says what its network computes (`compute`) and, as data, how it is trained (`Stage`). TensorFlow
is imported inside the training functions, so a network can be built and run on any Keras backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tf_relight.contract.stage import Adversary, LossTerm, Stage
from tf_relight.networks.discriminators import VIEWS, build_discriminator
from tf_relight.networks.losses import LOSSES, feature_matching, gan_loss

Gradients = list[Any]
Batch = dict[str, Any]


@dataclass(frozen=True)
class StepOptions:
    """How a step is computed, apart from the stage.

    Attributes:
        clip_norm: gradients are scaled down to this global norm after the all-reduce; None = never.
        accumulate: the replica's batch is cut into this many pieces whose gradients are averaged.
        xla: compile the gradient functions with XLA.
    """

    clip_norm: float | None = None
    accumulate: int = 1
    xla: bool = False


class _Attached:
    """Networks that Keras shall not take for layers of the model."""

    def __init__(self) -> None:
        self.networks: dict[str, keras.Model] = {}


class RelightModel(keras.Model):
    """A network that relights pictures and knows how to learn from one batch.

    Subclasses override `call`; those with several outputs or inputs also override `compute`, those with parts
    that are switched during training override `set_switches`. `own_losses` are losses of this network alone,
    by name, called like those of `losses.LOSSES`.
    """

    own_losses: ClassVar[Mapping[str, Callable[..., Any]]] = {}
    smallest: int = 1
    """Shortest side in pixels of the pictures that the network takes."""

    def compute(self, batch: Batch, training: bool) -> dict[str, Any]:
        """Return the named outputs that losses refer to; by default {"output": self(batch["image"])}."""
        return {"output": self(batch["image"], training=training)}

    def set_switches(self, **switches: Any) -> None:
        """Set what a stage switches in the network; a network without switches takes none."""
        if switches:
            raise TypeError(f"{type(self).__name__} has no switches: {sorted(switches)}")

    @property
    def needs_calibration(self) -> bool:
        """Whether `calibrate` must be called at the first step of the stage that was prepared."""
        return False

    def calibrate(self, pictures: Iterable[np.ndarray]) -> None:
        """Set what a network needs to know of its pictures, (B, H, W, 3) sRGB 0..1; most need nothing."""

    def attach_networks(self, stages: Sequence[Stage]) -> None:
        """Make the discriminators that the stages ask for; call inside the strategy's scope.

        They are kept beside the model's own layers, so that its weights stay those of the network. Subclasses
        add other networks that only the training needs.
        """
        self._attached = _Attached()
        for adversary in (adversary for stage in stages for adversary in stage.adversaries):
            known = self._attached.networks.get(adversary.discriminator)
            if adversary.network is not None and known is None:
                made = build_discriminator(adversary.network, adversary.discriminator)
                self._attached.networks[adversary.discriminator] = made

    @property
    def attached(self) -> dict[str, keras.Model]:
        """The networks made for the training, by name; checkpoints hold them."""
        return self._attached.networks if hasattr(self, "_attached") else {}

    def prepare_stage(
        self,
        stage: Stage,
        optimizers: dict[str, keras.optimizers.Optimizer],
        step_options: StepOptions,
        resources: dict[str, Any] | None = None,
    ) -> None:
        """Make the model ready for `stage`.

        Args:
            optimizers: {"model": ..., "<discriminator>": ...}, built here on the variables they train.
            resources: options for losses that need more than two pictures, {loss name: {option: value}}.
        """
        self.set_switches(**stage.switches)
        self._stage = stage
        self._optimizers = optimizers
        self._step_options = step_options
        self._loss_options = {name: dict(options) for name, options in (resources or {}).items()}
        optimizers["model"].build(self.stage_variables(stage))
        for adversary in stage.adversaries:
            optimizers[adversary.discriminator].build(self._discriminator(adversary).trainable_variables)
        self._model_gradients_function = self._compiled(self.model_gradients)
        self._adversary_gradients_function = self._compiled(self.adversary_gradients)

    def stage_variables(self, stage: Stage) -> list[keras.Variable]:
        """Return the variables that `stage` trains."""
        if stage.trains != ("*",):
            return [v for name in stage.trains for v in getattr(self, name).trainable_variables]
        discriminators = {id(v) for a in stage.adversaries for v in self._discriminator(a).variables}
        return [v for v in self.trainable_variables if id(v) not in discriminators]

    # -- one step --------------------------------------------------------------------------------------------

    def train_step(self, batch: Batch) -> dict[str, Any]:
        """Learn from this replica's batch and return its share of each mean loss.

        Summed over the replicas the returned numbers are the means over the global batch. Discriminators
        learn first, from the picture of the generator as it stands. Gradients are all-reduced before they are
        clipped, so the step is the same however many devices share the batch.
        """
        logs: dict[str, Any] = {}
        for adversary in self._stage.adversaries:
            gradients, values = self._accumulated(self._adversary_gradients_function, batch, adversary)
            variables = self._discriminator(adversary).trainable_variables
            self._apply(adversary.discriminator, gradients, variables)
            logs |= values
        gradients, values = self._accumulated(self._model_gradients_function, batch)
        self._apply("model", gradients, self.stage_variables(self._stage))
        return logs | values

    def model_gradients(self, batch: Batch, share: Any) -> tuple[Gradients, dict[str, Any]]:
        """Return gradients of `share * loss` for the stage's variables, and the loss and its terms."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss, terms = self.stage_loss(batch, training=True)
            scaled = loss * share
        gradients = tape.gradient(
            scaled, [v.value for v in self.stage_variables(self._stage)], unconnected_gradients="zero"
        )
        return gradients, {name: value * share for name, value in {"loss": loss, **terms}.items()}

    def adversary_gradients(
        self, batch: Batch, share: Any, adversary: Adversary
    ) -> tuple[Gradients, dict[str, Any]]:
        """Return the gradients of one discriminator and its losses on real and generated pictures."""
        import tensorflow as tf

        outputs = self.compute(batch, training=True)
        network = self._discriminator(adversary)
        with tf.GradientTape() as tape:
            fake = self._judge(adversary, ops.stop_gradient(outputs[adversary.fake]), batch)["scores"]
            real = self._judge(adversary, batch[adversary.real], batch)["scores"]
            on_real = gan_loss(real, real=True, form=adversary.form)
            on_fake = gan_loss(fake, real=False, form=adversary.form)
            loss = 0.5 * (on_real + on_fake) * share
        gradients = tape.gradient(loss, [v.value for v in network.trainable_variables])
        name = adversary.discriminator
        return gradients, {f"{name}_real": on_real * share, f"{name}_fake": on_fake * share}

    def stage_loss(self, batch: Batch, training: bool) -> tuple[Any, dict[str, Any]]:
        """Return the weighted sum of the stage's losses and each term before weighting."""
        outputs = self.compute(batch, training=training)
        total: Any = 0.0
        terms: dict[str, Any] = {}
        for name, weight, value in self._terms(outputs, batch):
            terms[name] = value
            total = total + weight * value
        return total, terms

    def _terms(self, outputs: dict[str, Any], batch: Batch) -> Iterator[tuple[str, float, Any]]:
        several = len({term.prediction for term in self._stage.losses}) > 1
        for term in self._stage.losses:
            name = f"{term.prediction}_{term.loss}" if several else term.loss
            yield name, term.weight, self._loss_value(term, outputs, batch)
        for adversary in self._stage.adversaries:
            fake = self._judge(adversary, outputs[adversary.fake], batch)
            value = gan_loss(fake["scores"], real=True, form=adversary.form, generator=True)
            yield f"{adversary.discriminator}_fool", adversary.weight, value
            if adversary.feature_matching:
                real = self._judge(adversary, batch[adversary.real], batch)
                value = feature_matching(fake["features"], real["features"])
                yield f"{adversary.discriminator}_features", adversary.feature_matching, value

    def _loss_value(self, term: LossTerm, outputs: dict[str, Any], batch: Batch) -> Any:
        target = batch[term.target] if term.target in batch else outputs[term.target]
        options = {**self._loss_options.get(term.loss, {}), **term.options}
        loss = self.own_losses.get(term.loss) or LOSSES[term.loss]
        return loss(outputs[term.prediction], target, **options)

    def scores(self, adversary: Adversary, picture: Any, batch: Batch) -> list[Any]:
        """Return a discriminator's raw score maps (B, h, w, 1) of pictures, finest scale first.

        To look at during training: nothing is learnt and no statistics move.
        """
        network = self._discriminator(adversary)
        kept = [(v, ops.convert_to_numpy(v)) for v in network.non_trainable_variables]
        found = self._judge(adversary, picture, batch, training=False)["scores"]
        for variable, value in kept:
            variable.assign(value)
        return list(keras.tree.flatten(found))

    # -- pieces ----------------------------------------------------------------------------------------------

    def _discriminator(self, adversary: Adversary) -> keras.Model:
        if adversary.network is not None:
            return self.attached[adversary.discriminator]
        return getattr(self, adversary.discriminator)

    def _judge(
        self, adversary: Adversary, picture: Any, batch: Batch, *, training: bool = True
    ) -> dict[str, Any]:
        """Return the discriminator's {"scores", "features"} for a view of a picture and its condition."""
        picture = VIEWS[adversary.view](picture)
        if adversary.condition is not None:
            picture = ops.concatenate([batch[adversary.condition], picture], axis=-1)
        return self._discriminator(adversary)(picture, training=training)

    def _compiled(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """XLA goes around gradients only: around optimisers it fails under MirroredStrategy."""
        if not self._step_options.xla:
            return function
        import tensorflow as tf

        return tf.function(function, jit_compile=True)

    def _accumulated(
        self, gradients_of: Callable[..., Any], batch: Batch, *args: Any
    ) -> tuple[Gradients, dict[str, Any]]:
        """Sum the gradients of the batch's pieces; each piece counts 1 / (replicas * pieces)."""
        import tensorflow as tf

        pieces = self._step_options.accumulate
        share = 1.0 / (tf.distribute.get_strategy().num_replicas_in_sync * pieces)
        total: Gradients = []
        logs: dict[str, Any] = {}
        for piece in _split(batch, pieces):
            gradients, values = gradients_of(piece, share, *args)
            total = [a + b for a, b in zip(total, gradients, strict=True)] if total else gradients
            logs = {name: logs.get(name, 0.0) + value for name, value in values.items()}
        return total, logs

    def _apply(self, optimizer: str, gradients: Gradients, variables: list[keras.Variable]) -> None:
        import tensorflow as tf

        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            gradients = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
        if self._step_options.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._step_options.clip_norm)
        if replicas > 1:
            # Keras sums over the replicas once more inside apply and offers no switch to stop it.
            gradients = [gradient / replicas for gradient in gradients]
        self._optimizers[optimizer].apply_gradients(zip(gradients, variables, strict=True))


def _split(batch: Batch, pieces: int) -> Iterator[Batch]:
    """Cut every field of a batch along its first axis."""
    if pieces == 1:
        yield batch
        return
    fields = {name: ops.split(value, pieces, axis=0) for name, value in batch.items()}
    for piece in range(pieces):
        yield {name: values[piece] for name, values in fields.items()}
