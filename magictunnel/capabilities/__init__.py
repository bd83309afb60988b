"""Tools, prompts and resources without a server: each file that declares some is a Backend like any other."""
