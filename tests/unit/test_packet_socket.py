"""The packet socket wire: its filter and checksums alone, then a raw peer over a veth pair.

Two namespaces of our own: the keeper's has one end of the pair and our packet socket; a program
inside another has the other end, where the kernel's TCP plays the board. Skipped, with the reason,
where such namespaces can't be made.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.errors import UsageError, WireUnavailable
from lwipscope.peer.endpoint import Endpoint
from lwipscope.peer.raw import RawPeer
from lwipscope.tcp.state import State
from lwipscope.wire.keeper import PIPE, STDOUT, Keeper
from lwipscope.wire.onlooker import Onlooker
from lwipscope.wire.packet import ACK, TcpSegment, build_tcp, mac_bytes, parse_frame
from lwipscope.wire.packet_filter import program
from lwipscope.wire.packet_line import complete_checksum
from lwipscope.wire.packet_socket import PacketWire
from lwipscope.wire.process import Process

TIMEOUT_S = 10.0
NEAR_IP, FAR_IP, SPARE_IP, PORT = "192.0.2.1", "192.0.2.10", "192.0.2.100", 6666
FAR_MAC = "02:6c:77:00:00:0a"
# The far end: its own address, and a server that sends back what it gets, two connections long.
FAR_PROGRAM = f"""
import socket, subprocess, sys
print("ready", flush=True)
sys.stdin.readline()
for command in ("address {FAR_MAC}", "up"):
    subprocess.run(["ip", "link", "set", "lwb", *command.split()], check=True)
subprocess.run(["ip", "addr", "add", "{FAR_IP}/24", "dev", "lwb"], check=True)
server = socket.create_server(("{FAR_IP}", {PORT}))
print("serving", flush=True)
while True:
    connection, _ = server.accept()
    with connection:
        while data := connection.recv(65536):
            connection.sendall(data)
    print("closed", flush=True)
"""


def read_line(process: Process, wanted: bytes) -> None:
    got = b""
    while not got.endswith(b"\n"):
        piece = process.read(100, TIMEOUT_S)
        assert piece, f"the far end ended: {got!r}"
        got += piece
    assert got == wanted + b"\n"


def run_ip(keeper: Keeper, command: str) -> str:
    """`ip COMMAND` in the keeper's namespace: what it complained about."""
    argv = ["ip", *command.split()]
    with keeper.spawn(argv, stdout=PIPE, stderr=STDOUT) as process:
        said = process.read(4096, TIMEOUT_S)
        return "" if process.wait(TIMEOUT_S) == 0 else f"`{' '.join(argv)}`: {said.decode()}"


class Bench:
    """The near namespace, and the program in the far one."""

    def __init__(self, keeper: Keeper, far: Process) -> None:
        self.keeper = keeper
        self.far = far

    def open(self, *candidates: str) -> PacketWire:
        return PacketWire.open(
            "lwa", candidates, make_socket=self.keeper.socket, probes=2, probe_wait_s=0.05
        )


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    missing = [tool for tool in ("ip", "unshare") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"no {' and no '.join(missing)} on this machine")
    with Keeper.start("auto", tap=None) as keeper:
        if not keeper.has_namespace:
            pytest.skip(f"no namespace: {'; '.join(keeper.notes)}")
        argv = ["unshare", "--net", sys.executable, "-I", "-c", FAR_PROGRAM]
        with keeper.spawn(argv, stdin=PIPE, stdout=PIPE) as far:
            read_line(far, b"ready")
            for command in (
                "link add lwa type veth peer name lwb",
                f"link set lwb netns {far.pid}",
                f"addr add {NEAR_IP}/24 dev lwa",
                "link set lwa up",
            ):
                complaint = run_ip(keeper, command)
                if complaint:
                    pytest.skip(f"no veth pair: {complaint}")
            far.write(b"go\n", TIMEOUT_S)
            read_line(far, b"serving")
            yield Bench(keeper, far)


def test_a_raw_peer_on_a_spare_address(bench: Bench) -> None:
    """The kernel at the far end takes it for a host; ours does not disturb it."""
    seen: list[tuple[str, str]] = []

    def watch(_at_s: float, origin: str, data: bytes) -> None:
        tcp = parse_frame(data).tcp
        if tcp is not None:
            seen.append((origin, tcp.flags_text()))

    with bench.open(SPARE_IP) as wire, RawPeer(wire, ip=wire.ip, mac=wire.mac, name="raw") as peer:
        wire.on_frame(watch)
        conn = peer.connection(40000, FAR_IP, PORT)
        conn.handshake()
        conn.send("P.", b"over a real interface")
        conn.expect(".", ack=22, length=0)
        conn.expect("P.", payload=b"over a real interface")
        conn.send(".")
        conn.send("R", seq=0x100000)
        conn.expect_nothing()
        conn.send("F.")
        conn.expect("F.", ack=23)
        conn.send(".")
        read_line(bench.far, b"closed")
        conn.expect_nothing()
        assert wire.first_failure is None
    assert ("wire", "R") not in seen
    assert [flags for origin, flags in seen if origin == "raw"] == [
        "S",
        ".",
        "P.",
        ".",
        "R",
        "F.",
        ".",
    ]


def test_our_own_tcp_runs_on_it_beside_the_kernels(bench: Bench) -> None:
    """Two conversations through one interface: neither sees the other."""
    with bench.open(SPARE_IP) as wire, Endpoint(wire, ip=wire.ip, mac=wire.mac) as endpoint:
        ports: set[int] = set()

        def watch(_at_s: float, _origin: str, data: bytes) -> None:
            tcp = parse_frame(data).layer
            if isinstance(tcp, TcpSegment):
                ports.update((tcp.sport, tcp.dport))

        wire.on_frame(watch)
        with bench.keeper.socket() as kernel:
            kernel.settimeout(TIMEOUT_S)
            kernel.connect((FAR_IP, PORT))
            kernel.sendall(b"kernel")
            assert kernel.recv(100) == b"kernel"
            local_port = kernel.getsockname()[1]
        read_line(bench.far, b"closed")
        stream = endpoint.connect(FAR_IP, PORT)
        data = bytes(range(256)) * 200
        stream.send(data)
        got = b""
        while len(got) < len(data):
            got += stream.recv(65536)
        assert got == data
        stream.close()
        stream.wait_state(State.TIME_WAIT)
        read_line(bench.far, b"closed")
        assert ports == {PORT, stream.local[1]}
        assert local_port not in ports
        assert wire.first_failure is None


def test_an_onlooker_sees_both_ways_and_all_of_ours(bench: Bench) -> None:
    """The kernel's and the raw peer's segments, with whole checksums; not what others exchange."""
    seen: list[tuple[str, str, TcpSegment | None]] = []

    def watch(_at_s: float, origin: str, data: bytes) -> None:
        parsed = parse_frame(data)
        layer = parsed.layer
        other = layer.src if isinstance(layer, TcpSegment) and origin == "lwa" else ""
        seen.append((origin, other, parsed.tcp))

    with (
        bench.open(SPARE_IP) as wire,
        RawPeer(wire, ip=wire.ip, mac=wire.mac, name="raw") as peer,
        Onlooker.open("lwa", FAR_IP, bench.keeper.socket) as onlooker,
    ):
        stop = onlooker.on_frame(watch)
        with bench.keeper.socket() as kernel:
            kernel.settimeout(TIMEOUT_S)
            kernel.connect((FAR_IP, PORT))
            kernel.sendall(b"kernel")
            assert kernel.recv(100) == b"kernel"
        read_line(bench.far, b"closed")
        conn = peer.connection(40001, FAR_IP, PORT)
        conn.handshake()
        conn.send("F.")
        conn.expect("F.", ack=2)
        conn.send(".")
        read_line(bench.far, b"closed")
        stop()
        told = len(seen)
        conn.send("R.")
        onlooker.catch_up()
        assert len(seen) == told, "it did not stop"
        assert (onlooker.dropped, onlooker.first_failure) == (0, None)
    segments = [(origin, other, tcp) for origin, other, tcp in seen if tcp is not None]
    for who in (NEAR_IP, SPARE_IP):
        ours = [t.flags_text() for origin, other, t in segments if (origin, other) == ("lwa", who)]
        assert ours[0] == "S", who
    answers = [t.dst for origin, _, t in segments if origin == "board" and t.flags_text() == "S."]
    assert answers == [NEAR_IP, SPARE_IP]
    assert b"kernel" in [t.payload for origin, _, t in segments if origin == "board"]
    with Onlooker.open("lwa", "192.0.2.77", bench.keeper.socket) as onlooker:
        seen.clear()
        onlooker.on_frame(watch)
        with bench.keeper.socket() as kernel:
            kernel.settimeout(TIMEOUT_S)
            kernel.connect((FAR_IP, PORT))
        read_line(bench.far, b"closed")
        onlooker.catch_up()
        assert seen == []


def test_an_address_that_somebody_has(bench: Bench) -> None:
    with pytest.raises(WireUnavailable, match=f"{FAR_IP} belongs to {FAR_MAC}"):
        bench.open(FAR_IP)
    with pytest.raises(WireUnavailable, match=f"{NEAR_IP} belongs to this machine"):
        bench.open(NEAR_IP)
    with bench.open(NEAR_IP, FAR_IP, SPARE_IP) as wire:
        assert wire.ip == SPARE_IP
        with pytest.raises(UsageError, match="own MAC"):
            RawPeer(wire, ip=wire.ip)


def test_an_interface_that_is_none(bench: Bench) -> None:
    for name, why in (("lwx9", "no interface lwx9"), ("lo", "lo is no Ethernet")):
        with pytest.raises(WireUnavailable, match=why):
            PacketWire.open(name, SPARE_IP, make_socket=bench.keeper.socket)
    with pytest.raises(UsageError, match="candidate"):
        bench.open()


def test_without_privileges() -> None:
    def refuse(*_args: int) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    with pytest.raises(WireUnavailable, match="CAP_NET_RAW"):
        PacketWire.open("lwa", SPARE_IP, make_socket=refuse)


def run_filter(code: bytes, frame: bytes, kind: int = 0) -> bool:
    """What the kernel does with such a program (Documentation/networking/filter.rst)."""
    at, value = 0, 0
    while True:
        operation = int.from_bytes(code[8 * at : 8 * at + 2], sys.byteorder)
        true, false = code[8 * at + 2], code[8 * at + 3]
        k = int.from_bytes(code[8 * at + 4 : 8 * at + 8], sys.byteorder)
        at += 1
        if operation == 0x06:
            return k > 0
        if operation == 0x15:
            at += true if value == k else false
        elif k == 0xFFFFF004:
            value = kind
        else:
            size = {0x20: 4, 0x28: 2}[operation]
            if k + size > len(frame):
                return False
            value = int.from_bytes(frame[k : k + size], "big")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_filter(count: int) -> None:
    addresses = [f"192.0.2.{100 + number}" for number in range(count)]
    code = program(addresses)

    def to(ip: str) -> bytes:
        return build_tcp(TcpSegment(FAR_IP, ip, 1, 2), src_mac=bytes(6), dst_mac=bytes(6))

    assert all(run_filter(code, to(address)) for address in addresses)
    assert not run_filter(code, to(NEAR_IP))
    assert not any(run_filter(code, to(address), kind=4) for address in addresses)
    assert run_filter(code, bytes(12) + b"\x08\x06" + bytes(28))
    assert not run_filter(code, bytes(12) + b"\x86\xdd" + bytes(60))
    assert not run_filter(code, b"short")


@given(st.binary(max_size=64), st.integers(0, 0xFFFF), st.integers(0, 40))
def test_checksums_are_completed(payload: bytes, wrong: int, padding: int) -> None:
    segment = TcpSegment(FAR_IP, SPARE_IP, 1, 2, flags=ACK, payload=payload)
    right = build_tcp(segment, src_mac=bytes(6), dst_mac=mac_bytes(FAR_MAC)) + bytes(padding)
    spoiled = right[:50] + wrong.to_bytes(2, "big") + right[52:]
    done = parse_frame(complete_checksum(spoiled))
    assert (done.problem, done.layer) == (None, segment)


@given(st.binary(max_size=80))
def test_completing_never_fails(data: bytes) -> None:
    for frame in (data, bytes(12) + b"\x08\x00" + data):
        assert len(complete_checksum(frame)) == len(frame)


def test_no_test_leaves_an_interface_on_this_machine() -> None:
    if shutil.which("ip") is None:
        pytest.skip("no ip on this machine")
    shown = subprocess.run(["ip", "link"], capture_output=True, text=True, timeout=10, check=True)
    assert "lwa" not in shown.stdout
