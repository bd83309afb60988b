"""A running gateway as the person who runs it sees and steers it."""
