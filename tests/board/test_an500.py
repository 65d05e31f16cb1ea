"""The same image on the other machine, and the other option profile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from board.helpers import Peer, wait_state
from lwipscope.board.agent import BoardOSError
from lwipscope.board.board_file import BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.firmware.selection import choose
from lwipscope.scenario.exchanges import EXCHANGES
from lwipscope.scenario.network import HOST_IP, Network
from lwipscope.scenario.play import play
from lwipscope.scenario.stage import Stage
from lwipscope.tcp.state import State
from lwipscope.trace.event import Segment
from lwipscope.trace.verdict import Verdict
from lwipscope.wire.keeper import Keeper

NewBoard = Callable[..., EmulatedBoard]


@pytest.mark.parametrize("name", ["server-closes-first-textbook"])
def test_an500_boots_the_same_image_and_plays(
    new_board: NewBoard, wire_keeper: Keeper, tmp_path: Path, name: str
) -> None:
    board = new_board(file=BoardFile.load("qemu-mps2-an500"))
    assert "mps2-an500" in Path(f"/proc/{board.pid}/cmdline").read_text().split("\0")
    scenario = next(s for s in EXCHANGES if s.name == name)
    played = play(scenario, board, wire_keeper, tmp_path)
    assert played.failure == ""
    assert played.verdict is Verdict.PASS, played.check.text


def test_rp2_profile_has_a_pico_ws_sizes(
    new_board: NewBoard, network_of: Callable[[EmulatedBoard], Network]
) -> None:
    """5 pcbs and MSS 800, said in hello, announced on the wire, and true."""
    board = new_board(image=choose("rp2"))
    fields = board.port.hello().fields
    wanted = {"profile": "rp2", "pcb": "5", "lpcb": "8", "mss": "800", "wnd": "6400"}
    assert {key: fields[key] for key in wanted} == wanted
    network = network_of(board)
    stage = Stage(board, network)
    listener = stage.board_listens(6666)
    peer = network.connect(6666)
    connection, _ = stage.board_accepts(listener)
    connection.close()
    far = network.listen(6667)
    client, conn = stage.board_connects(HOST_IP, 6667)
    stage.wait_state(State.ESTABLISHED, conn=conn)
    # RST, not FIN: the kernel would repeat a FIN into the life of the next test's board.
    far.accept().reset()
    peer.reset()
    board.port.sync()
    segments = [e for e in board.trace.events if isinstance(e, Segment)]
    announced = [e.mss for e in segments if e.direction == "tx" and "S" in e.flags]
    assert announced == [800, 800]
    client.close()
    sockets = []
    with pytest.raises(BoardOSError, match="ENOMEM"):
        for _ in range(6):
            sockets.append(board.agent.socket())
    assert len(sockets) <= 5
    assert board.trace.integrity.fault is None


def test_mss_1460_in_the_roomy_profile(stage: Stage, dial: Callable[[int], Peer]) -> None:
    stage.board_listens(6666)
    dial(6666)
    wait_state(stage.board, State.ESTABLISHED)
    segments = [e for e in stage.board.trace.events if isinstance(e, Segment)]
    assert [e.mss for e in segments if e.direction == "tx" and "S" in e.flags] == [1460]
