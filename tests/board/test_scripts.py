"""The scripts for people, unchanged: by our REPL client and by mpremote."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from board.helpers import WAIT_S, Peer, the_one, wait_output
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.paths import share_dir
from lwipscope.scenario.network import Network
from lwipscope.tcp.path import path_text
from lwipscope.tcp.state import State

PORT = 6666
Dial = Callable[[int], Peer]
SCRIPTS = share_dir("firmware") / "scripts"


@pytest.mark.parametrize("stream", ["all", "off"])
def test_server_script(board: EmulatedBoard, dial: Dial, stream: str) -> None:
    """The script as a person runs it. It prints states where nobody else shows them."""
    board.port.request("stream", stream)
    board.repl.start((SCRIPTS / "tcp_server.py").read_text())
    wait_output(board, b"listening on 192.0.2.10 port 6666")
    peer = dial(PORT)
    wait_output(board, b"connection from")
    peer.send(b"hello\n")
    assert peer.recv(10) == b"hello\n"
    peer.close()
    wait_output(board, b"the peer has closed; closing too")
    end = board.repl.interrupt()
    assert end.error == ""
    printed = end.output.decode()
    assert "received b'hello\\n'" in printed
    assert "stopped" in printed
    shown: dict[str, list[str]] = {}
    for line in printed.splitlines():
        if " ms  c" in line:
            _, _, conn, _, _, after, *_ = line.split()
            shown.setdefault(conn, []).append(after)
    if stream == "off":
        path = ["SYN_RCVD", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSED"]
        assert list(shown.values()) == [["LISTEN", "CLOSED"], path]
    else:
        assert shown == {}
    assert path_text(the_one(board).path).endswith("CLOSE_WAIT > LAST_ACK > CLOSED")


def test_client_script(board: EmulatedBoard, network: Network) -> None:
    listener = network.listen(PORT)
    board.repl.start((SCRIPTS / "tcp_client.py").read_text())
    peer = listener.accept()
    assert peer.recv(100) == b"hello from the board\n"
    peer.send(b"good day\n")
    wait_output(board, b"received b'good day\\n'")
    peer.close()
    end = board.repl.wait(WAIT_S)
    assert end.error == ""
    assert b"the peer has closed; closing too" in end.output
    assert the_one(board).path[0] is State.SYN_SENT


@pytest.mark.evidence_spoiled("mpremote has the line")
def test_scripts_by_mpremote(
    new_board: Callable[..., EmulatedBoard], network_of: Callable[[EmulatedBoard], Network]
) -> None:
    """`mpremote run tcp_client.py`, word for word as its first lines say."""
    board = new_board()
    board.port.stream("off")
    listener = network_of(board).listen(PORT)
    device = board.release_line()
    client = subprocess.Popen(
        [
            *(sys.executable, "-m", "mpremote", "connect", device),
            *("run", str(SCRIPTS / "tcp_client.py")),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        peer = listener.accept()
        assert peer.recv(100) == b"hello from the board\n"
        peer.close()
        printed, _ = client.communicate(timeout=WAIT_S)
    finally:
        client.kill()
        client.wait()
    assert client.returncode == 0
    for state in ("SYN_SENT", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSED"):
        assert f"> {state}".encode() in printed
