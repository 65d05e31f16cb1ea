"""What programs on the board can count on: time, sockets, select, asyncio, errno, the scripts."""

from __future__ import annotations

from collections.abc import Callable

from board.helpers import (
    SILENT_IP,
    WAIT_S,
    Peer,
    closed_events,
    run,
    silent_host,
    start,
    wait_output,
    wait_state,
)
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.scenario.network import HOST_IP, Network
from lwipscope.tcp.state import State
from lwipscope.trace.event import Call, Return

PORT = 6666
Dial = Callable[[int], Peer]


def test_lan_interface(board: EmulatedBoard) -> None:
    printed = run(
        board,
        """
        import network
        n = network.LAN()
        print(n.active(), n.isconnected(), n.status())
        print(n.ifconfig()[:3], n.ipconfig("addr4"), n.ipconfig("dhcp4"))
        print(n.config("mac").hex(":"))
        n.active(False)
        print(n.active(), n.isconnected())
        n.active(True)
        """,
    )
    assert printed.splitlines() == [
        "True True 3",
        "('192.0.2.10', '255.255.255.0', '192.0.2.1') ('192.0.2.10', '255.255.255.0') False",
        board.file.net.mac,
        "False False",
    ]


def test_time_passes_as_it_says(board: EmulatedBoard) -> None:
    """Sleeps are never short, and not longer than a busy host explains."""
    printed = run(
        board,
        """
        import time
        for ms in (1, 20, 100):
            t = time.ticks_us()
            time.sleep_ms(ms)
            print(time.ticks_diff(time.ticks_us(), t))
        t = time.ticks_us()
        time.sleep_us(500)
        print(time.ticks_diff(time.ticks_us(), t))
        a = time.ticks_ms(); time.sleep(0.05); print(time.ticks_diff(time.ticks_ms(), a) * 1000)
        """,
    )
    slept_us = [int(line) for line in printed.split()]
    for wanted_us, was_us in zip((1000, 20_000, 100_000, 500, 49_000), slept_us, strict=True):
        assert wanted_us <= was_us < wanted_us + 200_000


def test_errnos_have_names(board: EmulatedBoard, network: Network) -> None:
    """Each by what causes it, printed by name; numbers are MicroPython's own."""
    program = f"""
        import errno, socket
        def name(f, *args):
            try:
                f(*args)
            except OSError as error:
                return errno.errorcode[error.errno]
            return "ok"
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(1)
        t = socket.socket()
        print(name(t.bind, ("", 6666)), name(t.recv, 1), name(t.send, b"x"))
        print(name(t.connect, ("{HOST_IP}", 6999)))
        s.settimeout(0.05)
        print(name(s.accept))
        s.setblocking(False)
        print(name(s.accept))
        u = socket.socket()
        u.settimeout(0.05)
        print(name(u.connect, ("{SILENT_IP}", 1)))
        u.close()
        print(name(u.recv, 1))
        """
    assert network.whose_tcp  # somebody at HOST_IP refuses, with a TAP or without
    with silent_host(board.switch):
        printed = run(board, program).split()
    assert printed == [
        *("EADDRINUSE", "ENOTCONN", "ENOTCONN", "ECONNRESET"),
        *("ETIMEDOUT", "EAGAIN", "ETIMEDOUT", "EBADF"),
    ]
    told = [e.result for e in closed_events(board) if isinstance(e, Return) and e.errno]
    assert {"EADDRINUSE", "ENOTCONN", "ETIMEDOUT"} <= set(told)
    assert "EAGAIN" not in told


def test_settimeout_ends_a_recv(board: EmulatedBoard, dial: Dial) -> None:
    start(
        board,
        """
        import errno, socket, time
        s = socket.socket()
        s.bind(("", 6666))
        s.listen(1)
        print("listening")
        c, a = s.accept()
        c.settimeout(0.1)
        t = time.ticks_ms()
        try:
            c.recv(1)
        except OSError as error:
            print(errno.errorcode[error.errno], 100 <= time.ticks_diff(time.ticks_ms(), t) < 1000)
        """,
    )
    wait_output(board, b"listening")
    dial(PORT)
    assert board.repl.wait(WAIT_S).output.endswith(b"\r\nETIMEDOUT True\r\n")


def test_asyncio_echo_server(board: EmulatedBoard, dial: Dial) -> None:
    """Three peers at once; a ticker shows that the loop is never blocked."""
    start(
        board,
        """
        import asyncio
        ticks = 0
        async def tick():
            global ticks
            while True:
                await asyncio.sleep_ms(5)
                ticks += 1
        async def echo(reader, writer):
            while True:
                data = await reader.read(100)
                if not data:
                    break
                writer.write(data)
                await writer.drain()
            writer.close()
            await writer.wait_closed()
        async def main():
            asyncio.create_task(tick())
            server = await asyncio.start_server(echo, "0.0.0.0", 6666)
            print("listening")
            await server.wait_closed()
        try:
            asyncio.run(main())
        finally:
            print("ticks", ticks > 3)
        """,
    )
    wait_output(board, b"listening")
    peers = [dial(PORT) for _ in range(3)]
    for turn in range(5):
        for number, peer in enumerate(peers):
            text = b"peer %d turn %d" % (number, turn)
            peer.send(text)
            assert peer.recv(100) == text
    for peer in peers:
        peer.shutdown_write()
        assert peer.recv(1) == b""
    assert b"ticks True" in board.repl.interrupt().output


def test_agent_calls_are_told_as_they_are(board: EmulatedBoard, dial: Dial) -> None:
    board.agent.start()
    listener = board.agent.socket()
    listener.bind(PORT)
    listener.listen(3)
    peer = dial(PORT)
    conn = wait_state(board, State.ESTABLISHED)
    connection = listener.accept()
    assert connection.send(b"0123456789") == 10
    assert peer.recv(20) == b"0123456789"
    connection.close()
    calls = [(e.name, e.arg) for e in closed_events(board) if isinstance(e, Call)]
    assert calls == [
        *(("socket", ""), ("bind", "6666"), ("listen", "3"), ("accept", "")),
        *(("send", "10"), ("close", "")),
    ]
    assert [e.accepted for e in board.trace.events if isinstance(e, Return)] == [conn]
