"""Taking trained networks to phones and servers; run from a checkout as `python -m export`."""
