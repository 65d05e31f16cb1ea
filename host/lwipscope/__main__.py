"""`python -m lwipscope`."""

from __future__ import annotations

import sys

from lwipscope.cli.main import main

sys.exit(main())
