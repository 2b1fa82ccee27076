"""DMSHN and DPR as their authors' users run them: PyTorch, eager. The other side of the speed comparisons.

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


class Block(nn.Module):
    """DPR's unit: two convolutions with normalisation around a shortcut."""

    def __init__(self, channels: int, filters: int, *, batch: bool) -> None:
        super().__init__()
        norm = nn.BatchNorm2d if batch else nn.InstanceNorm2d
        self.body = nn.Sequential(
            nn.Conv2d(channels, filters, 3, padding=1, bias=False),
            norm(filters),
            nn.ReLU(),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False),
            norm(filters),
        )
        same = channels == filters
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, filters, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.body(x) + self.shortcut(x))


class TorchDPR(nn.Module):
    """The same hourglass as `tf_relight.methods.dpr`, random weights; takes luminance and 9 coefficients."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.half = size == 1024
        self.first = self.layer(1, 16, 5)
        outside, inside = (16, 16, 32, 64), (16, 32, 64, 155)
        self.uppers = nn.ModuleList(Block(n, n, batch=False) for n in outside)
        self.lows1 = nn.ModuleList(Block(a, b, batch=True) for a, b in zip(outside, inside, strict=True))
        self.lows2 = nn.ModuleList(Block(b, a, batch=False) for a, b in zip(outside, inside, strict=True))
        self.predict = self.head(27, 9)
        self.inject = self.head(9, 27)
        self.tail = nn.Sequential(self.layer(16, 16, 3), self.layer(16, 16, 1), self.layer(16, 16, 1))
        self.output = nn.Conv2d(16, 1, 1)

    @staticmethod
    def layer(channels: int, filters: int, kernel: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels, filters, kernel, padding=kernel // 2), nn.BatchNorm2d(filters), nn.ReLU()
        )

    @staticmethod
    def head(channels: int, filters: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels, 128, 1, bias=False), nn.PReLU(), nn.Conv2d(128, filters, 1, bias=False)
        )

    def forward(self, luminance: torch.Tensor, light: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.first(luminance)
        x = self.level(functional.max_pool2d(x, 2) if self.half else x, light, 0)
        x = functional.interpolate(x, scale_factor=2, mode="nearest") if self.half else x
        return torch.sigmoid(self.output(self.tail(x))), self.source

    def level(self, x: torch.Tensor, light: torch.Tensor, depth: int) -> torch.Tensor:
        upper = self.uppers[depth](x)
        y = self.lows1[depth](functional.max_pool2d(x, 2))
        if depth < 3:
            y = self.level(y, light, depth + 1)
        else:
            self.source = self.predict(y[:, :27].mean((2, 3), keepdim=True))
            lit = functional.relu(self.inject(light)).expand(-1, -1, *y.shape[2:])
            y = torch.cat([lit, y[:, 27:]], 1)
        y = functional.interpolate(self.lows2[depth](y), scale_factor=2, mode="nearest")
        return upper + y
