"""The base class of every network: one `train_step` for plain and adversarial stages.

A method only says what its network computes (`infer`, `compute`) and, as data, how it is trained (`Stage`).
TensorFlow is imported inside the training functions, so a network can be built and run on any Keras backend.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from tf_relight.contract.stage import Adversary, LossTerm, Stage, is_field
from tf_relight.errors import RelightError
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

    Subclasses override `call`; those with several inputs or outputs also override `infer`, those that compute
    more for their training override `compute`, those with parts that are switched during training override
    `set_switches`. `own_losses` are losses of this network alone, by name, called like those of
    `losses.LOSSES`; `own_discriminators` make discriminators from their specs, like `BUILDERS`.
    """

    own_losses: ClassVar[Mapping[str, Callable[..., Any]]] = {}
    own_discriminators: ClassVar[Mapping[type, Callable[[Any, str], keras.Model]]] = {}
    smallest: int = 1
    """Shortest side in pixels of the pictures that the network takes."""

    def infer(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """Return the outputs of the method's card from its inputs, both by name and with a batch axis.

        By default {"relit": self(inputs["image"])}. A light is (B, 9, C).
        """
        return {"relit": self(inputs["image"], training=training)}

    def predict_step(self, data: Any) -> dict[str, Any]:
        """What Keras' `predict_on_batch` runs: `infer` of a dict of inputs."""
        return self.infer(data[0] if isinstance(data, tuple) else data)

    def compute(self, batch: Batch, training: bool) -> dict[str, Any]:
        """Return the named outputs that losses refer to; by default those of `infer`."""
        return self.infer(batch, training=training)

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
            if adversary.discriminator not in self._attached.networks:
                made = build_discriminator(
                    adversary.network, adversary.discriminator, self.own_discriminators
                )
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
        self.enter_stage(stage, resources)
        self._optimizers = optimizers
        self._step_options = step_options
        slow, fast = self._by_rate(self.stage_variables(stage))
        optimizers["model"].build(slow)
        if fast:
            optimizers["biases"].build(fast)
        for adversary in stage.adversaries:
            optimizers[adversary.discriminator].build(self._discriminator(adversary).trainable_variables)
        self._model_gradients_function = self._compiled(self.model_gradients)
        self._adversary_gradients_function = self._compiled(self.adversary_gradients)

    def enter_stage(self, stage: Stage, resources: dict[str, Any] | None = None) -> None:
        """Set switches and losses to those of a stage, without optimisers."""
        self.set_switches(**stage.switches)
        self._freeze_statistics(stage.inference)
        self._stage = stage
        self._loss_options = {name: dict(options) for name, options in (resources or {}).items()}

    def stage_variables(self, stage: Stage) -> list[keras.Variable]:
        """Return the variables that `stage` trains.

        Raises:
            RelightError: it names a part that the network does not have.
        """
        if stage.trains == ("*",):
            return list(self.trainable_variables)
        return [v for name in stage.trains for v in self.find_part(name).trainable_variables]

    def find_part(self, name: str) -> Any:
        """Return a part of the network by its attribute; dots lead inwards.

        Raises:
            RelightError: there is none of that name.
        """
        try:
            return operator.attrgetter(name)(self)
        except AttributeError as error:
            known = ", ".join(layer.name for layer in self.layers)
            raise RelightError(f"The network has no part '{name}'. It has: {known}.") from error

    def _freeze_statistics(self, parts: tuple[str, ...]) -> None:
        """Let batch normalisation of these parts keep its statistics, and that of all others learn them."""
        frozen = {id(layer) for name in parts for layer in _with_inner(self.find_part(name))}
        for layer in self._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                # Keras normalises by the kept statistics where a layer is not trainable; its variables are
                # trained or not by the stage, so they keep their own flags.
                flags = [(v, v.trainable) for v in layer.variables]
                layer.trainable = id(layer) not in frozen
                for variable, flag in flags:
                    variable.trainable = flag

    def _by_rate(self, variables: list[keras.Variable]) -> tuple[list[keras.Variable], list[keras.Variable]]:
        """Divide variables into those that learn at the stage's rate and biases that learn faster."""
        if self._stage.bias_rate == 1.0:
            return variables, []
        return [v for v in variables if not _is_bias(v)], [v for v in variables if _is_bias(v)]

    # -- one step --------------------------------------------------------------------------------------------

    def train_step(self, batch: Batch) -> dict[str, Any]:
        """Learn from this replica's batch and return its share of each mean loss.

        Summed over the replicas the returned numbers are the means over the global batch. Discriminators
        learn before the network or after it, as their `order` says, from the picture of the network as it
        stands. Gradients are all-reduced before they are clipped, so the step is the same however many
        devices share the batch.
        """
        logs = self._teach_discriminators(batch, "discriminator_first")
        gradients, values = self._accumulated(self._model_gradients_function, batch)
        self._apply_to_network(gradients)
        return logs | values | self._teach_discriminators(batch, "generator_first")

    def _teach_discriminators(self, batch: Batch, order: str) -> dict[str, Any]:
        logs: dict[str, Any] = {}
        for adversary in self._stage.adversaries:
            if adversary.order != order:
                continue
            gradients, values = self._accumulated(self._adversary_gradients_function, batch, adversary)
            variables = self._discriminator(adversary).trainable_variables
            self._apply(gradients, [(adversary.discriminator, variables)])
            logs |= values
        return logs

    def _apply_to_network(self, gradients: Gradients) -> None:
        variables = self.stage_variables(self._stage)
        slow, fast = self._by_rate(variables)
        if fast:
            of = {id(v): gradient for v, gradient in zip(variables, gradients, strict=True)}
            gradients = [of[id(v)] for v in (*slow, *fast)]
        self._apply(gradients, [("model", slow), *([("biases", fast)] if fast else [])])

    def model_gradients(self, batch: Batch, share: Any) -> tuple[Gradients, dict[str, Any]]:
        """Return gradients of `share * loss` for the stage's variables, and the loss and its terms."""
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss, terms = self.stage_loss(batch, training=True)
            scaled = loss * share
        variables = self.stage_variables(self._stage)
        gradients = tape.gradient(scaled, [v.value for v in variables], unconnected_gradients="zero")
        decay = self._stage.weight_decay
        if decay:
            gradients = [
                gradient + share * decay * v.value if _is_kernel(v) else gradient
                for gradient, v in zip(gradients, variables, strict=True)
            ]
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
            labels = None if adversary.labels is None else batch[adversary.labels]
            on_real = gan_loss(real, real=True, form=adversary.form, labels=labels)
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
        def named(name: str) -> Any:
            return batch[name] if is_field(name) else outputs[name]

        prediction, target = outputs[term.prediction], named(term.target)
        if term.mask is not None:
            mask = ops.cast(named(term.mask), prediction.dtype)
            prediction, target = prediction * mask, ops.cast(target, prediction.dtype) * mask
        options = {**self._loss_options.get(term.loss, {}), **term.options}
        loss = self.own_losses.get(term.loss) or LOSSES[term.loss]
        return loss(prediction, target, **options)

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
        return self.attached[adversary.discriminator]

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

    def _apply(self, gradients: Gradients, groups: list[tuple[str, list[keras.Variable]]]) -> None:
        """Let each optimiser take its share of the gradients, which lie in the order of the groups."""
        import tensorflow as tf

        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            gradients = tf.distribute.get_replica_context().all_reduce("SUM", gradients)
        if self._step_options.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._step_options.clip_norm)
        if replicas > 1:
            # Keras sums over the replicas once more inside apply and offers no switch to stop it.
            gradients = [gradient / replicas for gradient in gradients]
        for optimizer, variables in groups:
            own, gradients = gradients[: len(variables)], gradients[len(variables) :]
            self._optimizers[optimizer].apply_gradients(zip(own, variables, strict=True))


def _is_kernel(variable: keras.Variable) -> bool:
    """Whether weight decay pulls at it: not at biases, normalisations and slopes."""
    return variable.name.endswith("kernel")


def _is_bias(variable: keras.Variable) -> bool:
    return variable.name == "bias"


def _with_inner(layer: Any) -> list[Any]:
    return list(layer._flatten_layers())


def _split(batch: Batch, pieces: int) -> Iterator[Batch]:
    """Cut every field of a batch along its first axis."""
    if pieces == 1:
        yield batch
        return
    fields = {name: ops.split(value, pieces, axis=0) for name, value in batch.items()}
    for piece in range(pieces):
        yield {name: values[piece] for name, values in fields.items()}
