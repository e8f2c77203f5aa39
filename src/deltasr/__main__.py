"""`python -m deltasr`."""

from deltasr.cli import main

if __name__ == "__main__":
    main()
