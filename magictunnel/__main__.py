"""The console script, and `python -m magictunnel`. What must be quick is answered before the shell is imported."""

from __future__ import annotations

import gc
import os
import sys

from magictunnel import __version__


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"magictunnel {__version__}\n")
        return
    from magictunnel.cli.hosted import hosted

    if wanted := hosted(sys.argv[1:], os.environ):
        from magictunnel.front.first import begin

        first = begin(wanted.config, os.environ)
        gc.disable()  # until `serve_host` has made what stays
        from magictunnel.cli.serving import serve_host  # takes half a second: the host is answered meanwhile

        sys.exit(serve_host(*wanted, first=first))
    from magictunnel.cli.app import main as shell

    shell()


if __name__ == "__main__":
    main()
