"""One run's settings, from one file, with every mistake told at once."""
