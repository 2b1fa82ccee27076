"""What the compared networks share: pictures of any size in, one trained light out."""

from __future__ import annotations

from typing import Any

from keras import ops

from tf_relight.errors import RelightError
from tf_relight.networks.layers import crop_like, pad_to_multiple
from tf_relight.networks.relight_model import RelightModel


class FixedLight(RelightModel):
    """A network whose one input is a picture and whose light is that of its training data.

    Subclasses override `paint`. Takes (B, H, W, 3) sRGB 0..1 and returns the same shape, float32.
    """

    def __init__(self, settings: dict[str, Any], *, multiple: int, smallest: int = 1, **kwargs: Any) -> None:
        """Remember what a saved model needs to be made again.

        Args:
            settings: the subclass' own constructor arguments.
            multiple: `paint` gets pictures whose sides are multiples of this.
            smallest: shortest side in pixels that the network takes.
        """
        super().__init__(**kwargs)
        self.settings = settings
        self.multiple, self.smallest = multiple, smallest

    def call(self, image: Any, training: bool | None = None) -> Any:
        """(B, H, W, 3) sRGB 0..1 -> the same shape, float32.

        Raises:
            RelightError: the picture is too small for the network.
        """
        return self.cropped(self.paint(self.padded(image), training), image)

    def padded(self, image: Any) -> Any:
        """Mirror the picture at the bottom and right up to sides that the network takes.

        Raises:
            RelightError: the picture is too small for the network.
        """
        if any(side is not None and side < self.smallest for side in image.shape[1:3]):
            raise RelightError(f"Pictures need at least {self.smallest} pixels per side for this network.")
        return pad_to_multiple(image, self.multiple)

    def cropped(self, painted: Any, image: Any) -> Any:
        """Undo `padded` on a result, and return it as float32."""
        return crop_like(ops.cast(painted, "float32"), image)

    def paint(self, x: Any, training: bool | None) -> Any:
        """(B, H, W, 3) sRGB 0..1, H and W multiples of `multiple` -> the same shape."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), **self.settings}
