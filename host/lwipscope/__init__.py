"""lwipscope: watch and check every TCP state of a board whose stack is lwIP."""

from __future__ import annotations

__version__ = "0.1.0"
