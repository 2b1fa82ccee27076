"""Work on many machines: photos in bulk and training on a Ray cluster, on folders and buckets alike."""
