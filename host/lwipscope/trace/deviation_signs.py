"""Signs of deviations: what in a life's events shows that a known deviation was at work.

`SIGNS` has one pure function for each deviation of `lwipscope.tcp.deviations` that can be told from
the board's evidence (events, segments, errnos); `signs_in` asks them all. The others need what is
not recorded, such as a call that would have blocked: their scenarios insist on them. A sign is
strict: it may miss a deviation that hardly showed, it must not see one that was not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from lwipscope.tcp.state import State
from lwipscope.trace.event import Call, Event, Return, Segment, Transition
from lwipscope.trace.life_story import Ending, LifeStory, Moment, ahead, called, ending_of

_SECOND_US = 1_000_000
_AT_ONCE_US = 200_000
_MSL_MS = 60_000
_SYN_MUST_LAST_US = 180 * _SECOND_US  # RFC 9293 MUST-23
_FIN_WAIT_2_US = 20 * _SECOND_US  # lwIP's TCP_FIN_WAIT_TIMEOUT
_CHALLENGES = 10
_CHALLENGES_US = 5 * _SECOND_US  # RFC 5961 section 7 proposes 10 in 5 s
_FIRST_ISN = 6509
_SYNCHRONIZED = frozenset(State) - {State.CLOSED, State.LISTEN, State.SYN_SENT, State.SYN_RCVD}

Sign = Callable[[LifeStory], bool]


def signs_in(events: Sequence[Event]) -> set[str]:
    """The names of the deviations that these events of one life show."""
    story = LifeStory(events)
    return {name for name, sign in SIGNS.items() if sign(story)}


# Ends by timers, and for want of memory.


def _ends(kind: str, detail: str, *states: State) -> Sign:
    def sign(story: LifeStory) -> bool:
        return any(_is_end(end, kind, detail, *states) for end in story.endings())

    return sign


def _is_end(end: Ending, kind: str, detail: str, *states: State) -> bool:
    return (end.cause.kind, end.cause.detail or detail) == (kind, detail) and (
        not states or end.moment.state in states
    )


def _address_change(story: LifeStory) -> bool:
    return any(end.cause.kind == "netif" for end in story.endings())


def _timers_of_syn(story: LifeStory) -> Iterator[Ending]:
    for end in story.endings():
        if end.cause.kind == "timer" and end.moment.state in (State.SYN_SENT, State.SYN_RCVD):
            yield end


def _syn_gives_up_early(story: LifeStory) -> bool:
    return any(end.moment.lasted_us < _SYN_MUST_LAST_US for end in _timers_of_syn(story))


def _arp_holds_syn(story: LifeStory) -> bool:
    """Longer than the 18 s that seven SYNs take."""
    return any(
        end.moment.state is State.SYN_SENT and end.moment.lasted_us > 25 * _SECOND_US
        for end in _timers_of_syn(story)
    )


def _duplicate_syn_counts(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        end = ending_of(moments)
        if end is None or end.moment.state is not State.SYN_RCVD or end.cause.kind != "timer":
            continue
        copies = sum("S" in s.flags for m in moments if (s := m.received()) is not None)
        if copies >= 10 and end.moment.lasted_us < 15 * _SECOND_US:
            return True
    return False


def _timer_frozen(story: LifeStory) -> bool:
    """A state that is measured from its beginning ended too early."""
    two_msl_us = 2000 * story.number("msl_ms", _MSL_MS)
    lengths_us = {
        State.TIME_WAIT: ("2MSL", two_msl_us),
        State.LAST_ACK: ("LAST_ACK", two_msl_us),
        State.FIN_WAIT_2: ("FIN_WAIT_2", _FIN_WAIT_2_US),
    }
    for end in story.endings():
        timer, length_us = lengths_us.get(end.moment.state, ("", 0))
        by_it = (end.cause.kind, end.cause.detail) == ("timer", timer)
        if by_it and end.moment.lasted_us < length_us - 2 * _SECOND_US:
            return True
    return False


# Opening.


def _simultaneous_open_absent(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        crossed = any(
            m.state is State.SYN_SENT and "S" in s.flags and "." not in s.flags
            for m in moments
            if (s := m.received()) is not None
        )
        if crossed and not any(m.state is State.SYN_RCVD for m in moments):
            return True
    return False


def _listener_stays(story: LifeStory) -> bool:
    return any(
        m.state is State.LISTEN
        and isinstance(m.event, Return)
        and m.event.name == "connect"
        and m.event.errno is not None
        for m in story.moments()
    )


def _bad_ack_burns(story: LifeStory) -> bool:
    """RST, and the SYN again at once."""
    for moments in story.pcbs.values():
        for at, m in enumerate(moments):
            one = m.received()
            if m.state is not State.SYN_SENT or one is None or "." not in one.flags:
                continue
            answers = [s for each in moments[at + 1 : at + 3] if (s := each.sent()) is not None]
            both = [s.flags.strip(".") for s in answers] == ["R", "S"]
            if both and answers[1].clock_us - one.clock_us < _AT_ONCE_US:
                return True
    return False


def _rst_without_ack(story: LifeStory) -> bool:
    return any(_is_end(end, "rx", "R", State.SYN_SENT) for end in story.endings())


def _syn_ack_data_ignored(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        for at, m in enumerate(moments):
            one = m.received()
            if m.state is not State.SYN_SENT or one is None or not {"S", "."} <= set(one.flags):
                continue
            if not one.length and "F" not in one.flags:
                continue
            answer = next((s for e in moments[at + 1 :] if (s := e.sent()) is not None), None)
            if answer is not None and ahead(answer.ackno, one.seqno) == 1:
                return True
    return False


def _predictable_isn(story: LifeStory) -> bool:
    """All begin at lwIP's constant, plus half seconds since boot."""
    opening = [s for m in story.moments() if (s := m.sent()) is not None and "S" in s.flags]
    return bool(opening) and all(
        0 <= s.seqno - _FIRST_ISN <= 4 + s.clock_us // (_SECOND_US // 2) for s in opening
    )


def _returned(name: str, errno: str, *states: State) -> Sign:
    def sign(story: LifeStory) -> bool:
        return any(
            isinstance(m.event, Return)
            and (m.event.name, m.event.errno) == (name, errno)
            and (not states or m.state in states)
            for m in story.moments()
        )

    return sign


def _connect_timeout_leaves(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        for at, m in enumerate(moments):
            gave_up = isinstance(m.event, Return) and m.event.name == "connect"
            if gave_up and m.state is State.SYN_SENT and "ETIMEDOUT" in m.event.text():
                after = moments[at + 1 : at + 2]
                if not any(e.event.clock_us == m.event.clock_us for e in after):
                    return True
    return False


def _listens_on_port_0(story: LifeStory) -> bool:
    return any(
        isinstance(e, Transition)
        and e.after is State.LISTEN
        and e.local is not None
        and e.local.port == 0
        for e in story.events
    )


# Listening and accepting.


def _reset_by_its_last_segment(story: LifeStory) -> Iterator[tuple[Moment, int]]:
    """Children that became ESTABLISHED and were aborted by the same segment; their listeners."""
    for conn, moments in story.pcbs.items():
        end = ending_of(moments)
        if end is None or conn in story.accepted or end.moment.state is not State.ESTABLISHED:
            continue
        if end.cause.kind == "rx" and end.cause.aborted:
            born_of = [m.event.listener for m in moments if isinstance(m.event, Transition)]
            listener = next((each for each in born_of if each), 0)
            if end.moment.lasted_us < _AT_ONCE_US and listener:
                yield end.moment, listener


def _listener_ended_us(story: LifeStory, listener: int) -> int | None:
    end = ending_of(story.pcbs.get(listener, []))
    return None if end is None else end.moment.event.clock_us


def _accept_queue_full(story: LifeStory) -> bool:
    for moment, listener in _reset_by_its_last_segment(story):
        ended_us = _listener_ended_us(story, listener)
        if ended_us is None or ended_us > moment.event.clock_us:
            return True
    return False


def _half_open_reset_late(story: LifeStory) -> bool:
    for moment, listener in _reset_by_its_last_segment(story):
        ended_us = _listener_ended_us(story, listener)
        if ended_us is not None and ended_us <= moment.event.clock_us:
            return True
    return False


def _orphans(story: LifeStory) -> bool:
    """Children that nobody had accepted outlived close() of their listener."""
    for conn, moments in story.pcbs.items():
        if conn in story.accepted:
            continue
        listener = next(
            (m.event.listener for m in moments if isinstance(m.event, Transition)), None
        )
        ended_us = _listener_ended_us(story, listener) if listener else None
        if ended_us is None:
            continue
        before = [m for m in moments if m.event.clock_us <= ended_us]
        established = any(
            isinstance(m.event, Transition) and m.event.after is State.ESTABLISHED for m in before
        )
        end = ending_of(moments)
        if established and (end is None or end.moment.event.clock_us > ended_us + _AT_ONCE_US):
            return True
    return False


def _fin_after_data_dropped(story: LifeStory) -> bool:
    for conn, moments in story.pcbs.items():
        taken_us = next(
            (e.clock_us for e in story.events if isinstance(e, Return) and e.accepted == conn),
            None,
        )
        data = False
        for at, m in enumerate(moments):
            one = m.received()
            if one is None or m.state is not State.ESTABLISHED:
                continue
            if taken_us is not None and one.clock_us > taken_us:
                break
            if data and "F" in one.flags:
                after = moments[at + 1].event if at + 1 < len(moments) else None
                if not (isinstance(after, Transition) and after.after is State.CLOSE_WAIT):
                    return True
            data = data or bool(one.length)
    return False


# Segments.


def _ack_before_sequence(story: LifeStory) -> bool:
    """A transition by the ACK of a segment that lies outside the window."""
    for moments in story.pcbs.values():
        window: tuple[int, int] | None = None
        last: Segment | None = None
        for m in moments:
            if (out := m.sent()) is not None and "." in out.flags:
                window = (out.ackno, out.win)
            last = m.received() or last
            event = m.event
            if (
                isinstance(event, Transition)
                and event.cause.kind == "rx"
                and (event.before, event.after)
                in ((State.SYN_RCVD, State.ESTABLISHED), (State.FIN_WAIT_1, State.FIN_WAIT_2))
                and window is not None
                and last is not None
                and not -1 <= ahead(last.seqno, window[0]) <= window[1]
            ):
                return True
    return False


def _without_ack(story: LifeStory) -> bool:
    return any(
        isinstance(e, Transition)
        and e.cause.kind == "rx"
        and e.before in _SYNCHRONIZED
        and e.after is not State.CLOSED
        and not set(e.cause.detail) & set(".SR")
        for e in story.events
    )


def _window_shrink_ignored(story: LifeStory) -> bool:
    """Data beyond a window that was made smaller by a segment with the same numbers."""
    for moments in story.pcbs.values():
        before: Segment | None = None
        limit: int | None = None
        for m in moments:
            if (one := m.received()) is not None:
                same = before is not None and (one.seqno, one.ackno) == (before.seqno, before.ackno)
                if before is not None and same and one.win < before.win:
                    limit = (one.ackno + one.win) % (1 << 32)
                else:
                    limit = None
                before = one
            elif limit is not None and (out := m.sent()) is not None and out.length:
                beyond = ahead(out.seqno + out.length, limit)
                if beyond > 0:
                    return True
    return False


def _challenges(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        times_us = []
        for m, then in pairwise(moments):
            one, answer = m.received(), then.sent()
            if m.state not in _SYNCHRONIZED or one is None or answer is None:
                continue
            if set(one.flags) & set("SR") and answer.flags == ".":
                times_us.append(answer.clock_us)
        for first, last in zip(times_us, times_us[_CHALLENGES:], strict=False):
            if last - first < _CHALLENGES_US:
                return True
    return False


def _urgent_ignored(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        urgent = False
        for m in moments:
            one = m.received()
            urgent = urgent or (one is not None and "U" in one.flags and one.length > 0)
            if urgent and called(m, "recv") and isinstance(m.event, Call) and m.event.arg != "0":
                return True
    return False


# Resets.


def _resets(story: LifeStory) -> Iterator[Segment]:
    for e in story.events:
        if isinstance(e, Segment) and e.direction == "tx" and "R" in e.flags:
            yield e


def _byte_swapped(story: LifeStory) -> bool:
    window = story.number("wnd", 0)
    swapped = (window & 0xFF) << 8 | window >> 8
    return window != swapped and any(e.win == swapped for e in _resets(story))


def _rst_with_ack(story: LifeStory) -> bool:
    """The answer to a segment with ACK that belongs to nothing, or to no connection yet."""
    last: Segment | None = None
    states = {id(m.event): m.state for m in story.moments()}
    for e in story.events:
        if not isinstance(e, Segment):
            continue
        if e.direction == "rx":
            last = e
        elif "R" in e.flags and last is not None:
            state = states.get(id(e), State.CLOSED)
            answers = "." in last.flags and e.seqno == last.ackno
            if answers and state not in _SYNCHRONIZED and "." in e.flags:
                return True
    return False


def _rst_in_time_wait(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        expected: int | None = None
        for at, m in enumerate(moments):
            if (out := m.sent()) is not None and "." in out.flags:
                expected = out.ackno
            one = m.received()
            if m.state is State.TIME_WAIT and one is not None and "R" in one.flags:
                after = ending_of(moments[at + 1 : at + 2])
                if one.seqno == expected and after is None:
                    return True
    return False


def _time_wait_refuses_syn(story: LifeStory) -> bool:
    for moments in story.pcbs.values():
        for m, then in pairwise(moments):
            one, answer = m.received(), then.sent()
            if m.state is not State.TIME_WAIT or one is None or answer is None:
                continue
            if "S" in one.flags and "S" not in answer.flags:
                return True
    return False


# Closing.


def _aborted_by_data(story: LifeStory) -> Iterator[tuple[list[Moment], Ending]]:
    """Connections that data ended after close()."""
    for moments in story.pcbs.values():
        end = ending_of(moments)
        if end is None or end.cause.kind != "rx" or not end.cause.aborted:
            continue
        at = moments.index(end.moment)
        last = next((s for m in reversed(moments[:at]) if (s := m.received()) is not None), None)
        closed = any(called(m, "close") for m in moments[:at])
        if closed and last is not None and last.length:
            yield moments, end


def _no_half_close(story: LifeStory) -> bool:
    return any(True for _ in _aborted_by_data(story))


def _silent_after_close(story: LifeStory) -> bool:
    for moments, end in _aborted_by_data(story):
        after = moments[moments.index(end.moment) :]
        told = any("R" in s.flags for m in after if (s := m.sent()) is not None)
        if end.moment.state is State.TIME_WAIT and not told:
            return True
    return False


SIGNS: dict[str, Sign] = {
    "simultaneous-open-absent": _simultaneous_open_absent,
    "listen-to-syn-sent-absent": _listener_stays,
    "bad-ack-in-syn-sent-burns-retries": _bad_ack_burns,
    "rst-without-ack-in-syn-sent": _rst_without_ack,
    "syn-ack-data-ignored": _syn_ack_data_ignored,
    "syn-gives-up-early": _syn_gives_up_early,
    "arp-holds-syn": _arp_holds_syn,
    "syn-rcvd-duplicate-syn-counts": _duplicate_syn_counts,
    "predictable-isn": _predictable_isn,
    "ack-processed-before-sequence-check": _ack_before_sequence,
    "segment-without-ack-taken": _without_ack,
    "window-shrink-ignored": _window_shrink_ignored,
    "challenge-ack-unlimited": _challenges,
    "urgent-ignored": _urgent_ignored,
    "rst-window-byte-swapped": _byte_swapped,
    "rst-always-with-ack": _rst_with_ack,
    "rst-ignored-in-time-wait": _rst_in_time_wait,
    "time-wait-refuses-syn": _time_wait_refuses_syn,
    "pcb-timer-frozen-at-close": _timer_frozen,
    "fin-wait-2-times-out": _ends("timer", "FIN_WAIT_2", State.FIN_WAIT_2),
    "last-ack-times-out-silently": _ends("timer", "LAST_ACK", State.LAST_ACK),
    "data-and-fin-after-close-silent": _silent_after_close,
    "time-wait-killed-for-memory": _ends("kill", "pool-empty", State.TIME_WAIT),
    "closing-killed-for-memory": _ends("kill", "pool-empty", State.CLOSING, State.LAST_ACK),
    "address-change-aborts": _address_change,
    "refused-is-econnreset": _returned("connect", "ECONNRESET", State.SYN_SENT, State.CLOSED),
    "connect-timeout-is-econnaborted": _returned("connect", "ECONNABORTED"),
    "connect-timeout-leaves-syn-sent": _connect_timeout_leaves,
    "recv-while-connecting-is-enotconn": _returned("recv", "ENOTCONN", State.SYN_SENT),
    "listen-without-bind-port-0": _listens_on_port_0,
    "accept-queue-full-resets": _accept_queue_full,
    "fin-after-data-before-accept-dropped": _fin_after_data_dropped,
    "listener-close-orphans": _orphans,
    "listener-close-resets-half-open-late": _half_open_reset_late,
    "no-half-close": _no_half_close,
    "close-abort-10s": _ends("timer", "close-abort"),
}
