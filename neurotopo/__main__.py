"""``python -m neurotopo`` is the command line of :mod:`neurotopo.cli`."""

from __future__ import annotations

import sys

from neurotopo.cli import main

if __name__ == "__main__":
    sys.exit(main())
