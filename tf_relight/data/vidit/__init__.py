"""VIDIT: its layouts, scenes, depth, and shadow-free pictures made from it."""
