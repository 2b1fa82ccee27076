"""A loaded network on a photo: the request, portraits, folders of photos."""
