"""Procedural scenes under the forty lights of VIDIT."""
