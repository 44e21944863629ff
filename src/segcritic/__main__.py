"""`python -m segcritic` does what the command `segcritic` does."""

import sys

from segcritic.cli import main

sys.exit(main())
