"""What a raw peer wants to see, what it saw, and how the two differ, field by field.

Used by `RawConnection.expect`. Numbers are relative to the sender's initial sequence number, so
that the SYN has 0 and the first byte 1 (as tcpdump and RFC 9293's figures show them); `Absolute`
marks one that is not. A field that is None does not matter. PSH is compared only if asked for: it
tells where the application's writes ended, not what the connection does (RFC 9293 3.9.1.2).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from lwipscope.wire.layers import PSH, TcpSegment, flags_from_text, flags_text

_MASK = 0xFFFFFFFF


class Absolute(int):
    """A sequence or acknowledgement number as it stands in the segment."""


Number = int | range


@dataclass(frozen=True, slots=True)
class Seen:
    """A segment that came from the board, and when (`time.monotonic()` seconds)."""

    at_s: float
    segment: TcpSegment
    board_isn: int
    peer_isn: int

    @property
    def flags(self) -> str:
        return self.segment.flags_text()

    @property
    def seq(self) -> int:
        """Relative to the board's initial number."""
        return self.segment.seq - self.board_isn & _MASK

    @property
    def ack(self) -> int:
        """Relative to the peer's initial number; the plain field when ACK is not set."""
        flagged = self.segment.flags_text().find(".") >= 0
        return self.segment.ack - self.peer_isn & _MASK if flagged else self.segment.ack

    @property
    def length(self) -> int:
        """Bytes of payload."""
        return len(self.segment.payload)

    @property
    def window(self) -> int:
        return self.segment.window

    @property
    def mss(self) -> int | None:
        return self.segment.mss

    @property
    def payload(self) -> bytes:
        return self.segment.payload

    def text(self) -> str:
        """One line: `S. seq=0 ack=1 win=8760 len=0 mss=1460`."""
        mss = "" if self.mss is None else f" mss={self.mss}"
        numbers = f"seq={self.seq} ack={self.ack} win={self.window} len={self.length}"
        return f"{self.flags} {numbers}{mss}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """An expectation; `mss=0` wants a segment without that option. Ranges take any of theirs."""

    flags: str | None = None
    seq: Number | None = None
    ack: Number | None = None
    length: Number | None = None
    window: Number | None = None
    mss: Number | None = None
    payload: bytes | None = None

    def __post_init__(self) -> None:
        if self.flags is not None:
            flags_from_text(self.flags)  # complains now about letters that are no flags

    def differences(self, seen: Seen) -> list[str]:
        """`ack is 2, not 1` for every field that differs; empty if it is what was wanted."""
        found = []
        if self.flags is not None:
            wanted = flags_from_text(self.flags)
            compared = seen.segment.flags if wanted & PSH else seen.segment.flags & ~PSH
            if compared != wanted:
                found.append(f"flags are {seen.flags}, not {flags_text(wanted)}")
        for name in ("seq", "ack", "length", "window", "mss"):
            wish = getattr(self, name)
            if wish is None:
                continue
            has = getattr(seen.segment if isinstance(wish, Absolute) else seen, name)
            has = 0 if has is None else has
            if has not in wish if isinstance(wish, range) else has != wish:
                found.append(f"{name} is {has}, not {_number(wish)}")
        if self.payload is not None and seen.payload != self.payload:
            found.append(f"payload is {_shorten(seen.payload)}, not {_shorten(self.payload)}")
        return found

    def text(self) -> str:
        """`S. ack=1 length=0`; `any segment` if nothing matters."""
        said = [] if self.flags is None else [flags_text(flags_from_text(self.flags))]
        for field in fields(self)[1:]:
            wish = getattr(self, field.name)
            if wish is not None:
                value = _shorten(wish) if isinstance(wish, bytes) else _number(wish)
                said.append(f"{field.name}={value}")
        return " ".join(said) or "any segment"


def _number(wish: Number) -> str:
    if isinstance(wish, range):
        return f"{wish.start}..{wish.stop - 1}"
    return f"{wish:d} (absolute)" if isinstance(wish, Absolute) else str(wish)


def _shorten(data: bytes) -> str:
    return repr(data) if len(data) <= 24 else f"{data[:20]!r}... ({len(data)} bytes)"
