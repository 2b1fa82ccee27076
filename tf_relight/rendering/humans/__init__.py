"""Portraits of people who do not exist, drawn from MakeHuman's free assets with exact normals and albedo."""
