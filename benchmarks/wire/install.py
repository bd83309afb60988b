"""`python -m benchmarks.wire.install`: install the gateways that others wrote, as the rows of `targets.py` need it."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.wire.targets import TARGETS

GROUPS = tuple(dict.fromkeys(target.needs for target in TARGETS if target.needs))


def installed() -> dict[str, str]:
    """The versions of those that are there."""
    names = [package for group in GROUPS if group.is_installed for package in group.packages]
    return dict(name.replace("@", "==").split("==", 1) for name in names)


def main() -> None:
    """Install what is missing."""
    for group in GROUPS:
        try:
            if not group.is_installed:
                group.install()
            print(f"{group.name}: {', '.join(group.packages)}")
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{group.name}: not installed: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
