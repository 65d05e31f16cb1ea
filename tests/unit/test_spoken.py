"""The console without the REPL's own words."""

from __future__ import annotations

import pytest

from lwipscope.scenario.spoken import spoken
from lwipscope.trace.trace import ConsoleText

SENT = b"raw REPL; CTRL-B to exit\r\n>R\x01\x80\x00\x01\x01\x04"


def said(*pieces: bytes) -> bytes:
    """Each piece comes a second after the last one."""
    shown = spoken(ConsoleText(float(n), piece) for n, piece in enumerate(pieces))
    return b"".join(each.data for each in shown)


def test_a_programs_words_are_kept() -> None:
    assert (
        said(b">>> \r\n" + SENT + b"hello\r\n> a prompt?\r\n\x04\x04>") == b"hello\n> a prompt?\n"
    )


@pytest.mark.parametrize("cut", range(1, len(SENT) + 4))
def test_it_does_not_matter_how_it_comes_in_pieces(cut: int) -> None:
    whole = SENT + b"hello\r\n"
    assert said(whole[:cut], whole[cut:]) == b"hello\n"


def test_a_line_is_placed_where_its_end_came() -> None:
    pieces = [ConsoleText(1.0, b"hel"), ConsoleText(2.0, b"lo\nnext")]
    assert list(spoken(pieces)) == [ConsoleText(2.0, b"hello\n"), ConsoleText(2.0, b"next\n")]


def test_orders_for_the_terminal_are_left_out() -> None:
    assert said(b"\x1b[2Jgone\x07\tkept \xc3\xa4\n") == b"[2Jgone\tkept \xc3\xa4\n"
