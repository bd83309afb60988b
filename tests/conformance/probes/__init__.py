"""What the suite does not look at: the same probes of a server, directly and through MagicTunnel, in both eras."""
