"""What networks are built of, taught with and run by."""
