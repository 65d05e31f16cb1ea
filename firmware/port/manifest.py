# Frozen into the firmware: the agent, and asyncio from MicroPython's own extmod.
include("$(MPY_DIR)/extmod/asyncio")
freeze("../agent", "lwip_agent.py")
