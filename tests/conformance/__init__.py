"""The official conformance suite, run directly against a server of ours and through MagicTunnel, check by check."""
