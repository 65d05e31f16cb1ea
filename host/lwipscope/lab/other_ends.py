"""The states of the other ends of a life's connections, deduced from their segments."""

from __future__ import annotations

from lwipscope.runfile.model import RunLife
from lwipscope.runfile.peer_track import peer_track


def peer_states(life: RunLife | None) -> dict[int, str]:
    """The state of the other end of each connection of a life."""
    found = {}
    for connection in life.connections if life is not None else ():
        steps = peer_track(life, connection) if life is not None else []
        if steps:
            found[connection.id] = str(steps[-1].state)
    return found
