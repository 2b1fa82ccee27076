"""The networks of the seven residue methods, and their discriminators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from tf_relight.methods.sfsnet_residue import Config
from tf_relight.methods.sfsnet_residue.recipe import Dcgan, FacePatch
from tf_relight.networks.decomposition import (
    ConvNorm,
    Decomposition,
    ResidualStack,
    batch_norm,
    even_sides,
    shading_of,
    unit,
    xavier,
)
from tf_relight.networks.layers import InstanceNorm, crop_like, with_change
from tf_relight.networks.relight_model import RelightModel


class Upsample2xCorners(keras.layers.Layer):
    """Double height and width bilinearly; corners stay corners (`align_corners` true).

    As two matrix products, which phones run whole; they do not gather.
    """

    def call(self, x: Any) -> Any:
        """(B, H, W, C) -> (B, 2H, 2W, C)."""
        sides = [ops.shape(x)[axis] if x.shape[axis] is None else x.shape[axis] for axis in (1, 2)]
        high, wide = (ops.cast(_doubling(side), x.dtype) for side in sides)
        x = ops.matmul(ops.transpose(x, (0, 3, 1, 2)), wide)
        return ops.transpose(ops.matmul(ops.transpose(x, (0, 1, 3, 2)), high), (0, 3, 2, 1))


def _doubling(side: Any) -> Any:
    """Return the matrix (side, 2 side) that doubles a row of so many values, its ends kept."""
    whole = ops.cast(side, "float32")
    places = ops.arange(2 * side, dtype="float32") * ((whole - 1.0) / (2.0 * whole - 1.0))
    return ops.relu(1.0 - ops.abs(places[None, :] - ops.arange(side, dtype="float32")[:, None]))


class ResidueHead(keras.layers.Layer):
    """From all features at half size to a picture of light with three channels, linear at its end."""

    def __init__(
        self, channels: int, width: int, *, affine: bool = True, added: bool = False, **kwargs: Any
    ) -> None:
        """`added`: the picture is added to a shading, and begins near 0, so that SfSNet's own is kept."""
        super().__init__(**kwargs)
        self.width = width
        self.up = Upsample2xCorners(name="up")
        sizes = ((channels, 2 * width, 1), (2 * width, width, 1), (width, width, 3))
        self.steps = [
            ConvNorm(a, b, kernel, affine=affine, name=f"step{i + 1}")
            for i, (a, b, kernel) in enumerate(sizes)
        ]
        start = keras.initializers.RandomNormal(stddev=1e-3) if added else xavier()
        self.last = keras.layers.Conv2D(3, 1, kernel_initializer=start, name="last")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        for step in self.steps:
            step.build()
        self.last.build((None, None, None, self.width))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H/2, W/2, channels) -> (B, H, W, 3)."""
        x = self.up(x)
        for step in self.steps:
            x = step(x, training=training)
        return self.last(x)


class Corrector(keras.layers.Layer):
    """From two pictures side by side, six channels, to a shading; linear at its end."""

    def __init__(self, width: int, *, affine: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.mix = ConvNorm(6, width, 1, affine=affine, name="mix")
        self.last = keras.layers.Conv2D(3, 3, padding="same", kernel_initializer=xavier(), name="last")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        self.mix.build()
        self.last.build((None, None, None, self.width))

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H, W, 6) -> (B, H, W, 3)."""
        return self.last(self.mix(x, training=training))


class _Judge(keras.Model):
    """Strided convolutions, normalised but for the first, and one that gives a single answer."""

    def __init__(
        self, channels: list[int], norms: list[Any], last_kernel: int, bias: bool, **kw: Any
    ) -> None:
        super().__init__(**kw)
        self.channels = [3, *channels]
        self.convs = [_judge_conv(n, f"conv{i}", bias=bias) for i, n in enumerate(channels)]
        self.norms = norms
        self.last = keras.layers.Conv2D(1, last_kernel, use_bias=False, name="scores")

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        for conv, channels in zip((*self.convs, self.last), self.channels, strict=True):
            conv.build((None, None, None, channels))
        for norm, channels in zip(self.norms, self.channels[2:], strict=True):
            norm.build((None, None, None, channels))

    def answer(self, x: Any) -> Any:
        """Return the scores of the last features."""
        return self.last(x)

    def call(self, picture: Any, training: bool | None = None) -> dict[str, Any]:
        """(B, H, W, 3) -> {"scores": (B, 1, 1, 1) float32, "features": one tensor per layer}."""
        x = ops.leaky_relu(self.convs[0](picture), negative_slope=0.2)
        features = [x]
        for conv, norm in zip(self.convs[1:], self.norms, strict=True):
            x = ops.leaky_relu(norm(conv(x), training=training), negative_slope=0.2)
            features.append(x)
        return {"scores": ops.cast(self.answer(x), "float32"), "features": features}


class FacePatchJudge(_Judge):
    """See `recipe.FacePatch`."""

    def __init__(self, spec: FacePatch, **kwargs: Any) -> None:
        channels = [spec.width * n for n in (1, 2, 4, 8)]
        norms = [_FreeNorm(name=f"norm{i}") for i in (1, 2, 3)]
        super().__init__(channels, norms, spec.kernel, bias=True, **kwargs)

    def answer(self, x: Any) -> Any:
        """One row and column more at the top and the left, then one all around."""
        return self.last(ops.pad(x, ((0, 0), (2, 1), (2, 1), (0, 0))))


class DcganJudge(_Judge):
    """See `recipe.Dcgan`; answers lie in 0..1.

    Source: Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative
    Adversarial Networks", ICLR 2016.
    """

    def __init__(self, spec: Dcgan, **kwargs: Any) -> None:
        channels = [spec.width * 2**i for i in range(spec.halvings)]
        norms = [batch_norm(f"norm{i}", affine=True) for i in range(1, spec.halvings)]
        super().__init__(channels, norms, 4, bias=False, **kwargs)

    def answer(self, x: Any) -> Any:
        """Squeezed by a sigmoid."""
        return ops.sigmoid(self.last(x))


class _FreeNorm(InstanceNorm):
    """Instance normalisation that is called like a batch normalisation."""

    def call(self, x: Any, training: bool | None = None) -> Any:
        """(B, H, W, C) -> the same shape."""
        return super().call(x)


def _judge_conv(filters: int, name: str, *, bias: bool) -> keras.layers.Conv2D:
    start = keras.initializers.RandomNormal(stddev=0.02)
    # "same" with kernel 4 and stride 2 pads one pixel on each side of even pictures.
    return keras.layers.Conv2D(
        filters, 4, strides=2, padding="same", use_bias=bias, kernel_initializer=start, name=name
    )


@keras.saving.register_keras_serializable(package="tf_relight")
class SfSNetResidue(RelightModel):
    """SfSNet with a residue.

    Takes {"image": (B, H, W, 3) sRGB 0..1, "light": (B, 9, 3) frame "dpr", told in lightness} of any height
    and width and returns relit, normal, albedo, shading, rebuilt and residue, each (B, H, W, 3), and, but for
    number 2, source_light (B, 9, 3). The residue is signed; of 1 and 2 it is the latent light. Another
    light comes by spherical harmonics alone: what the residue holds is the shadows of the light that was.
    """

    own_discriminators: ClassVar[Mapping[type, Callable[[Any, str], keras.Model]]] = {
        FacePatch: lambda spec, name: FacePatchJudge(spec, name=name),
        Dcgan: lambda spec, name: DcganJudge(spec, name=name),
    }

    def __init__(self, config: Config, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.config = config
        width, affine = config.width, config.affine
        self.body = Decomposition(width, affine=affine, zero_border=config.zero_border, name="body")
        self.albedo_stack_2 = (
            ResidualStack(2 * width, affine=affine, name="albedo_stack_2") if config.second_stack else None
        )
        self.head = ResidueHead(6 * width, width, affine=affine, added=config.number > 2, name="head")
        self.corrector = Corrector(width, affine=affine, name="corrector") if config.number <= 2 else None

    def build(self, input_shape: Any = None) -> None:
        """Make the weights; the size does not matter."""
        for part in (self.body, self.albedo_stack_2, self.head, self.corrector):
            if part is not None:
                part.build()

    def call(self, inputs: dict[str, Any], training: bool | None = None) -> dict[str, Any]:
        """As `infer`."""
        return self.infer(inputs, training=bool(training))

    def infer(self, inputs: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """{"image", "light"} -> the outputs of the card."""
        found = self._taken_apart(inputs["image"], training)
        relit = self._relit(inputs["image"], found, ops.cast(inputs["light"], "float32"), training)
        names = ("normal", "albedo", "shading", "rebuilt", "residue")
        light = () if self.config.number == 2 else ("source_light",)
        return {"relit": relit, **{name: found[name] for name in (*names, *light)}}

    def compute(self, batch: dict[str, Any], training: bool) -> dict[str, Any]:
        """Return the outputs and what the losses compare.

        That is "raw_normal", normals before they have length 1; "face_albedo", the albedo inside `mask`; and
        "true_shading" of the batch's normals and light.

        Args:
            batch: image; normal, light, mask for what is made of them; target_light to relight also.
        """
        found = self._taken_apart(batch["image"], training)
        light = batch.get("target_light", found["source_light"])
        found["relit"] = self._relit(batch["image"], found, light, training)
        if "mask" in batch:
            found["face_albedo"] = found["albedo"] * batch["mask"]
        if "normal" in batch and "light" in batch:
            found["true_shading"] = shading_of(ops.cast(batch["normal"], "float32"), batch["light"])
        return found

    def _taken_apart(self, image: Any, training: bool) -> dict[str, Any]:
        even = even_sides(image)
        normal_features, albedo_features, shared = self.body.features(even, training)
        own = ops.concatenate([normal_features, albedo_features, shared], axis=-1)
        if self.albedo_stack_2 is not None:
            albedo_features = self.albedo_stack_2(shared, training=training)
            own_residue = ops.concatenate([normal_features, albedo_features, shared], axis=-1)
        else:
            own_residue = own
        body = self.body

        def picture(values: Any) -> Any:
            return ops.cast(crop_like(values, image), "float32")

        raw = picture(body.normal_generator(normal_features, training=training))
        raw = 2.0 * raw - 1.0 if self.config.normals == "encoded" else raw
        albedo = picture(body.albedo_generator(albedo_features, training=training))
        light = ops.cast(body.light_head(own, training=training), "float32")
        residue = picture(self.head(own_residue, training=training))
        normal = unit(raw)
        shaded = normal if self.config.normals == "encoded" else raw
        harmonic = shading_of(shaded, light)
        found = {"raw_normal": raw, "shaded_normal": shaded, "normal": normal, "residue": residue}
        if self.config.number == 1:
            shading = self._corrected(harmonic, residue, training)
        elif self.config.number == 2:
            shading = self._corrected(shaded, residue, training)
        else:
            shading = harmonic + residue
        bare = albedo - residue if self.config.number == 4 else albedo
        rebuilt = shading * (albedo if self.config.as_released else bare)
        return found | {"albedo": bare, "shading": shading, "rebuilt": rebuilt, "source_light": light}

    def _corrected(self, first: Any, second: Any, training: bool) -> Any:
        assert self.corrector is not None, "numbers 1 and 2 have one"
        return ops.cast(
            self.corrector(ops.concatenate([first, second], axis=-1), training=training), "float32"
        )

    def _relit(self, image: Any, found: dict[str, Any], light: Any, training: bool) -> Any:
        shading = shading_of(found["shaded_normal"], light)
        if self.config.number == 1:
            shading = self._corrected(shading, found["residue"], training)
        drawn = ops.clip(found["albedo"] * shading, 0.0, 1.0)
        return with_change(image, drawn, found["rebuilt"]) if self.config.keep_detail else drawn

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "config": self.config.model_dump()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SfSNetResidue:
        """Return the model of `get_config`."""
        return cls(**{**config, "config": Config(**config["config"])})


def build_model(config: Config) -> SfSNetResidue:
    """Return the built network of `config`."""
    model = SfSNetResidue(config, name="sfsnet_residue")
    model.build()
    return model
