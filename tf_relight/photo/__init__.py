"""Pixels without networks: reading, writing, colour, faces and people, and the way back to full size."""
