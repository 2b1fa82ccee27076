"""Training losses, and the table that lets a training stage name them.

Every loss takes (B, H, W, C) pictures, sRGB 0..1 unless said otherwise, and returns one float32 number.
The arithmetic is float32 whatever the inputs are: in bfloat16 the variances inside SSIM would be rounded
to noise. Only `keras.ops` is used, so a loss runs on every Keras backend, inside a compiled step, and with
a height and width that are known only at run time.

All names in `LOSSES` share the call `loss(prediction, target, **options)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from tf_relight.errors import RelightError

Tensor = Any
GanForm = Literal["lsgan", "log", "hinge"]

_HORIZONTAL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))
_VERTICAL = ((-1.0, -2.0, -1.0), (0.0, 0.0, 0.0), (1.0, 2.0, 1.0))
_DIAGONALS = (
    ((2.0, 1.0, 0.0), (1.0, 0.0, -1.0), (0.0, -1.0, -2.0)),
    ((0.0, 1.0, 2.0), (-1.0, 0.0, 1.0), (-2.0, -1.0, 0.0)),
)


def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute error."""
    return ops.mean(ops.abs(_float32(prediction) - _float32(target)))


def l2(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared error over all pixels and channels."""
    return ops.mean(ops.square(_float32(prediction) - _float32(target)))


def smooth_l1(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean of half the squared error where it is below 1, and of the error less a half above.

    Source: Girshick, "Fast R-CNN", ICCV 2015, equation 3.
    """
    error = ops.abs(_float32(prediction) - _float32(target))
    return ops.mean(ops.where(error < 1.0, 0.5 * error * error, error - 0.5))


def ssim_index(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean SSIM of pictures in 0..1: a similarity, 1 for equal pictures.

    11x11 Gaussian window with sigma 1.5, per channel, zeros outside the picture, C1 = 0.01^2, C2 = 0.03^2.
    It is not a distance: a loss that should make pictures alike needs a negative weight.

    The window is the product of two 1-D Gaussians, so it is applied as two passes of 11 taps, not one of
    121. The two variances enter SSIM only as their sum, so four maps are filtered instead of five.

    Source: Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004;
        window and padding as in the loss L_SSIM of MSR-Net (Das et al., 2021).
    """
    a, b = _float32(prediction), _float32(target)
    maps = ops.concatenate([a, b, a * a + b * b, a * b], axis=-1)
    mean_a, mean_b, squares, product = ops.split(_gaussian_filter(maps, 11, 1.5), 4, axis=-1)
    c1, c2 = 0.01**2, 0.03**2
    means = mean_a * mean_a + mean_b * mean_b
    both = mean_a * mean_b
    luminance = (2.0 * both + c1) / (means + c1)
    contrast = (2.0 * (product - both) + c2) / (squares - means + c2)
    return ops.mean(luminance * contrast)


def total_variation(prediction: Tensor, target: Tensor = None) -> Tensor:
    """Return twice the mean squared step to the next pixel, down plus across.

    Only the prediction counts; `target` is there so that all losses are called alike.

    Raises:
        RelightError: the picture has fewer than 2 rows or columns.

    Source: L_tv of MSR-Net (Das et al., 2021), as in the dehazing network of the same authors.
    """
    del target
    x = _float32(prediction)
    _need_pixels(x, 2, "total variation")
    # As filters, because the gradient of sliced differences costs three times as much on a processor.
    step = np.array([-1.0, 1.0], "float32")
    down = _filter(x, step[:, None, None], "valid")
    across = _filter(x, step[None, :, None], "valid")
    return 2.0 * (ops.mean(ops.square(down)) + ops.mean(ops.square(across)))


def sobel(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean difference of edge strength under the horizontal and vertical Sobel filters.

    Strength is the absolute response, so an edge of the opposite sign counts as equal. Borders where the
    3x3 filter does not fit are left out.

    Raises:
        RelightError: the pictures have fewer than 3 rows or columns.
    """
    return _edge_difference(prediction, target, (_HORIZONTAL, _VERTICAL))


def gradient(prediction: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute error of the steps to the right neighbour plus that of the steps down.

    Raises:
        RelightError: the pictures have fewer than 2 rows or columns.

    Source: DPR, section 4.3, names the loss without its operator. Differs: finite differences, whose sign
    counts, so that an edge lit from the wrong side costs.
    """
    a, b = _float32(prediction), _float32(target)
    _need_pixels(a, 2, "gradient")
    difference = a - b
    across = difference[:, :, 1:] - difference[:, :, :-1]
    down = difference[:, 1:] - difference[:, :-1]
    return ops.mean(ops.abs(across)) + ops.mean(ops.abs(down))


def log_ratio(prediction: Tensor, target: Tensor, window: int = 5, black: float = 0.04) -> Tensor:
    """Return the mean absolute error of the logarithm, averaged over square windows.

    It weighs a shadow as much as a highlight, and looks at the light more than at the detail: the mean over
    `window` x `window` pixels of log(picture + `black`), fewer pixels at the border.

    Raises:
        RelightError: the pictures are smaller than the window.
    """
    a, b = _float32(prediction), _float32(target)
    _need_pixels(a, window, "log ratio")
    difference = ops.log(ops.maximum(a, 0.0) + black) - ops.log(ops.maximum(b, 0.0) + black)
    return ops.mean(ops.abs(ops.average_pool(difference, window, 1, padding="same")))


def advanced_sobel(prediction: Tensor, target: Tensor, diagonal_only: bool = False) -> Tensor:
    """Return the Advanced Sobel Loss: `sobel` with the two diagonal filters added.

    The four filters act on each channel and the differences are averaged. Public ports use the diagonal
    pair alone; `diagonal_only` does that.

    Raises:
        RelightError: the pictures have fewer than 3 rows or columns.

    Source: Zheng et al., "Image Demoireing with Learnable Bandpass Filters", CVPR 2020.
    """
    filters = _DIAGONALS if diagonal_only else (_HORIZONTAL, _VERTICAL, *_DIAGONALS)
    return _edge_difference(prediction, target, filters)


def perceptual_mse(features_a: Tensor, features_b: Tensor) -> Tensor:
    """Return the mean squared difference of two feature maps of one shape."""
    return l2(features_a, features_b)


def perceptual_vgg16(prediction: Tensor, target: Tensor, features: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the mean squared difference of VGG-16 features, by default after the last pooling.

    `features` maps pictures in 0..1 to a feature map; `perceptual.vgg16_features()` makes it.
    No gradient flows through the features of the target.

    Source: L_p of MSR-Net (Das et al., 2021).
    """
    wanted = ops.stop_gradient(features(_float32(target)))
    return perceptual_mse(features(_float32(prediction)), wanted)


def perceptual_vgg16_shallow(prediction: Tensor, target: Tensor, features: Callable[[Tensor], Any]) -> Tensor:
    """Return the mean squared difference of VGG-16 features, averaged over three depths.

    `features` maps pictures in 0..1 to feature maps; `perceptual.vgg16_shallow_features()` makes
    it. No gradient flows through the features of the target.

    Source: GridDehazeNet (Liu et al., 2019), section 3.4, with the mean over the depths of its release.
    """
    pairs = zip(features(_float32(prediction)), features(_float32(target)), strict=True)
    parts = [perceptual_mse(a, ops.stop_gradient(b)) for a, b in pairs]
    return _total(parts) / len(parts)


VGG19_WEIGHTS = (1 / 32, 1 / 16, 1 / 8)
"""Of relu1_1, relu2_1 and relu3_1 in DRN's release."""


def perceptual_vgg19(prediction: Tensor, target: Tensor, features: Callable[[Tensor], Any]) -> Tensor:
    """Return the weighted mean absolute difference of VGG-19 features at three depths.

    `features` maps pictures in -1..1 to three feature maps; `perceptual.vgg19_features()` makes
    it. No gradient flows through the features of the target.

    Source: DRN, equation 8; taps and weights are those of its release.
    """
    found = features(2.0 * _float32(prediction) - 1.0)
    wanted = features(2.0 * _float32(target) - 1.0)
    parts = [
        weight * l1(a, ops.stop_gradient(b))
        for weight, a, b in zip(VGG19_WEIGHTS, found, wanted, strict=True)
    ]
    return _total(parts)


def gan_loss(
    scores: Tensor,
    real: bool,
    form: GanForm = "lsgan",
    generator: bool = False,
    labels: Tensor | None = None,
) -> Tensor:
    """Return the adversarial loss of discriminator scores (raw, no sigmoid) that should read `real`.

    `scores` is one tensor or a nest of tensors, one per discriminator scale; the losses of a nest are
    summed. With `generator=True` the scores are those of generated pictures and the generator is scored;
    this matters for "hinge" alone, where the generator maximises the plain score.

    `labels` (B,) says for each picture whether its scores should read real (1) or not (0), in place of
    `real`; every score of a picture is compared with that picture's own label.

    Forms: "lsgan" is the squared distance to 1 or 0, "log" the cross entropy of the original GAN (in the
    non-saturating form for the generator), "hinge" max(0, 1 -+ score).

    Raises:
        RelightError: unknown form, or `generator=True` with `real=False`.
    """
    if generator and not real:
        raise RelightError("The generator wants its pictures judged real: call gan_loss with real=True.")
    tensors = [_float32(score) for score in keras.tree.flatten(scores)]
    if labels is not None:
        return _total([_labelled(score, _float32(labels), form) for score in tensors])
    if form == "lsgan":
        parts = [ops.mean(ops.square(score - (1.0 if real else 0.0))) for score in tensors]
    elif form == "log":
        parts = [ops.mean(ops.softplus(-score if real else score)) for score in tensors]
    elif form == "hinge" and generator:
        parts = [-ops.mean(score) for score in tensors]
    elif form == "hinge":
        parts = [ops.mean(ops.relu(1.0 - score if real else 1.0 + score)) for score in tensors]
    else:
        raise RelightError(f"Unknown GAN loss '{form}': use 'lsgan', 'log' or 'hinge'.")
    return _total(parts)


def _labelled(score: Tensor, labels: Tensor, form: GanForm) -> Tensor:
    """The loss of one tensor of scores (B, ...) whose pictures have labels (B,) of their own."""
    # A label (B,) beside scores (B, 1) would broadcast to (B, B), each score against each label.
    label = ops.reshape(labels, (-1, *([1] * (len(score.shape) - 1))))
    if form == "lsgan":
        return ops.mean(ops.square(score - label))
    if form == "log":
        return ops.mean(label * ops.softplus(-score) + (1.0 - label) * ops.softplus(score))
    return ops.mean(label * ops.relu(1.0 - score) + (1.0 - label) * ops.relu(1.0 + score))


def feature_matching(features_a: Tensor, features_b: Tensor) -> Tensor:
    """Return the L1 distance of two equal nests of discriminator features, averaged over the tensors.

    `features_a` comes from the prediction. `features_b` comes from the target and gets no gradient.

    Raises:
        RelightError: the nests differ in length.

    Source: Wang et al., "High-Resolution Image Synthesis with Conditional GANs" (pix2pixHD), CVPR 2018.
    """
    pairs_a, pairs_b = keras.tree.flatten(features_a), keras.tree.flatten(features_b)
    if len(pairs_a) != len(pairs_b) or not pairs_a:
        raise RelightError(
            f"Feature matching needs two equal lists of features, not {len(pairs_a)} and {len(pairs_b)}."
        )
    parts = [l1(a, ops.stop_gradient(b)) for a, b in zip(pairs_a, pairs_b, strict=True)]
    return _total(parts) / len(parts)


LOSSES: dict[str, Callable[..., Tensor]] = {
    "l1": l1,
    "l2": l2,
    "smooth_l1": smooth_l1,
    "gradient": gradient,
    "log_ratio": log_ratio,
    "ssim": ssim_index,
    "tv": total_variation,
    "sobel": sobel,
    "advanced_sobel": advanced_sobel,
    "vgg16": perceptual_vgg16,
    "vgg16_shallow": perceptual_vgg16_shallow,
    "vgg19": perceptual_vgg19,
}


def _float32(x: Tensor) -> Tensor:
    return ops.cast(x, "float32")


def _total(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _need_pixels(x: Tensor, size: int, name: str) -> None:
    # An empty difference would average to NaN. Sizes unknown until run time cannot be checked here.
    for length in x.shape[1:3]:
        if length is not None and length < size:
            raise RelightError(f"The {name} loss needs pictures of at least {size}x{size} pixels.")


def _filter(x: Tensor, kernels: np.ndarray, padding: str) -> Tensor:
    """Filter each channel with each of the (height, width, filters) kernels."""
    kernels = np.tile(kernels[:, :, None, :], (1, 1, x.shape[-1], 1))
    return ops.depthwise_conv(x, ops.convert_to_tensor(kernels.astype("float32")), padding=padding)


def _gaussian_filter(x: Tensor, taps: int, sigma: float) -> Tensor:
    """Filter each channel with a normalised Gaussian, zeros outside the picture."""
    position = np.arange(taps) - taps // 2
    weights = np.exp(-(position**2) / (2.0 * sigma**2))
    weights = weights / weights.sum()
    return _filter(_filter(x, weights[:, None, None], "same"), weights[None, :, None], "same")


def _edge_difference(prediction: Tensor, target: Tensor, filters: tuple[Any, ...]) -> Tensor:
    a, b = _float32(prediction), _float32(target)
    _need_pixels(a, 3, "Sobel")
    kernels = np.stack([np.asarray(f) for f in filters], axis=-1)
    return l1(ops.abs(_filter(a, kernels, "valid")), ops.abs(_filter(b, kernels, "valid")))
