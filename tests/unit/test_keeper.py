"""The keeper: a real namespace, a real TAP, and nothing left behind however it ends."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lwipscope.errors import DeadlineExceeded, PeerError, WireUnavailable
from lwipscope.wire.keeper import PIPE, STDOUT, Keeper, TapAddress
from lwipscope.wire.process import Process

# A program with a child, and a grandchild that has left the session; prints their pids.
FAMILY = ["sh", "-c", "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; echo $$; wait"]
HOST = Path(__file__).parents[2] / "host"
# A lwipscope process with programs inside and outside; prints all pids, then waits.
HOST_SCRIPT = f"""
import sys
from lwipscope.wire.keeper import PIPE, Keeper
keeper = Keeper.start()
pids = list(keeper.pids)
for inside in {{keeper.has_namespace, False}}:
    process = keeper.spawn({FAMILY!r}, stdout=PIPE, in_namespace=inside)
    while len(pids) % 3 != 2 or pids[-1] != process.pid:
        pids += map(int, process.read(4096, 5).split())
print(keeper.notes)
print(*pids, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    with Keeper.start() as keeper:
        if keeper.tap is None:
            pytest.skip("; ".join(keeper.notes))
        yield keeper


def family_of(process: Process) -> list[int]:
    text = b""
    while text.count(b"\n") < 3:
        text += process.read(4096, 5)
    return [int(word) for word in text.split()]


class Watch:
    """Process descriptors: they tell of an end even if the number is used again."""

    def __init__(self, pids: list[int]) -> None:
        self.fds = {os.pidfd_open(pid): pid for pid in pids}

    def survivors(self, timeout_s: float = 5.0) -> list[int]:
        left = dict(self.fds)
        for fd in list(left):
            if select.select([fd], [], [], timeout_s)[0]:
                del left[fd]
        for fd in self.fds:
            os.close(fd)
        return list(left.values())


def output_of(process: Process) -> str:
    data = b""
    while piece := process.read(65536, 5):
        data += piece
    assert process.wait(5) == 0
    process.close()
    return data.decode()


def test_namespace_is_entered_and_has_only_lo_and_the_tap(keeper: Keeper) -> None:
    links = {os.readlink(f"/proc/{pid}/ns/net") for pid in (os.getpid(), *keeper.pids)}  # noqa: PTH115
    assert len(links) == 2
    table = output_of(keeper.spawn(["cat", "/proc/self/net/dev"], stdout=PIPE))
    names = {line.split(":")[0].strip() for line in table.splitlines()[2:]}
    assert names == {"lo", "lwip0"}
    assert "namespace: own network namespace" in keeper.notes[0]


def test_outside_programs_see_the_machines_network(keeper: Keeper) -> None:
    outside = output_of(
        keeper.spawn(["readlink", "/proc/self/ns/net"], stdout=PIPE, in_namespace=False)
    )
    assert outside.strip() == os.readlink("/proc/self/ns/net")  # noqa: PTH115


def test_tap_is_silent_and_then_carries_the_kernels_arp(keeper: Keeper) -> None:
    assert keeper.tap is not None
    poll = select.poll()
    poll.register(keeper.tap.fd, select.POLLIN)
    # Longer than the kernel needs for DAD and MLD, if IPv6 were on.
    assert not poll.poll(1200)
    with keeper.socket() as sock:
        sock.setblocking(False)
        sock.connect_ex(("192.0.2.10", 6666))
        assert poll.poll(2000)
        frame = os.read(keeper.tap.fd, 2048)
    ours = bytes.fromhex("026c77000001")
    assert frame[:14] == b"\xff" * 6 + ours + b"\x08\x06"
    assert frame[20:42] == (
        b"\0\x01" + ours + socket.inet_aton("192.0.2.1") + bytes(6) + socket.inet_aton("192.0.2.10")
    )


def test_a_second_tap_with_its_own_address(keeper: Keeper) -> None:
    fd = keeper.open_tap("second0", "198.51.100.1", 24, "02:6c:77:00:00:02")
    try:
        assert not os.get_blocking(fd)
        assert not os.get_inheritable(fd)
        assert "second0" in keeper.proc_net("dev")
    finally:
        os.close(fd)


def test_close_ends_programs_children_and_runaways() -> None:
    with Keeper.start() as keeper:
        pids = list(keeper.pids)
        processes = []
        for inside in {keeper.has_namespace, False}:
            processes.append(keeper.spawn(FAMILY, stdout=PIPE, in_namespace=inside))
            pids += family_of(processes[-1])
        watch = Watch(pids)
    assert watch.survivors() == []
    for process in processes:
        assert process.returncode == -signal.SIGKILL
        process.close()
    keeper.close()
    with pytest.raises(WireUnavailable):
        keeper.spawn(["true"], in_namespace=False)


def start_host() -> tuple[subprocess.Popen[str], list[int]]:
    host = subprocess.Popen(
        [sys.executable, "-c", HOST_SCRIPT],
        env={**os.environ, "PYTHONPATH": str(HOST)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert host.stdout is not None
    host.stdout.readline()
    return host, [int(word) for word in host.stdout.readline().split()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_survives_the_death_of_the_host_process(number: signal.Signals) -> None:
    host, pids = start_host()
    with host:
        watch = Watch(pids)
        assert len(pids) >= 4
        host.send_signal(number)
        assert watch.survivors() == []


def test_nothing_survives_although_a_fork_of_the_host_holds_the_sockets() -> None:
    script = HOST_SCRIPT.replace("keeper.notes)\n", "keeper.notes)\nimport os\n", 1).replace(
        "sys.stdin.read()", "os.fork() or os.close(1)\nsys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(HOST)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdout is not None
        host.stdout.readline()
        watch = Watch([int(word) for word in host.stdout.readline().split()])
        host.kill()
        assert watch.survivors() == []


@pytest.mark.parametrize("half", [0, 1])
def test_nothing_survives_the_death_of_the_keeper(keeper: Keeper, half: int) -> None:
    inside = keeper.spawn(FAMILY, stdout=PIPE)
    outside = keeper.spawn(["sleep", "1000"], in_namespace=False)
    watch = Watch([*keeper.pids, *family_of(inside), outside.pid])
    os.kill(keeper.pids[half], signal.SIGKILL)
    assert watch.survivors() == []
    assert inside.wait(5) == outside.wait(5) == -signal.SIGKILL
    assert not keeper.alive()
    inside.close()
    with pytest.raises(WireUnavailable, match=r"ended|gone"):
        keeper.socket()


def test_keeper_outlives_the_thread_that_started_it() -> None:
    started: list[Keeper] = []
    thread = threading.Thread(target=lambda: started.append(Keeper.start()))
    thread.start()
    thread.join()
    with started[0] as keeper:
        # PR_SET_PDEATHSIG fires at the end of that thread; a later answer proves it was ignored.
        with keeper.spawn(["true"], in_namespace=False) as process:
            assert process.wait(5) == 0
        assert keeper.alive()


def test_exit_codes_signals_and_deadlines() -> None:
    with Keeper.start("none") as keeper:
        with keeper.spawn(["sh", "-c", "exit 7"], in_namespace=False) as process:
            assert process.wait(5) == 7
            process.kill()
        with keeper.spawn(["sleep", "1000"], in_namespace=False) as process:
            with pytest.raises(DeadlineExceeded, match="sleep"):
                process.wait(0.01)
            assert process.returncode is None
            process.kill(signal.SIGTERM)
            assert process.wait(5) == -signal.SIGTERM


def test_what_cannot_be_started_is_named(tmp_path: Path) -> None:
    with Keeper.start("none") as keeper:
        with pytest.raises(WireUnavailable, match="no-such-program: No such file"):
            keeper.spawn(["no-such-program"], in_namespace=False, stdin=PIPE)
        with pytest.raises(WireUnavailable, match="nowhere: No such file"):
            keeper.spawn(["true"], in_namespace=False, cwd=tmp_path / "nowhere")


def test_pipes_environment_folder_and_merged_errors(tmp_path: Path) -> None:
    with Keeper.start("none") as keeper:
        process = keeper.spawn(
            ["sh", "-c", 'echo "$WORD" >&2; pwd; cat; test -z "$HOME"'],
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            env={"WORD": "gr\u00fc\u00dfe", "PATH": os.environ["PATH"]},
            cwd=tmp_path,
            in_namespace=False,
        )
        process.write(b"typed", 5)
        process.close_stdin()
        assert output_of(process) == f"gr\u00fc\u00dfe\n{tmp_path}\ntyped"
        with pytest.raises(PeerError, match="not open"):
            process.read(1, 0)


def test_a_program_that_does_not_read_its_input_is_noticed() -> None:
    with Keeper.start("none") as keeper:
        with keeper.spawn(["sleep", "1000"], stdin=PIPE, in_namespace=False) as process:
            with pytest.raises(DeadlineExceeded, match="not read from its stdin"):
                process.write(bytes(300_000), 0.01)
            process.kill()
            process.wait(5)
            with pytest.raises(PeerError, match="closed its stdin"):
                process.write(b"x", 5)


def test_descriptors_keep_their_numbers_and_nothing_else_leaks() -> None:
    with Keeper.start("none") as keeper:
        read_end, write_end = os.pipe()
        listing = "print(*os.listdir('/proc/self/fd'))"
        try:
            process = keeper.spawn(
                [sys.executable, "-c", f"import os; os.write({write_end}, b'passed')\n{listing}"],
                stdout=PIPE,
                pass_fds=[write_end],
                in_namespace=False,
            )
            # listdir opens one of its own.
            listed = {int(word) for word in output_of(process).split()}
            assert {0, 1, 2, write_end} < listed
            assert len(listed) == 5
            assert os.read(read_end, 100) == b"passed"
        finally:
            os.close(read_end)
            os.close(write_end)


def test_sessions_own_by_default_shared_for_a_terminal() -> None:
    with Keeper.start("none") as keeper:
        own = keeper.spawn(["sleep", "1000"], in_namespace=False)
        shared = keeper.spawn(["sleep", "1000"], in_namespace=False, new_session=False)
        assert os.getsid(own.pid) == own.pid
        assert os.getsid(shared.pid) == os.getsid(0)
        assert os.getpgid(shared.pid) == os.getpgid(0)
        shared.kill()
        assert shared.wait(5) == -signal.SIGKILL


def test_ctrl_c_reaches_neither_keeper_nor_programs_but_default_action_is_restored() -> None:
    with Keeper.start("none") as keeper:
        os.kill(keeper.pids[0], signal.SIGINT)
        with keeper.spawn(["sleep", "1000"], in_namespace=False) as process:
            process.kill(signal.SIGINT)
            assert process.wait(5) == -signal.SIGINT


def test_many_threads_share_one_keeper() -> None:
    with Keeper.start("none") as keeper:
        codes: list[int] = []

        def work(base: int) -> None:
            for number in range(10):
                argv = ["sh", "-c", f"exit {base + number}"]
                with keeper.spawn(argv, in_namespace=False) as process:
                    codes.append(process.wait(20))

        threads = [threading.Thread(target=work, args=(10 * n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(codes) == list(range(60))


def test_close_wakes_a_thread_that_waits() -> None:
    keeper = Keeper.start("none")
    process = keeper.spawn(["sleep", "1000"], in_namespace=False)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(process.wait(30)))
    thread.start()
    keeper.close()
    thread.join(10)
    assert codes == [-signal.SIGKILL]


def test_without_namespace_no_socket_of_the_machine_is_given() -> None:
    with Keeper.start("none") as keeper:
        assert keeper.notes == ("no namespace: not asked for",)
        for attempt in (keeper.socket, keeper.proc_net, lambda: keeper.spawn(["true"])):
            with pytest.raises(WireUnavailable, match="no network namespace"):
                attempt()


def test_require_says_what_is_missing(keeper: Keeper) -> None:
    assert keeper.tap is not None
    impossible = TapAddress(name="lo")
    with Keeper.start(tap=impossible) as degraded:
        assert degraded.has_namespace
        assert degraded.tap is None
        assert "no TAP: TUNSETIFF lo" in degraded.notes[1]
    with pytest.raises(WireUnavailable, match=r"no TAP: TUNSETIFF lo.*was required"):
        Keeper.start("require", tap=impossible)


def test_a_plain_user_gets_a_user_namespace() -> None:
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if os.geteuid() != 0 or python is None:
        pytest.skip("needs root, to become somebody else, and a Python that all may run")
    script = HOST_SCRIPT.replace("import sys", "import sys; sys.dont_write_bytecode = True", 1)
    with subprocess.Popen(
        [python, "-c", script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(HOST)},
        cwd="/",
        user=65534,
        group=65534,
        extra_groups=[],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdout is not None
        notes = host.stdout.readline()
        if "user namespace" not in notes or "no user namespace" in notes:
            host.kill()
            pytest.skip(f"not on this machine: {notes}")
        watch = Watch([int(word) for word in host.stdout.readline().split()])
        host.kill()
        assert watch.survivors() == []
