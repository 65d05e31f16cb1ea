"""Connection tables in the columns and spellings that people know: netstat's, ss's, lwIP's.

One table has the rows of both ends, each with where it was seen: at the board (its pcb table), in
this machine's kernel, or at the gate, which stands between a terminal of this machine and the
board and has a connection with each. Called by `lwipscope netstat`. Columns as printed by
net-tools 2 (linux), Windows 10, FreeBSD 14 and macOS (bsd), and iproute2's ss 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from lwipscope.report.style import safe
from lwipscope.tcp.state import State
from lwipscope.trace.event import Endpoint, PcbRow

Where: TypeAlias = Literal["board", "host", "gate"]
SCHEMA = "lwipscope.netstat/1"
STYLES = ("linux", "windows", "bsd", "ss", "lwip")
_ANY = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class Row:
    """One connection as one end knows it. Queues in bytes, None where that is not known."""

    where: Where
    state: State
    local: Endpoint
    remote: Endpoint | None
    conn: int | None = None
    age_ms: int | None = None
    recv_queue: int | None = None
    send_queue: int | None = None
    note: str = ""

    def seen_at(self) -> str:
        """The last column."""
        if self.where == "board":
            age = "" if self.age_ms is None else f", {self.age_ms / 1000:g} s"
            return f"board c{self.conn}{age}"
        return f"{self.where}{f': {self.note}' if self.note else ''}"


def board_row(row: PcbRow) -> Row:
    """From the board's snapshot."""
    local = row.local or Endpoint(_ANY, 0)
    return Row("board", row.state, local, row.remote, row.conn, row.age_ms)


def table(rows: Sequence[Row], style: str, find: str = "") -> str:
    """The whole table; with `find` only the rows that have this text, as with grep or findstr."""
    head, line = _STYLES[style]
    lines = [f"{line(row)}  {safe(row.seen_at())}" for row in rows]
    kept = [text for text in lines if find in text]
    if not kept:
        what = f" with {find!r}" if find else ""
        return f"{head}\n(no connection{what})"
    return "\n".join((head, *kept))


def as_json(rows: Sequence[Row], style: str, find: str = "") -> dict[str, Any]:
    """{"schema": "lwipscope.netstat/1", "rows": [{"where": board | host | gate, "conn",
    "state" as lwIP spells it, "spelled" in the style asked for, "local", "remote", "age_ms",
    "recv_queue", "send_queue", "note"}]}; null where a value is not known."""
    _, line = _STYLES[style]
    kept = [row for row in rows if find in f"{line(row)}  {row.seen_at()}"]
    return {
        "schema": SCHEMA,
        "rows": [
            {
                "where": row.where,
                "conn": row.conn,
                "state": row.state.name,
                "spelled": row.state.spelled(style),
                "local": str(row.local),
                "remote": None if row.remote is None else str(row.remote),
                "age_ms": row.age_ms,
                "recv_queue": row.recv_queue,
                "send_queue": row.send_queue,
                "note": row.note,
            }
            for row in kept
        ],
    }


def _queues(row: Row) -> tuple[str, str]:
    return (
        "-" if row.recv_queue is None else str(row.recv_queue),
        "-" if row.send_queue is None else str(row.send_queue),
    )


def _remote(row: Row, nobody: str) -> str:
    return nobody if row.remote is None or row.remote.port == 0 else str(row.remote)


def _linux(row: Row) -> str:
    recv, send = _queues(row)
    remote = _remote(row, "0.0.0.0:*")
    return (
        f"tcp   {recv:>6} {send:>6} {row.local!s:<23} {remote:<23} {row.state.spelled('linux'):<11}"
    )


def _windows(row: Row) -> str:
    remote = _remote(row, "0.0.0.0:0")
    return f"  TCP    {row.local!s:<22} {remote:<22} {row.state.spelled('windows'):<15}"


def _bsd(row: Row) -> str:
    recv, send = _queues(row)
    local = f"{'*' if row.local.ip == _ANY else row.local.ip}.{row.local.port or '*'}"
    remote = "*.*"
    if row.remote is not None and row.remote.port:
        remote = f"{row.remote.ip}.{row.remote.port}"
    state = row.state.spelled("bsd")
    return f"tcp4  {recv:>6} {send:>6}  {local:<22} {remote:<22} {state:<11}"


def _ss(row: Row) -> str:
    recv, send = _queues(row)
    remote = _remote(row, "0.0.0.0:*")
    return f"{row.state.spelled('ss'):<10} {recv:<6} {send:<6} {row.local!s:>21} {remote:>21}"


def _lwip(row: Row) -> str:
    return f"{row.state.name:<11} {row.local!s:<21} {_remote(row, '-'):<21}"


_STYLES: dict[str, tuple[str, Callable[[Row], str]]] = {
    "linux": (
        "Active Internet connections (servers and established)\n"
        f"Proto Recv-Q Send-Q {'Local Address':<23} {'Foreign Address':<23} {'State':<11}  Seen at",
        _linux,
    ),
    "windows": (
        "\nActive Connections\n\n"
        f"  Proto  {'Local Address':<22} {'Foreign Address':<22} {'State':<15}  Seen at",
        _windows,
    ),
    "bsd": (
        "Active Internet connections (including servers)\n"
        f"Proto Recv-Q Send-Q  {'Local Address':<22} {'Foreign Address':<22} {'(state)':<11}  "
        "Seen at",
        _bsd,
    ),
    "ss": (
        f"{'State':<10} Recv-Q Send-Q {'Local Address:Port':>21} {'Peer Address:Port':>21}  "
        "Seen at",
        _ss,
    ),
    "lwip": (f"{'state':<11} {'local':<21} {'remote':<21}  seen at", _lwip),
}
