"""Which methods are meant where a user names none."""

from __future__ import annotations

PORTRAIT_METHOD = "lit_unet"
"""Relights photos of people."""
SCENE_METHOD = "dmshn"
"""Relights any other photo."""
DEMO_METHOD = "dpr512"
"""Repeats an official demo."""
DECOMPOSITION_METHOD = "sfsnet"
"""Takes faces apart."""
