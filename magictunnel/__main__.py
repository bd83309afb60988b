"""`python -m magictunnel`."""

from magictunnel.cli.app import main

if __name__ == "__main__":
    main()
