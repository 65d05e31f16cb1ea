"""What a raw peer wants to see, against what it saw."""

from __future__ import annotations

import pytest

from lwipscope.errors import UsageError
from lwipscope.peer.raw_match import Absolute, Seen, Wanted
from lwipscope.wire.layers import TcpSegment, flags_from_text, mss_option

BOARD_ISN, PEER_ISN = 0xFFFFFFFF, 1000


def seen(flags: str, seq: int = 0, ack: int = 1, **fields: object) -> Seen:
    segment = TcpSegment(
        *("192.0.2.10", "192.0.2.100", 6666, 40000),
        seq=BOARD_ISN + seq & 0xFFFFFFFF,
        ack=PEER_ISN + ack & 0xFFFFFFFF,
        flags=flags_from_text(flags),
        **fields,  # type: ignore[arg-type]
    )
    return Seen(0.0, segment, BOARD_ISN, PEER_ISN)


def test_numbers_are_relative_also_across_the_wrap() -> None:
    one = seen("F.", seq=5, ack=7)
    assert (one.seq, one.ack, one.segment.seq) == (5, 7, 4)
    assert Wanted("F.", seq=5, ack=7).differences(one) == []
    assert Wanted(seq=Absolute(4), ack=Absolute(1007)).differences(one) == []
    assert Wanted(seq=Absolute(5)).differences(one) == ["seq is 4, not 5 (absolute)"]


def test_every_field_that_differs_is_told() -> None:
    one = seen("R.", seq=1, ack=1, window=25)
    wanted = Wanted("F.", seq=2, ack=3, length=4, window=5, mss=6, payload=b"seven")
    assert wanted.differences(one) == [
        "flags are R., not F.",
        "seq is 1, not 2",
        "ack is 1, not 3",
        "length is 0, not 4",
        "window is 25, not 5",
        "mss is 0, not 6",
        "payload is b'', not b'seven'",
    ]


def test_what_is_left_out_does_not_matter() -> None:
    for flags in ("S", "R.", "none", "FP.U"):
        assert Wanted().differences(seen(flags, seq=77, window=3)) == []


@pytest.mark.parametrize(
    ("wanted", "came", "equal"),
    [
        (".", "P.", True),
        ("P.", ".", False),
        ("F.", "FP.", True),
        ("F.", ".", False),
        ("S", "S.", False),
        ("S", "SEW", False),
        ("SEW", "SEW", True),
        ("none", "none", True),
        ("none", ".", False),
    ],
)
def test_flags_are_exact_but_for_psh(wanted: str, came: str, equal: bool) -> None:
    assert (Wanted(wanted).differences(seen(came)) == []) is equal


def test_mss_absent_and_present() -> None:
    with_mss = seen("S", options=mss_option(1460))
    assert Wanted("S", mss=1460).differences(with_mss) == []
    assert Wanted("S", mss=0).differences(with_mss) == ["mss is 1460, not 0"]
    assert Wanted("S", mss=0).differences(seen("S")) == []


def test_ranges() -> None:
    assert Wanted(window=range(1, 26)).differences(seen(".", window=25)) == []
    differences = Wanted(window=range(1, 25)).differences(seen(".", window=25))
    assert differences == ["window is 25, not 1..24"]


def test_ack_without_its_flag_is_the_plain_field() -> None:
    assert seen("S", ack=-PEER_ISN).ack == 0


def test_letters_that_are_no_flags() -> None:
    with pytest.raises(UsageError, match="letters"):
        Wanted("SYN")


def test_texts() -> None:
    assert Wanted().text() == "any segment"
    assert Wanted("FP.", ack=2, window=range(1, 9)).text() == "FP. ack=2 window=1..8"
    assert seen("S.", options=mss_option(800), window=9).text() == (
        "S. seq=0 ack=1 win=9 len=0 mss=800"
    )
