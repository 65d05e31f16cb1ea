# Frozen into the firmware: the agent, the filesystem in RAM, and asyncio from MicroPython's own extmod.
include("$(MPY_DIR)/extmod/asyncio")
freeze("../agent", ("lwip_agent.py", "lwip_files.py"))
