"""`python -m lwipscope`."""

from __future__ import annotations

import sys

try:
    from lwipscope.cli.main import main
except KeyboardInterrupt:  # Ctrl-C at once
    sys.exit(130)

sys.exit(main())
