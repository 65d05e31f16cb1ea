"""With which settings a port is opened to be looked at: by board file, rack, or USB id."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from lwipscope.board.lock import BoardTaken, holder
from lwipscope.board.serial_ports import Port
from lwipscope.cli import watch_line
from lwipscope.cli.watch_line import BoardLine, add_line_options
from lwipscope.errors import NoBoard, UsageError

RACK = """
schema = 1
[[board]]
name = "left"
type = "rpi-pico-w"
port = "/dev/ttyNOBODY"
[[board]]
name = "gone"
type = "rpi-pico-w"
usb_serial = "nobody-has-it"
"""


@pytest.fixture
def rack(tmp_path: Path) -> Path:
    path = tmp_path / "rack.toml"
    path.write_text(RACK)
    return path


def place(board: str, *words: str) -> BoardLine:
    parser = argparse.ArgumentParser()
    add_line_options(parser)
    return BoardLine.of(board, parser.parse_args(words))


def test_a_board_of_the_rack(rack: Path) -> None:
    found = place("left", "--rack", str(rack))
    assert found == BoardLine("/dev/ttyNOBODY", 115200, dtr=True, rts=False)
    assert place("left", "--rack", str(rack), "--baud", "9600").baud == 9600
    with pytest.raises(NoBoard, match="gone is not there"):
        place("gone", "--rack", str(rack))


def test_a_port_by_name_is_opened_with_both_lines_inactive() -> None:
    assert place("/dev/ttyNOBODY") == BoardLine("/dev/ttyNOBODY", 115200, dtr=False, rts=False)
    assert place("rfc2217://127.0.0.1:1").url == "rfc2217://127.0.0.1:1"
    assert place("COM3") == BoardLine("COM3", 115200)


def test_a_board_that_is_watched_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also at a URL, which no kernel locks; and who asks is told by whom."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    watched = place("rfc2217://127.0.0.1:1")
    with watched.held():
        held = holder(watched.url)
        assert held is not None and held.pid == os.getpid()
        with pytest.raises(BoardTaken, match=rf"in use by .*process {os.getpid()}"):
            watched.held()
    with watched.held():
        pass


def test_a_type_at_a_port_has_its_own_settings() -> None:
    assert place("rpi-pico-w@/dev/ttyNOBODY").dtr
    assert not place("esp32-devkit@/dev/ttyNOBODY").dtr


def test_a_port_with_a_known_usb_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of ports stands in for a USB bus, which this machine need not have."""
    there = [Port("/dev/ttyFAKE", usb_id="2e8a:0005")]
    monkeypatch.setattr(watch_line, "listed", lambda: there)
    assert place("/dev/ttyFAKE").dtr
    # An ESP32-C3 and an S3 have the same id: the latter says nothing without DTR.
    there[0] = Port("/dev/ttyFAKE", usb_id="303a:1001")
    assert place("/dev/ttyFAKE") == BoardLine("/dev/ttyFAKE", 115200, dtr=True, rts=False)
    assert not place("/dev/ttyOTHER").dtr


def test_an_unknown_name_tells_what_there_is() -> None:
    with pytest.raises(UsageError, match="there is no board 'nosuch'; board files: "):
        place("nosuch")
