"""An agent on the board that does what the good one (firmware/agent) does not.

It leaves its sockets open when it ends, so that the soft reset has something to close, and it has
two verbs more: `bindto H IP PORT`, and `dhcp`, which makes the board ask for another address.
Called by the scenarios of this package; runs in the place of the stage's agent, whose client works
with it as before.
"""

from __future__ import annotations

from lwipscope.scenario.extended_agent import take_over
from lwipscope.scenario.stage import STEP_S, Stage

_VERBS = """
def do_bindto(self, name, ip, port):
    self.sockets[name].bind((ip, int(port)))

def do_dhcp(self):
    network.LAN().ipconfig(dhcp4=True)
"""


def careless(stage: Stage) -> None:
    """Let it take over from the stage's agent, which has no sockets yet."""
    take_over(stage, _VERBS)


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
