"""Embedded data: procedural scenes with exact ground truth, rendered with numpy alone."""

from tf_relight.data.synthetic.layers import SceneLayers
from tf_relight.data.synthetic.scenes import Scene
from tf_relight.data.synthetic.write import render_scenes, scene_seed

__all__ = ["Scene", "SceneLayers", "render_scenes", "scene_seed"]
