"""A server of both eras that does everything the conformance suite asks of one, tasks included."""
