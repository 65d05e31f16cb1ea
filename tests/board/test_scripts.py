"""The scripts for people, unchanged: by our REPL client and by mpremote."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from board.helpers import WAIT_S, Peer, the_one, wait_output
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.paths import cache_dir, share_dir
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


# A board without the tracer, in front of the unchanged script: the import fails as it does there.
WITHOUT_TRACER = """
import builtins
def hide(real):
    def load(name, *rest):
        if name == "tcptrace":
            raise ImportError("no module named 'tcptrace'")
        return real(name, *rest)
    return load
builtins.__import__ = hide(builtins.__import__)
"""
# A board with Wi-Fi that is up, or down, and an Ethernet class without hardware behind it.
WITH_WIFI = """
import network
class WLAN:
    def __init__(self, which):
        assert which == 0
    def isconnected(self):
        return {connected}
    def ifconfig(self):
        return ("192.0.2.10", "255.255.255.0", "192.0.2.1", "192.0.2.1")
class Network:
    STA_IF = 0
    WLAN = WLAN
    def LAN(self):
        raise TypeError("phy_addr needed")
import sys
sys.modules["network"] = Network()
"""


def inferred(printed: bytes) -> list[str]:
    """Who and which path, of the lines marked so."""
    lines = printed.decode().splitlines()
    return [
        line.split(" ms  ", 1)[1].split("  (inferred from calls")[0]
        for line in lines
        if "(inferred from calls: " in line
    ]


def test_server_script_without_tracer(board: EmulatedBoard, dial: Dial) -> None:
    """States are marked as inferred, and each of them was really passed, in that order."""
    board.repl.start(WITHOUT_TRACER + (SCRIPTS / "tcp_server.py").read_text())
    wait_output(board, b"listening on 192.0.2.10 port 6666")
    peer = dial(PORT)
    wait_output(board, b"SYN_RCVD > ESTABLISHED")
    peer.send(b"hello\n")
    assert peer.recv(10) == b"hello\n"
    peer.close()
    wait_output(board, b"what follows no call shows")
    end = board.repl.interrupt()
    assert end.error == ""
    told = [line.split("  ", 1) for line in inferred(end.output)]
    assert [path for who, path in told if who == "listener"] == [
        "CLOSED > LISTEN",
        "LISTEN > CLOSED",
    ]
    assert [path for who, path in told if who != "listener"] == [
        *("SYN_RCVD > ESTABLISHED", "ESTABLISHED > CLOSE_WAIT", "...")
    ]
    truth = path_text(the_one(board).path)
    for who, path in told:
        assert who == "listener" or path == "..." or path in truth


def test_client_script_without_tracer(board: EmulatedBoard, network: Network) -> None:
    listener = network.listen(PORT)
    board.repl.start(WITHOUT_TRACER + (SCRIPTS / "tcp_client.py").read_text())
    peer = listener.accept()
    assert peer.recv(100) == b"hello from the board\n"
    peer.close()
    end = board.repl.wait(WAIT_S)
    assert end.error == ""
    assert inferred(end.output) == [
        *("SYN_SENT > [SYN_RCVD >] ESTABLISHED", "ESTABLISHED > CLOSE_WAIT", "...")
    ]
    truth = path_text(the_one(board).path)
    assert "SYN_SENT > ESTABLISHED > CLOSE_WAIT" in truth


def test_client_script_refused_without_tracer(board: EmulatedBoard, network: Network) -> None:
    """Nobody listens: the RST is all that there is to infer from."""
    del network
    board.repl.start(WITHOUT_TRACER + (SCRIPTS / "tcp_client.py").read_text())
    end = board.repl.wait(WAIT_S)
    assert end.error == ""
    assert b"the connection failed: errno" in end.output
    assert inferred(end.output) == ["SYN_SENT > CLOSED"]
    assert path_text(the_one(board).path) == "SYN_SENT > CLOSED"


@pytest.mark.parametrize("connected", [True, False])
def test_server_script_uses_the_wifi_link_that_is_up(board: EmulatedBoard, connected: bool) -> None:
    """A fake `network` module, as this board has no Wi-Fi: shaped as on ESP32."""
    wifi = WITH_WIFI.format(connected=connected)
    board.repl.start(wifi + WITHOUT_TRACER + (SCRIPTS / "tcp_server.py").read_text())
    wait_output(board, b"listening on %s port" % (b"192.0.2.10" if connected else b"0.0.0.0"))
    end = board.repl.interrupt()
    assert end.error == ""
    assert (b"no interface is connected" in end.output) is not connected


@pytest.mark.parametrize("machine", ["armv6m", "rv32imc", "xtensawin"])
@pytest.mark.parametrize("script", ["tcp_server.py", "tcp_client.py"])
def test_scripts_compile_for_other_machines(script: str, machine: str, tmp_path: Path) -> None:
    """By MicroPython's own compiler, from the build."""
    crosses = sorted((cache_dir() / "tools").glob("mpy-cross-????????????"))
    if not crosses:
        pytest.skip("no mpy-cross in the cache: lwipscope firmware build makes it")
    out = tmp_path / "out.mpy"
    command = [str(crosses[0]), f"-march={machine}", "-o", str(out), str(SCRIPTS / script)]
    subprocess.run(command, check=True, timeout=60)
    assert out.stat().st_size > 100
