"""An agent on the board with two verbs more: `setopt H NUMBER` and `threads`.

It takes over from the stage's agent, whose client works with it as before. Called by plays of
myths; the reset before the next play ends it.
"""

from __future__ import annotations

import time

from lwipscope.errors import DeadlineExceeded
from lwipscope.scenario.stage import STEP_S, Stage

_READY = b"options: ready"
_PROGRAM = """
import lwip_agent, machine, socket, tcptrace

class Agent(lwip_agent.Agent):
    def do_setopt(self, name, number):
        self.sockets[name].setsockopt(socket.SOL_SOCKET, int(number), 1)

    def do_threads(self):
        try:
            import _thread
            return "some"
        except ImportError:
            return "none"

agent = Agent()
tcptrace.serve(True)
print("options: ready")
while agent.running:
    command = tcptrace.command()
    if command is None:
        machine.idle()
    else:
        tcptrace.reply(command[0], agent.obey(command[1].split()))
tcptrace.serve(False)
"""


def with_options(stage: Stage) -> None:
    """Let it take over from the stage's agent, which has no sockets yet."""
    repl = stage.board.repl
    stage.board.agent.stop()
    repl.start(_PROGRAM)
    end_s = time.monotonic() + STEP_S
    while _READY not in repl.output:
        if not repl.read(max(0.0, end_s - time.monotonic())):
            raise DeadlineExceeded(
                f"the program on the board did not start within {STEP_S:g} s; it said: "
                f"{repl.output!r}"
            )
