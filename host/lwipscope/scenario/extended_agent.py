"""An agent on the board with more verbs than the usual one (firmware/agent/lwip_agent.py).

It takes over from the stage's agent, whose client works with it as before. It leaves its sockets
open when it ends, which the usual one does not. Called by scenarios and by plays of myths.
"""

from __future__ import annotations

import textwrap
import time

from lwipscope.errors import DeadlineExceeded
from lwipscope.scenario.stage import STEP_S, Stage

_READY = b"extended agent: ready"
# The names stay behind in the REPL's globals, which a soft reset throws away.
_PROGRAM = """
import lwip_agent, machine, network, socket, tcptrace

class Extended(lwip_agent.Agent):
{verbs}

agent = Extended()
tcptrace.serve(True)
print("extended agent: ready")
while agent.running:
    command = tcptrace.command()
    if command is None:
        machine.idle()
    else:
        tcptrace.reply(command[0], agent.obey(command[1].split()))
tcptrace.serve(False)
"""


def take_over(stage: Stage, verbs: str) -> None:
    """Start it. `verbs` are methods in MicroPython, `def do_NAME(self, ...)`; they may use
    `machine`, `network` and `socket`. The stage's agent must have no sockets yet."""
    repl = stage.board.repl
    stage.board.agent.stop()
    repl.start(_PROGRAM.format(verbs=textwrap.indent(textwrap.dedent(verbs).strip(), "    ")))
    end_s = time.monotonic() + STEP_S
    while _READY not in repl.output:
        if not repl.read(max(0.0, end_s - time.monotonic())):
            raise DeadlineExceeded(
                f"the program on the board did not start within {STEP_S:g} s; it said: "
                f"{repl.output!r}"
            )
