"""Films: reading and writing them, following faces, and relighting under a light that may move."""
