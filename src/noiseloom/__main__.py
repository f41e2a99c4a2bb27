"""`python -m noiseloom`, the same as the command `noiseloom`."""

from noiseloom.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
