"""The config file: what can stand in it (`model`), and how it is read (`load`)."""
