# ruff: noqa: E501
"""netstat's and ss's columns; the kernel's table as /proc has it."""

from __future__ import annotations

import pytest

from lwipscope.board.kernel_table import parse_proc_net_tcp
from lwipscope.report.netstat_text import STYLES, Row, as_json, board_row, table
from lwipscope.tcp.state import State
from lwipscope.trace.event import Endpoint, PcbRow

BOARD = Endpoint("192.0.2.10", 6666)
PEER = Endpoint("192.0.2.1", 40312)
ROWS = [
    Row("board", State.LISTEN, Endpoint("0.0.0.0", 6666), None, 2, 12000),
    board_row(PcbRow(9, 0, 3, 1, State.FIN_WAIT_2, BOARD, PEER, 1500)),
    Row("host", State.CLOSE_WAIT, PEER, BOARD, recv_queue=6, send_queue=0, note="other end of c3"),
    Row("board", State.SYN_RCVD, BOARD, Endpoint("192.0.2.1", 5), 4, 0),
]
# As these tools print such rows, up to the column of ours.
LINES = {
    "linux": [
        "tcp        -      - 0.0.0.0:6666            0.0.0.0:*               LISTEN       board c2, 12 s",
        "tcp        -      - 192.0.2.10:6666         192.0.2.1:40312         FIN_WAIT2    board c3, 1.5 s",
        "tcp        6      0 192.0.2.1:40312         192.0.2.10:6666         CLOSE_WAIT   host: other end of c3",
        "tcp        -      - 192.0.2.10:6666         192.0.2.1:5             SYN_RECV     board c4, 0 s",
    ],
    "windows": [
        "  TCP    0.0.0.0:6666           0.0.0.0:0              LISTENING        board c2, 12 s",
        "  TCP    192.0.2.10:6666        192.0.2.1:40312        FIN_WAIT_2       board c3, 1.5 s",
        "  TCP    192.0.2.1:40312        192.0.2.10:6666        CLOSE_WAIT       host: other end of c3",
        "  TCP    192.0.2.10:6666        192.0.2.1:5            SYN_RECEIVED     board c4, 0 s",
    ],
    "bsd": [
        "tcp4       -      -  *.6666                 *.*                    LISTEN       board c2, 12 s",
        "tcp4       -      -  192.0.2.10.6666        192.0.2.1.40312        FIN_WAIT_2   board c3, 1.5 s",
        "tcp4       6      0  192.0.2.1.40312        192.0.2.10.6666        CLOSE_WAIT   host: other end of c3",
        "tcp4       -      -  192.0.2.10.6666        192.0.2.1.5            SYN_RCVD     board c4, 0 s",
    ],
    "ss": [
        "LISTEN     -      -               0.0.0.0:6666             0.0.0.0:*  board c2, 12 s",
        "FIN-WAIT-2 -      -            192.0.2.10:6666       192.0.2.1:40312  board c3, 1.5 s",
        "CLOSE-WAIT 6      0            192.0.2.1:40312       192.0.2.10:6666  host: other end of c3",
        "SYN-RECV   -      -            192.0.2.10:6666           192.0.2.1:5  board c4, 0 s",
    ],
    "lwip": [
        "LISTEN      0.0.0.0:6666          -                      board c2, 12 s",
        "FIN_WAIT_2  192.0.2.10:6666       192.0.2.1:40312        board c3, 1.5 s",
        "CLOSE_WAIT  192.0.2.1:40312       192.0.2.10:6666        host: other end of c3",
        "SYN_RCVD    192.0.2.10:6666       192.0.2.1:5            board c4, 0 s",
    ],
}  # fmt: skip
PROC = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1A0A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0
   1: 010200C0:9D78 0A0200C0:1A0A 08 00000003:00000006 02:000AF 00000000     0        0 0 1 0 20 4 0 10 -1
   2: broken line
"""


def test_the_columns_are_those_of_each_tool() -> None:
    assert set(LINES) == set(STYLES)
    for style, lines in LINES.items():
        assert table(ROWS, style).splitlines()[-4:] == lines


@pytest.mark.parametrize("style", STYLES)
def test_the_head_s_columns_stand_above_the_rows(style: str) -> None:
    head = table(ROWS, style).splitlines()[-5]
    assert head.lower().index("seen at") == LINES[style][0].index("board c2")


def test_find_is_grep() -> None:
    found = table(ROWS, "linux", "40312").splitlines()[2:]
    assert found == LINES["linux"][1:3]
    assert "no connection with '7777'" in table(ROWS, "linux", "7777")
    assert [row["state"] for row in as_json(ROWS, "ss", "40312")["rows"]] == [
        "FIN_WAIT_2",
        "CLOSE_WAIT",
    ]


def test_the_kernel_s_table() -> None:
    listening, waiting = parse_proc_net_tcp(PROC)
    assert listening.state is State.LISTEN
    assert (listening.local, listening.inode) == (Endpoint("127.0.0.1", 6666), 77)
    assert waiting.state is State.CLOSE_WAIT
    assert (waiting.local, waiting.remote) == (Endpoint("192.0.2.1", 40312), BOARD)
    assert (waiting.recv_queue, waiting.send_queue) == (6, 3)
