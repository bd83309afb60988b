"""Finding the right tool among many, and its arguments in words."""
