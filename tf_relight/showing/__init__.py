"""Things to look at: one photo under many lights as an animation, a sheet or a page."""
