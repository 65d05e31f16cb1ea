"""What more than one of the myths' plays begins with: a server that has left TIME_WAIT behind."""

from __future__ import annotations

from lwipscope.peer.raw import RawPeer
from lwipscope.scenario.pair import PORT, accepted, knocking
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State


def leaves_time_wait(stage: Stage) -> RawPeer:
    """A server that has closed its connection first, and then its listener: its client."""
    listener = stage.board_listens(PORT)
    raw, peer = knocking(stage)
    raw.handshake()
    pair = accepted(stage, raw, listener)
    pair.socket.close()
    raw.expect("F.", seq=1)
    raw.send("F.")
    raw.expect(".", seq=2, ack=2)
    pair.insist(State.TIME_WAIT)
    listener.close()
    return peer
