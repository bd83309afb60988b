"""The shell: `serve` for hosts and agents; `list`, `inspect`, `call`, `read`, `prompt`, `check` for developers."""
