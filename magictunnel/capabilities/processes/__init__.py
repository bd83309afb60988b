"""Programs and functions that tools run, each in a process of its own."""
