"""Phone files as things: their runtimes, graphs, and the manifest beside them."""
