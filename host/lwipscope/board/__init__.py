"""How to reach a board: board files, link, REPL, QEMU, command port, agent client."""
