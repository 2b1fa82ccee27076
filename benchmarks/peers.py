"""DMSHN as its authors' users run it: PyTorch, eager. The other side of the speed comparisons.

Needs PyTorch, which is no dependency of the toolkit: pip install torch.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    """conv, ReLU, conv, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def encoder() -> nn.Sequential:
    """(B, 3, H, W) -> (B, 128, H/4, W/4)."""
    layers: list[nn.Module] = [nn.Conv2d(3, 32, 3, padding=1)]
    for channels in (32, 64, 128):
        if channels > 32:
            layers.append(nn.Conv2d(channels // 2, channels, 3, stride=2, padding=1))
        layers += [Residual(channels), Residual(channels)]
    return nn.Sequential(*layers)


def decoder() -> nn.Sequential:
    """(B, 128, H/4, W/4) -> (B, 3, H, W)."""
    layers: list[nn.Module] = []
    for channels in (128, 64, 32):
        layers += [Residual(channels), Residual(channels)]
        if channels > 32:
            layers.append(nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1))
    return nn.Sequential(*layers, nn.Conv2d(32, 3, 3, padding=1))


class TorchDMSHN(nn.Module):
    """The same three-level network as `tf_relight.methods.dmshn`, random weights."""

    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(encoder() for _ in range(3))
        self.decoders = nn.ModuleList(decoder() for _ in range(3))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        half = _scale(image, 0.5)
        feature3 = self.encoders[2](_scale(half, 0.5))
        feature2 = self.encoders[1](half + _scale(self.decoders[2](feature3), 2))
        feature1 = self.encoders[0](image + _scale(self.decoders[1](feature2 + _scale(feature3, 2)), 2))
        return self.decoders[0](feature1 + _scale(feature2, 2))


def _scale(x: torch.Tensor, factor: float) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
