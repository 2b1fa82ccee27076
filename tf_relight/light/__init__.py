"""Every way to say where light comes from, in one frame."""
