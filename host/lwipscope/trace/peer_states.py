"""The states of the other end, as its segments betray them: RFC 9293's machine from outside.

`observe` reads the segments of one pair of endpoints in the order in which they passed the wire:
the peer's as sent, the board's as they arrived. What arrived is taken to be processed when the
peer first acknowledges it, or else at the end, so that crossing FINs are told apart whoever was
on the wire first. What a TCP does without a segment (2MSL, giving up) is not seen: paths end in
TIME_WAIT. Pure; used by scenarios' verdicts. Source: RFC 9293 sections 3.10.7.1 to 3.10.7.4.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from lwipscope.tcp.state import State
from lwipscope.wire.layers import ACK, FIN, RST, SYN, TcpSegment

_HALF = 1 << 31
_MODULUS = 1 << 32


@dataclass(frozen=True, slots=True)
class Observed:
    """One connection of the peer. `isns` are the initial numbers that were seen, either side's.

    `caused_by` has for each state of the path the place of a segment: the one that brought it, or
    the one that proves it where another state change lies between them.
    """

    path: tuple[State, ...]
    isns: frozenset[int]
    caused_by: tuple[int, ...] = ()


def observe(segments: Iterable[tuple[bool, TcpSegment]]) -> list[Observed]:
    """The peer's connections between one pair of endpoints, oldest first.

    Each item is a segment and whether the board sent it. A SYN of the peer after its connection
    has ended, or in TIME_WAIT, begins another; so does a SYN of the board with another number.
    """
    machines: list[_Machine] = []
    for place, (from_board, segment) in enumerate(segments):
        machine = machines[-1] if machines else None
        if machine is None or machine.gives_way(from_board, segment):
            if not segment.flags & SYN or segment.flags & RST:
                continue
            if machine is not None:
                machine.settle()
            machine = _Machine()
            machines.append(machine)
        if from_board:
            machine.arrived.append((place, segment))
        else:
            machine.place = place
            machine.sent(segment)
    for machine in machines:
        machine.settle()
    return [
        Observed(tuple(m.path), frozenset(m.isns), tuple(m.caused_by)) for m in machines if m.path
    ]


def _ahead(number: int, of: int) -> int:
    """How far `number` is ahead of `of`; negative if it is behind."""
    return (number - of + _HALF) % _MODULUS - _HALF


@dataclass(slots=True)
class _Machine:
    """One connection, seen from the peer: snd_* are the peer's numbers, rcv_next the board's."""

    path: list[State] = field(default_factory=list)
    caused_by: list[int] = field(default_factory=list)
    place: int = 0
    arrived: deque[tuple[int, TcpSegment]] = field(default_factory=deque)
    isns: set[int] = field(default_factory=set)
    board_isn: int | None = None
    snd_isn: int | None = None
    snd_next: int = 0
    fin_end: int | None = None
    rcv_next: int | None = None
    board_fin_end: int | None = None
    kept: list[TcpSegment] = field(default_factory=list)

    @property
    def state(self) -> State:
        return self.path[-1] if self.path else State.CLOSED

    def go(self, *states: State) -> None:
        for state in states:
            self.path.append(state)
            self.caused_by.append(max([self.place, *self.caused_by[-1:]]))

    def gives_way(self, from_board: bool, segment: TcpSegment) -> bool:
        """Whether this segment begins another connection."""
        if segment.flags & (SYN | ACK | RST) != SYN:
            return False
        if from_board:
            known = self.board_isn
            for _, each in self.arrived:
                known = each.seq if each.flags & SYN else known
            return known is not None and segment.seq != known
        self.settle_for_syn()
        return self.snd_isn is not None and self.state in (State.CLOSED, State.TIME_WAIT)

    def settle_for_syn(self) -> None:
        """A SYN says nothing about what was processed, unless it can only be a new one."""
        if self.path and self.state is not State.SYN_SENT:
            self.settle()

    # What the peer sends.

    def sent(self, segment: TcpSegment) -> None:
        self._process_what_this_knows(segment)
        if segment.flags & RST:
            self._sent_rst(segment)
            return
        if segment.flags & SYN:
            self._sent_syn(segment)
        if self.snd_isn is None or not self.path or self.state is State.CLOSED:
            return
        end = (segment.seq + segment.seq_len) % _MODULUS
        if _ahead(end, self.snd_next) > 0:
            self.snd_next = end
        if segment.flags & FIN and self.fin_end is None:
            self.fin_end = end
            if self.state in (State.SYN_RCVD, State.ESTABLISHED):
                self.go(State.FIN_WAIT_1)
            elif self.state is State.CLOSE_WAIT:
                self.go(State.LAST_ACK)

    def _sent_syn(self, segment: TcpSegment) -> None:
        if not self.path:
            if segment.flags & ACK:
                self.go(State.LISTEN, State.SYN_RCVD)
            else:
                self.go(State.SYN_SENT)
            self.snd_isn = segment.seq
            self.snd_next = (segment.seq + 1) % _MODULUS
            self.isns.add(segment.seq)

    def _sent_rst(self, segment: TcpSegment) -> None:
        match self.state:
            case State.CLOSED | State.LISTEN | State.SYN_SENT:
                pass  # an answer to a segment that fits nothing
            case State.SYN_RCVD if segment.seq != self.snd_next:
                pass  # an answer to a wrong ACK
            case _:
                self.go(State.CLOSED)

    # What arrives from the board.

    def settle(self) -> None:
        """Process all that has arrived."""
        while self.arrived:
            self._process_first()

    def _process_first(self) -> None:
        """The oldest that has arrived; what it changes is its doing."""
        now = self.place
        self.place, segment = self.arrived.popleft()
        self._process(segment)
        self.place = now

    def _process_what_this_knows(self, segment: TcpSegment) -> None:
        """Process what the peer had processed when it sent this: what it acknowledges."""
        if not segment.flags & ACK:
            if segment.flags & RST:
                self.settle()
            return
        while self.arrived:
            _, first = self.arrived[0]
            end = (first.seq + first.seq_len) % _MODULUS
            if first.seq_len and _ahead(end, segment.ack) > 0:
                return
            self._process_first()

    def _process(self, segment: TcpSegment) -> None:
        match self.state:
            case State.CLOSED if not self.path:
                if segment.flags & (SYN | RST) == SYN and self.board_isn is None:
                    self._take_syn(segment)
            case State.CLOSED:
                pass
            case State.SYN_SENT:
                self._in_syn_sent(segment)
            case _:
                self._synchronized(segment)

    def _take_syn(self, segment: TcpSegment) -> None:
        self.board_isn = segment.seq
        self.isns.add(segment.seq)
        self.rcv_next = (segment.seq + 1) % _MODULUS

    def _in_syn_sent(self, segment: TcpSegment) -> None:
        acknowledges = bool(segment.flags & ACK)
        if acknowledges and segment.ack != self.snd_next:
            return
        if segment.flags & RST:
            if acknowledges:
                self.go(State.CLOSED)
        elif segment.flags & SYN:
            self._take_syn(segment)
            self.go(State.ESTABLISHED if acknowledges else State.SYN_RCVD)
            if acknowledges:
                self._take_in(segment)

    def _synchronized(self, segment: TcpSegment) -> None:
        """3.10.7.4: sequence number, RST, SYN, ACK, then text and FIN."""
        if self.rcv_next is None:
            return
        if segment.flags & RST:
            # RFC 9293's "second": only the next number is believed, others are challenged.
            if segment.seq == self.rcv_next:
                self.go(State.CLOSED)
            return
        if segment.flags & SYN or not segment.flags & ACK:
            return
        begins = _ahead(segment.seq, self.rcv_next)
        ends = begins + segment.seq_len
        if begins > 65535 or (segment.seq_len and ends <= 0) or begins < -65535:
            return
        if _ahead(segment.ack, self.snd_next) > 0:
            return  # acknowledges what was not sent
        before = len(self.path)
        self._acknowledged(segment)
        self._take_in(segment)
        if self.path[before:] == [State.FIN_WAIT_2, State.TIME_WAIT]:
            # One segment for both: RFC 9293's "eighth" goes to TIME-WAIT straight.
            del self.path[before], self.caused_by[before]

    def _acknowledged(self, segment: TcpSegment) -> None:
        if self.state is State.SYN_RCVD and self.snd_isn is not None:
            if _ahead(segment.ack, self.snd_isn) <= 0:
                return
            self.go(State.ESTABLISHED)
        if self.fin_end is None or _ahead(segment.ack, self.fin_end) < 0:
            return
        match self.state:
            case State.FIN_WAIT_1:
                self.go(State.FIN_WAIT_2)
            case State.CLOSING:
                self.go(State.TIME_WAIT)
            case State.LAST_ACK:
                self.go(State.CLOSED)

    def _take_in(self, segment: TcpSegment) -> None:
        """Data and FIN in their order: what is ahead of a gap is kept until the gap is filled."""
        if segment.seq_len:
            self.kept.append(segment)
        moved = True
        while moved and self.board_fin_end is None:
            moved = False
            for each in list(self.kept):
                first = each.seq + (1 if each.flags & SYN else 0)
                end = (first + len(each.payload)) % _MODULUS
                if self.rcv_next is None or _ahead(first % _MODULUS, self.rcv_next) > 0:
                    continue
                self.kept.remove(each)
                if _ahead(end, self.rcv_next) > 0:
                    self.rcv_next = end
                    moved = True
                if each.flags & FIN and end == self.rcv_next:
                    self._board_fin()
                    return

    def _board_fin(self) -> None:
        assert self.rcv_next is not None
        self.rcv_next = self.board_fin_end = (self.rcv_next + 1) % _MODULUS
        match self.state:
            case State.SYN_RCVD | State.ESTABLISHED:
                self.go(State.CLOSE_WAIT)
            case State.FIN_WAIT_1:
                self.go(State.CLOSING)
            case State.FIN_WAIT_2:
                self.go(State.TIME_WAIT)
