"""`python -m zerosum`, which is also what torchrun starts."""

import sys

from zerosum.cli import main

if __name__ == "__main__":
    sys.exit(main())
