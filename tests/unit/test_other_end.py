"""Whether the kernel still has the other end of a connection, by /proc/net/tcp."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lwipscope.scenario.other_end import has_row
from lwipscope.trace.event import Endpoint

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 010200C0:9C40 0A0200C0:1A0A {} 00000000:00000000 00:00000000 00000000     0        0 1 1
"""


@pytest.mark.parametrize(
    ("code", "there"), [("01", True), ("04", True), ("08", True), ("06", False), ("07", False)]
)
def test_a_connection_that_is_over_is_nobody(code: str, there: bool) -> None:
    table = TABLE.format(code)
    assert has_row(table, Endpoint("192.0.2.1", 40000)) is there
    assert not has_row(table, Endpoint("192.0.2.1", 40001))
    assert not has_row(table, Endpoint("192.0.2.10", 6666))


def test_the_kernels_own_table_is_read_so() -> None:
    table = Path("/proc/self/net/tcp")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        here = Endpoint(*server.getsockname())
        assert has_row(table.read_text(), here)
    assert not has_row(table.read_text(), here)
