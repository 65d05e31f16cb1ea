"""What states, flags, options and verdicts mean, in a sentence each: English, marked for `tr`.

Read by `explain` and by the glossary. Sources: RFC 9293 3.1, 3.2, 3.3.2; RFC 7323; RFC 2018; the
verdicts are those of `trace.verdict`.
"""

from __future__ import annotations

from lwipscope.tcp.state import State
from lwipscope.trace.verdict import Verdict
from lwipscope.words.catalogue import mark

MEANING = {
    State.CLOSED: mark("No connection. In lwIP: a fresh pcb, or none any more."),
    State.LISTEN: mark(
        "Waits for anybody's SYN. In lwIP a smaller pcb of its own (tcp_pcb_listen)."
    ),
    State.SYN_SENT: mark("Has sent its SYN and waits for one that fits (active open)."),
    State.SYN_RCVD: mark("Has had a SYN and sent its own; waits for the ACK of it."),
    State.ESTABLISHED: mark("The connection is open: data flows both ways."),
    State.FIN_WAIT_1: mark("Has closed first and sent its FIN; waits for the ACK of it, or a FIN."),
    State.FIN_WAIT_2: mark("Its FIN is acknowledged; the other end may still send, until its FIN."),
    State.CLOSE_WAIT: mark("The other end has sent its FIN; this program has yet to call close()."),
    State.CLOSING: mark("Both FINs have crossed; waits for the ACK of its own."),
    State.LAST_ACK: mark("Was closed second and has sent its FIN; waits for the ACK of it."),
    State.TIME_WAIT: mark("All is said; waits 2MSL, so that late segments hurt no new connection."),
}
FLAG_MEANING = {
    "S": mark("SYN: the first number of this side; takes one place in its sequence"),
    "F": mark("FIN: this side sends no more data; takes one place in its sequence"),
    "R": mark("RST: the connection ends here and now, or never was"),
    "P": mark("PSH: the data should reach the program without waiting for more"),
    ".": mark("ACK: the acknowledgment number counts"),
    "U": mark("URG: the urgent pointer counts"),
    "E": mark("ECE: an echo of congestion (RFC 3168)"),
    "W": mark("CWR: the sender slowed down (RFC 3168)"),
}
OPTION_MEANING = {
    0: mark("end of the options (RFC 9293 3.1)"),
    1: mark("padding (RFC 9293 3.1)"),
    2: mark("maximum segment size that this side takes (RFC 9293 3.2 and 3.7.1)"),
    3: mark("window scale: windows are to be shifted by so many bits (RFC 7323 2)"),
    4: mark("selective acknowledgment is understood (RFC 2018)"),
    5: mark("selective acknowledgment: these bytes have arrived as well (RFC 2018)"),
    8: mark("time stamps, for round trips and old duplicates (RFC 7323 3)"),
}
VERDICTS = {
    Verdict.PASS: mark(
        "The path is the expected one, and the evidence is complete: every frame of the board "
        "arrived, and the last ones were confirmed. Exit code 0."
    ),
    Verdict.FAIL: mark(
        "The evidence is complete, and the path is another than the expected one, or a transition "
        "was seen that the stack's graph does not have. Exit code 1."
    ),
    Verdict.INCONCLUSIVE: mark(
        "The evidence has a hole: frames or records are missing, or the end was not confirmed. The "
        "missing piece might be the one that matters, so it is neither PASS nor FAIL; play it "
        "again. Exit code 4."
    ),
    Verdict.ERROR: mark(
        "There was nothing to judge: the board was lost, it restarted or stopped with a fault, or "
        "several connections fit the question. Exit code 4."
    ),
}
KINDS = {
    "rx": mark("received"),
    "api": mark("call"),
    "timer": mark("timer"),
    "kill": mark("killed for"),
    "gc": mark("garbage collection"),
    "netif": mark("interface"),
}
HELP = mark(
    "--explain takes a segment by its number (3: the third that `show --tcpdump -n` prints), a "
    "state (FIN_WAIT_2, in any tool's spelling), an edge ('SYN_SENT > ESTABLISHED') or a verdict "
    "(INCONCLUSIVE)"
)
