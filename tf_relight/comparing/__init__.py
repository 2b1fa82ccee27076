"""Tables of several methods, trained and scored under one budget."""
