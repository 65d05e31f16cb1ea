"""What this machine can do, what is missing, and the command that gets it.

Each kind of check is a module: a record of facts, a collector that reads them from this machine,
and a function from facts to findings, which knows nothing but the facts. `examination` does them
all. Nothing here sends a packet to a network, opens a serial port (that can reset a board) or
changes anything: checks of a real network read the system's own tables.
"""
