"""The oracle: watchpoints prove that the tracer misses nothing (DESIGN D1)."""
