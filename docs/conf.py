"""Sphinx: `make docs` (docs/build.py) copies the pages, writes the reference beside them and runs it."""

from __future__ import annotations

project = "tf_relight"
author = "The tf_relight authors"
copyright = "The tf_relight authors, Apache-2.0"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_static"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
html_theme = "furo"
html_title = "tf_relight"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_sourcelink = False
# Of the reference: names and examples, not code in one language.
highlight_language = "none"
nitpicky = True
