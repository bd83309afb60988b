"""Ten servers under random faults, twenty clients, and what must hold all the same. Run `make chaos`."""
