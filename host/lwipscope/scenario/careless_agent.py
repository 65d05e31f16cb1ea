"""An agent on the board that does what the good one (firmware/agent) does not.

It leaves its sockets open when it ends, so that the soft reset has something to close, and it has
two verbs more: `bindto H IP PORT`, and `dhcp`, which makes the board ask for another address.
Called by the scenarios of this package; runs in the place of the stage's agent, whose client works
with it as before.
"""

from __future__ import annotations

import time

from lwipscope.errors import DeadlineExceeded
from lwipscope.scenario.stage import STEP_S, Stage

_READY = b"careless: ready"
# The names stay behind in the REPL's globals, which the soft reset throws away.
_PROGRAM = """
import lwip_agent, machine, network, tcptrace

class Careless(lwip_agent.Agent):
    def do_bindto(self, name, ip, port):
        self.sockets[name].bind((ip, int(port)))

    def do_dhcp(self):
        network.LAN().ipconfig(dhcp4=True)

agent = Careless()
tcptrace.serve(True)
print("careless: ready")
while agent.running:
    command = tcptrace.command()
    if command is None:
        machine.idle()
    else:
        tcptrace.reply(command[0], agent.obey(command[1].split()))
tcptrace.serve(False)
"""


def careless(stage: Stage) -> None:
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


def program_ends(stage: Stage) -> None:
    """The program ends and leaves its sockets open; the board is at its prompt."""
    stage.board.agent.stop()
    stage.board.port.sync()


def soft_reset(stage: Stage) -> None:
    """Ctrl-D at the prompt: MicroPython starts anew and closes every socket there is."""
    stage.note("host", "Ctrl-D: a soft reset")
    stage.board.repl.start("pass", soft_reset=True)
    stage.board.repl.wait(STEP_S)
    stage.board.port.sync()
