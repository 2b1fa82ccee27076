"""Procedural heads: shape, hair, skin, and their maps under any light."""
