# Frozen into firmware without the tracer: what MicroPython's other ports freeze, and nothing of ours.
include("$(MPY_DIR)/extmod/asyncio")
