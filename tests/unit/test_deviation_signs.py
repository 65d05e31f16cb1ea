"""Signs of deviations: each is seen in the events that show it, and not in those that hardly do."""

from __future__ import annotations

import pytest

from lwipscope.tcp.deviations import deviation
from lwipscope.trace.deviation_signs import SIGNS, signs_in
from lwipscope.trace.event import Event, parse_event
from lwipscope.trace.frame import Frame

HELLO = "0 hello re=1 proto=1 boot=1.1 wnd=8760 msl_ms=60000"
DIALS = "1 state c=1 CLOSED>SYN_SENT by=api:connect at=x"
CHILD = "1 state c=3 CLOSED>SYN_RCVD by=rx:S at=x p=2"
OPEN = (
    f"{CHILD}; 2 tx c=3 S. seq=900 ack=101 win=8760 len=0; "
    "3 rx c=3 . seq=101 ack=901 win=9 len=0; 3 state c=3 SYN_RCVD>ESTABLISHED by=rx:. at=x"
)
TAKEN = f"{OPEN}; 4 ret c=2 accept c3"
CLOSES = f"{TAKEN}; 5 call c=3 close; 5 state c=3 ESTABLISHED>FIN_WAIT_1 by=api:close at=x"
WAITS = (
    f"{CLOSES}; 10 tx c=3 F. seq=901 ack=101 win=8760 len=0; "
    "11 state c=3 FIN_WAIT_1>TIME_WAIT by=rx:F. at=x; 11 tx c=3 . seq=902 ack=102 win=8760 len=0"
)
SYN_RCVD_FOR = "; ".join(f"{n} rx c=3 S seq=100 ack=0 win=9 len=0" for n in range(2, 14))
CHALLENGED = "; ".join(
    f"{n} rx c=3 R seq=150 ack=0 win=9 len=0; {n} tx c=3 . seq=901 ack=101 win=8760 len=0"
    for n in range(10, 22)
)


def events(script: str) -> list[Event]:
    """`MS FRAME; MS FRAME`: board time in ms."""
    made = []
    for number, line in enumerate(filter(None, map(str.strip, script.split(";")))):
        ms, kind, tail = line.split(" ", 2)
        made.append(parse_event(Frame(number, int(ms) * 1000, kind, tail, b"")))
    assert not [event for event in made if type(event).__name__ == "Unknown"]
    return made


SHOWN = [
    ("simultaneous-open-absent", f"{DIALS}; 2 rx c=1 S seq=5 ack=0 win=9 len=0"),
    ("listen-to-syn-sent-absent", "1 state c=2 CLOSED>LISTEN by=api:listen at=x; "
     "2 ret c=2 connect EALREADY"),
    ("bad-ack-in-syn-sent-burns-retries", f"{DIALS}; 2 rx c=1 S. seq=5 ack=9 win=9 len=0; "
     "2 tx c=1 R. seq=9 ack=6 win=9 len=0; 2 tx c=1 S seq=1 ack=0 win=9 len=0"),
    ("rst-without-ack-in-syn-sent", f"{DIALS}; 2 state c=1 SYN_SENT>CLOSED by=rx:R at=x"),
    ("syn-ack-data-ignored", f"{DIALS}; 2 rx c=1 S. seq=5 ack=1 win=9 len=3; "
     "2 tx c=1 . seq=1 ack=6 win=9 len=0"),
    ("syn-gives-up-early", f"{DIALS}; 18000 died c=1 in=SYN_SENT by=timer:SYN-retries used=0"),
    ("syn-gives-up-early", f"{CHILD}; 20000 died c=3 in=SYN_RCVD by=timer:SYN_RCVD used=0"),
    ("arp-holds-syn", f"{DIALS}; 31000 died c=1 in=SYN_SENT by=timer:SYN-retries used=0"),
    ("syn-rcvd-duplicate-syn-counts",
     f"{CHILD}; {SYN_RCVD_FOR}; 900 died c=3 in=SYN_RCVD by=timer:retransmit used=0"),
    ("predictable-isn", "22000 tx c=1 S seq=6553 ack=0 win=9 len=0"),
    ("ack-processed-before-sequence-check", f"{CHILD}; 2 tx c=3 S. seq=900 ack=101 win=100 len=0; "
     "3 rx c=3 . seq=5000 ack=901 win=9 len=0; 3 state c=3 SYN_RCVD>ESTABLISHED by=rx:. at=x"),
    ("segment-without-ack-taken", f"{OPEN}; 9 state c=3 ESTABLISHED>CLOSE_WAIT by=rx:F at=x"),
    ("window-shrink-ignored", f"{OPEN}; 9 rx c=3 . seq=101 ack=901 win=4 len=0; "
     "10 tx c=3 P. seq=901 ack=101 win=9 len=8"),
    ("challenge-ack-unlimited", f"{OPEN}; {CHALLENGED}"),
    ("urgent-ignored", f"{TAKEN}; 9 rx c=3 PU. seq=101 ack=901 win=9 len=3; 10 call c=3 recv 3"),
    ("rst-window-byte-swapped", f"{HELLO}; 1 tx c=0 R. seq=1 ack=1 win=14370 len=0"),
    ("rst-always-with-ack", "1 rx c=0 . seq=5 ack=77 win=9 len=0; "
     "1 tx c=0 R. seq=77 ack=5 win=9 len=0"),
    ("rst-ignored-in-time-wait", f"{WAITS}; 20 rx c=3 R seq=102 ack=0 win=9 len=0"),
    ("time-wait-refuses-syn", f"{WAITS}; 20 rx c=3 S seq=200 ack=0 win=9 len=0; "
     "20 tx c=3 R. seq=902 ack=201 win=9 len=0"),
    ("pcb-timer-frozen-at-close", f"{WAITS}; 60000 state c=3 TIME_WAIT>CLOSED by=timer:2MSL at=x"),
    ("fin-wait-2-times-out", f"{CLOSES}; 6 state c=3 FIN_WAIT_1>FIN_WAIT_2 by=rx:. at=x; "
     "20000 died c=3 in=FIN_WAIT_2 by=timer:FIN_WAIT_2 used=0"),
    ("last-ack-times-out-silently", f"{TAKEN}; 5 state c=3 ESTABLISHED>CLOSE_WAIT by=rx:F. at=x; "
     "6 state c=3 CLOSE_WAIT>LAST_ACK by=api:close at=x; "
     "9000 died c=3 in=LAST_ACK by=timer:LAST_ACK used=0"),
    ("data-and-fin-after-close-silent", f"{CLOSES}; 6 rx c=3 F. seq=101 ack=902 win=9 len=4; "
     "6 state c=3 FIN_WAIT_1>TIME_WAIT by=rx:F. at=x; "
     "6 state c=3 TIME_WAIT>CLOSED by=rx:F.,abort at=x"),
    ("time-wait-killed-for-memory", f"{WAITS}; "
     "20 state c=3 TIME_WAIT>CLOSED by=kill:pool-empty at=x"),
    ("closing-killed-for-memory", f"{CLOSES}; 6 state c=3 FIN_WAIT_1>CLOSING by=rx:F. at=x; "
     "9 state c=3 CLOSING>CLOSED by=kill:pool-empty at=x"),
    ("address-change-aborts", f"{OPEN}; 9 state c=3 ESTABLISHED>CLOSED by=netif:address at=x"),
    ("refused-is-econnreset", f"{DIALS}; 2 state c=1 SYN_SENT>CLOSED by=rx:R. at=x; "
     "2 ret c=1 connect ECONNRESET"),
    ("connect-timeout-is-econnaborted", f"{DIALS}; 2 ret c=1 connect ECONNABORTED"),
    ("connect-timeout-leaves-syn-sent", f"{DIALS}; 2 ret c=1 connect ETIMEDOUT"),
    ("recv-while-connecting-is-enotconn", f"{DIALS}; 2 ret c=1 recv ENOTCONN"),
    ("listen-without-bind-port-0", "1 state c=2 CLOSED>LISTEN by=api:listen at=x l=0.0.0.0:0"),
    ("accept-queue-full-resets", f"{OPEN}; 3 state c=3 ESTABLISHED>CLOSED by=rx:.,abort at=x"),
    ("fin-after-data-before-accept-dropped", f"{OPEN}; 4 rx c=3 P. seq=101 ack=901 win=9 len=3; "
     "5 rx c=3 F. seq=104 ack=901 win=9 len=0; 9 ret c=2 accept c3"),
    ("listener-close-orphans", f"{OPEN}; 1 state c=2 CLOSED>LISTEN by=api:listen at=x; "
     "9 state c=2 LISTEN>CLOSED by=api:close at=x"),
    ("listener-close-resets-half-open-late", "0 state c=2 CLOSED>LISTEN by=api:listen at=x; "
     f"1 state c=2 LISTEN>CLOSED by=api:close at=x; {OPEN}; "
     "3 state c=3 ESTABLISHED>CLOSED by=rx:.,abort at=x"),
    ("no-half-close", f"{CLOSES}; 6 rx c=3 P. seq=101 ack=902 win=9 len=4; "
     "6 state c=3 FIN_WAIT_1>CLOSED by=rx:P.,abort at=x"),
    ("close-abort-10s", f"{CLOSES}; 10000 state c=3 FIN_WAIT_1>CLOSED by=timer:close-abort at=x"),
]  # fmt: skip

# What a stack without the deviation would do, or what looks much like it.
NOT_SHOWN = [
    ("simultaneous-open-absent", f"{DIALS}; 2 rx c=1 S seq=5 ack=0 win=9 len=0; "
     "2 state c=1 SYN_SENT>SYN_RCVD by=rx:S at=x; 3 tx c=1 S. seq=1 ack=6 win=9 len=0"),
    ("bad-ack-in-syn-sent-burns-retries", f"{DIALS}; 2 rx c=1 S. seq=5 ack=9 win=9 len=0; "
     "2 tx c=1 R seq=9 ack=0 win=9 len=0; 3000 tx c=1 S seq=1 ack=0 win=9 len=0"),
    ("rst-without-ack-in-syn-sent", f"{DIALS}; 2 state c=1 SYN_SENT>CLOSED by=rx:R. at=x"),
    ("syn-ack-data-ignored", f"{DIALS}; 2 rx c=1 S. seq=5 ack=1 win=9 len=3; "
     "2 tx c=1 . seq=1 ack=9 win=9 len=0"),
    ("syn-gives-up-early", f"{DIALS}; 190000 died c=1 in=SYN_SENT by=timer:SYN-retries used=0"),
    ("arp-holds-syn", f"{DIALS}; 18000 died c=1 in=SYN_SENT by=timer:SYN-retries used=0"),
    ("syn-rcvd-duplicate-syn-counts", f"{CHILD}; "
     "900 died c=3 in=SYN_RCVD by=timer:SYN_RCVD used=0"),
    ("predictable-isn", "100 tx c=1 S seq=3000000000 ack=0 win=9 len=0"),
    ("ack-processed-before-sequence-check", OPEN),
    ("segment-without-ack-taken", f"{OPEN}; 9 state c=3 ESTABLISHED>CLOSE_WAIT by=rx:F. at=x"),
    ("window-shrink-ignored", f"{OPEN}; 9 rx c=3 . seq=101 ack=901 win=4 len=0; "
     "10 tx c=3 P. seq=901 ack=101 win=9 len=4"),
    ("challenge-ack-unlimited", f"{OPEN}; {CHALLENGED.partition('; 15')[0]}"),
    ("rst-window-byte-swapped", f"{HELLO}; 1 tx c=0 R. seq=1 ack=1 win=8760 len=0"),
    ("rst-always-with-ack", "1 rx c=0 . seq=5 ack=77 win=9 len=0; "
     "1 tx c=0 R seq=77 ack=0 win=9 len=0"),
    ("rst-always-with-ack", "1 rx c=0 S seq=5 ack=0 win=9 len=0; "
     "1 tx c=0 R. seq=0 ack=6 win=9 len=0"),
    ("rst-ignored-in-time-wait", f"{WAITS}; 20 rx c=3 R seq=102 ack=0 win=9 len=0; "
     "20 state c=3 TIME_WAIT>CLOSED by=rx:R at=x"),
    ("rst-ignored-in-time-wait", f"{WAITS}; 20 rx c=3 R seq=999 ack=0 win=9 len=0"),
    ("pcb-timer-frozen-at-close", f"{WAITS}; "
     "120000 state c=3 TIME_WAIT>CLOSED by=timer:2MSL at=x"),
    ("time-wait-killed-for-memory", f"{WAITS}; "
     "120000 state c=3 TIME_WAIT>CLOSED by=timer:2MSL at=x"),
    ("data-and-fin-after-close-silent", f"{CLOSES}; 6 rx c=3 P. seq=101 ack=902 win=9 len=4; "
     "6 state c=3 FIN_WAIT_1>CLOSED by=rx:P.,abort at=x"),
    ("connect-timeout-leaves-syn-sent", f"{DIALS}; 2 ret c=1 connect EINPROGRESS"),
    ("listen-without-bind-port-0", "1 state c=2 CLOSED>LISTEN by=api:listen at=x l=0.0.0.0:80"),
    ("accept-queue-full-resets", f"{TAKEN}; 9 state c=3 ESTABLISHED>CLOSED by=rx:P.,abort at=x"),
    ("accept-queue-full-resets", "0 state c=2 CLOSED>LISTEN by=api:listen at=x; "
     f"1 state c=2 LISTEN>CLOSED by=api:close at=x; {OPEN}; "
     "3 state c=3 ESTABLISHED>CLOSED by=rx:.,abort at=x"),
    ("listener-close-resets-half-open-late",
     f"{OPEN}; 3 state c=3 ESTABLISHED>CLOSED by=rx:.,abort at=x"),
    ("fin-after-data-before-accept-dropped", f"{OPEN}; 4 rx c=3 P. seq=101 ack=901 win=9 len=3; "
     "5 rx c=3 F. seq=104 ack=901 win=9 len=0; 5 state c=3 ESTABLISHED>CLOSE_WAIT by=rx:F. at=x"),
    ("listener-close-orphans", f"{TAKEN}; 1 state c=2 CLOSED>LISTEN by=api:listen at=x; "
     "9 state c=2 LISTEN>CLOSED by=api:close at=x"),
    ("no-half-close", f"{TAKEN}; 6 rx c=3 P. seq=101 ack=902 win=9 len=4; "
     "6 state c=3 ESTABLISHED>CLOSED by=rx:P.,abort at=x"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "script"), SHOWN)
def test_it_is_seen(name: str, script: str) -> None:
    assert name in signs_in(events(script))


@pytest.mark.parametrize(("name", "script"), NOT_SHOWN)
def test_it_is_not_seen(name: str, script: str) -> None:
    assert name not in signs_in(events(script))


def test_every_sign_is_of_a_known_deviation_and_tested() -> None:
    assert all(deviation(name).name == name for name in SIGNS)
    assert {name for name, _ in SHOWN} == set(SIGNS)


def test_nothing_shows_nothing() -> None:
    assert signs_in([]) == set()
    assert signs_in(events(CLOSES)) == set()
