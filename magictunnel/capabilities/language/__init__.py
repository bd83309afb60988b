"""What a capability file can say: its model, and the expressions in it."""
