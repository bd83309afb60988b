"""What is offered, as values: no I/O, no event loop. `merge` makes one Catalog of many Listings."""
