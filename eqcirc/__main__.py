"""`python -m eqcirc`, the same as the command `eqcirc`."""

from eqcirc.cli.app import main

if __name__ == "__main__":
    main()
