"""An agent on the board with two verbs more: `setopt H NUMBER` and `threads`.

It takes over from the stage's agent, whose client works with it as before. Called by plays of
myths; the reset before the next play ends it.
"""

from __future__ import annotations

from lwipscope.scenario.extended_agent import take_over
from lwipscope.scenario.stage import Stage

_VERBS = """
def do_setopt(self, name, number):
    self.sockets[name].setsockopt(socket.SOL_SOCKET, int(number), 1)

def do_threads(self):
    try:
        import _thread
        return "some"
    except ImportError:
        return "none"
"""


def with_options(stage: Stage) -> None:
    """Let it take over from the stage's agent, which has no sockets yet."""
    take_over(stage, _VERBS)
