"""`python -m ecr_refreshd` is the command `ecr-refreshd`, for places where no script is on PATH."""

import sys

from ecr_refreshd.cli import main

if __name__ == "__main__":
    sys.exit(main())
