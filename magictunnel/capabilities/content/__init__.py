"""What a file offers to read, and what its results are made of."""
