"""Embedded data: procedural scenes and heads with exact ground truth, rendered with numpy alone."""

from tf_relight.data.synthetic.head_write import render_heads
from tf_relight.data.synthetic.heads import Head
from tf_relight.data.synthetic.layers import SceneLayers
from tf_relight.data.synthetic.scenes import Scene
from tf_relight.data.synthetic.write import render_scenes, scene_seed

__all__ = ["Head", "Scene", "SceneLayers", "render_heads", "render_scenes", "scene_seed"]
