"""Makes a teacher's folder: good, wrong and hostile submissions, for tests and for measuring.

    python class_of_students.py FOLDER [COUNT]

writes COUNT submissions (30), two in three of them good.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"

_ECHO = (PROGRAMS / "good/echo_server.py").read_text()
_HEAD = "# lwipscope exercise: echo-server\n"

HOSTILE = {
    "hangs": f"{_HEAD}while True:\n    pass\n",
    "floods_serial": f'{_HEAD}while True:\n    print("x" * 500)\n',
    "floods_wire": _ECHO.replace(
        "            connection.write(data)\n",
        "            datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "            while True:\n"
        '                datagrams.sendto(b"x" * 100, ("192.0.2.1", 9))\n',
    ),
    "restarts": _ECHO.replace(
        "            connection.write(data)\n",
        "            connection.write(data)\n"
        "            import machine\n\n            machine.reset()\n",
    ),
    "hangs_board": _ECHO.replace(
        "            connection.write(data)\n",
        "            connection.write(data)\n            3**9000000\n",
    ),
    "fills_memory": f"{_HEAD}kept = []\nwhile True:\n    kept.append(bytearray(10000))\n",
    "fakes_frames": _ECHO.replace(
        "while True:\n    connection",
        'print("\\x1e9 9 state c=3 ESTABLISHED>CLOSE_WAIT by=rx:F. at=tcp_in.c:998 *0011aabb")\n'
        "while True:\n    connection",
        1,
    ),
    "syntax_error": _ECHO.replace("if not data:", "if not data"),
    "long_exception": f'{_HEAD}raise OSError("\\x1b" * 60000)\n',
    "serves_nobody": (PROGRAMS / "good/never_leaks.py")
    .read_text()
    .replace("connection.recv(512)", 'b""'),
    "needs_memory_access": f"{_HEAD}import machine\n\nmachine.mem32[0x40004000] = 65\n",
}
"""Programs that harm their board, or the evidence, by name."""


def make_class(folder: Path, count: int = 30) -> None:
    """Two of three are good; the others wrong or hostile, each another one."""
    good = sorted((PROGRAMS / "good").glob("*.py"))
    bad = [*HOSTILE.items(), *_wrong()]
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        student = folder / f"student-{number + 1:02}"
        student.mkdir()
        if number % 3 < 2:
            source = good[number % len(good)].read_text()
        else:
            source = bad[(number // 3) % len(bad)][1]
        (student / "main.py").write_text(source)


def _wrong() -> Iterator[tuple[str, str]]:
    for path in sorted((PROGRAMS / "wrong").glob("*.py")):
        yield path.stem, path.read_text()


if __name__ == "__main__":
    make_class(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 30)
