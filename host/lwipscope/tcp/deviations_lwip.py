"""Deviations of lwIP 2.2.1's TCP from RFC 9293, as configured for MicroPython.

Names, explanations and sources (files in lwIP's src/core); `deviations` offers them. All but those
marked "read" were seen on the emulated board with a peer that sends single segments.
"""

from __future__ import annotations

from lwipscope.tcp.deviation import Deviation, Evidence


def _lwip(
    name: str, explanation: str, source: str, breaks: str, evidence: Evidence = "run"
) -> Deviation:
    return Deviation(name, "modlwip-2.2.1", explanation, f"lwIP 2.2.1 {source}", breaks, evidence)


DEVIATIONS: tuple[Deviation, ...] = (
    # Opening.
    _lwip(
        "simultaneous-open-absent",
        "In SYN_SENT a SYN without ACK is ignored: there is no way to SYN_RCVD. A simultaneous "
        "open succeeds all the same if the peer answers the board's SYN with SYN+ACK.",
        "tcp_in.c:tcp_process:863",
        "RFC 9293 3.5 and 3.10.7.3, fourth (MUST-10)",
    ),
    _lwip(
        "listen-to-syn-sent-absent",
        "A listener can't be made an active connection: it is an object of another size. Sending "
        "on it or connecting it fails.",
        "tcp.c:tcp_listen_with_backlog_and_err, tcp_connect",
        "RFC 9293 3.10.1 and 3.10.2",
    ),
    _lwip(
        "bad-ack-in-syn-sent-burns-retries",
        "A wrong ACK in SYN_SENT is answered with RST, as it should be, and with the SYN again at "
        "once, which counts as a repetition. Six of them end the connect within half a second.",
        "tcp_in.c:tcp_process:920",
        "RFC 9293 3.10.7.3, first: send RST, discard the segment",
    ),
    _lwip(
        "rst-without-ack-in-syn-sent",
        "In SYN_SENT an RST is taken if its acknowledgment number is right, though the ACK flag, "
        "without which that number means nothing, is not set.",
        "tcp_in.c:tcp_process:804",
        "RFC 9293 3.10.7.3, second",
    ),
    _lwip(
        "syn-ack-data-ignored",
        "Data or a FIN in the SYN+ACK is not acknowledged; the peer has to send it again.",
        "tcp_in.c:tcp_process:869",
        "RFC 9293 3.10.7.3, fourth: continue at the sixth step of 3.10.7.4",
    ),
    _lwip(
        "quiet-time-absent",
        "After a reset lwIP sends at once, from the same first number as in the life before: it "
        "does not keep quiet until the old segments have died out.",
        "tcp.c:tcp_init:201, tcp_next_iss",
        "RFC 9293 3.4.3: a host that does not remember its numbers keeps quiet for an MSL",
    ),
    _lwip(
        "syn-gives-up-early",
        "The SYN is sent seven times in 18 s, a SYN+ACK for 20 s, then the connection is dropped.",
        "tcp.c:tcp_slowtmr:1232 and 1367",
        "RFC 9293 3.8.3 (MUST-23): at least 3 minutes for a SYN",
    ),
    _lwip(
        "arp-holds-syn",
        "While the address of the next hop is unknown, ARP's queue holds the SYN's only buffer, so "
        "it can't be repeated: connecting to a dead host of the same network takes 31 s, not 18.",
        "tcp_out.c:tcp_output_segment_busy, ipv4/etharp.c:etharp_query",
        "user: connect() times out after the same time wherever the host is",
    ),
    _lwip(
        "syn-rcvd-duplicate-syn-counts",
        "Every copy of the SYN repeats the SYN+ACK and counts as a retransmission: the twelfth "
        "ends the half-open connection, in less than a second if the peer is quick.",
        "tcp_in.c:tcp_process:935, tcp_out.c:tcp_rexmit:1766",
        "RFC 9293 3.10.7.4, first and fourth",
    ),
    _lwip(
        "predictable-isn",
        "The initial sequence number starts at 6510 and grows by the number of half seconds that "
        "TCP has been busy: small, the same after each start, easy to guess.",
        "tcp.c:tcp_next_iss",
        "RFC 9293 3.4.1 (MUST-8, SHLD-1)",
    ),
    # Segments.
    _lwip(
        "ack-processed-before-sequence-check",
        "The ACK counts wherever the segment's sequence number lies: one far out of the window "
        "completes the handshake and takes FIN_WAIT_1 to FIN_WAIT_2.",
        "tcp_in.c:tcp_process:941 and 1017",
        "RFC 9293 3.10.7.4, first: an unacceptable segment is dropped",
    ),
    _lwip(
        "segment-without-ack-taken",
        "Data and FIN in a segment without the ACK flag are taken: a bare FIN leads to CLOSE_WAIT.",
        "tcp_in.c:tcp_receive:1162",
        "RFC 9293 3.10.7.4, fifth: drop the segment",
    ),
    _lwip(
        "window-shrink-ignored",
        "A smaller window in a segment with the same sequence and acknowledgment numbers is "
        "ignored: the board goes on sending into a window that has been closed.",
        "tcp_in.c:tcp_receive:1166",
        "RFC 9293 3.10.7.4, fifth (SND.WL1 and SND.WL2)",
    ),
    _lwip(
        "challenge-ack-unlimited",
        "Each SYN, and each RST in the window, gets its challenge ACK, however many there are.",
        "tcp_in.c:tcp_process:818 and 841",
        "RFC 9293 3.10.7.4 and RFC 5961 section 7: limit their rate",
    ),
    _lwip(
        "urgent-ignored",
        "URG and the urgent pointer are not looked at: urgent data arrive as ordinary data.",
        "tcp_in.c (no code)",
        "RFC 9293 3.8.5 (MUST-30 to MUST-32)",
    ),
    _lwip(
        "icmp-errors-ignored",
        "ICMP errors never reach TCP: an unreachable host looks like one that is silent.",
        "ipv4/icmp.c:icmp_input",
        "RFC 9293 3.9.2.2",
        "read",
    ),
    _lwip(
        "active-open-rtt-measured-late",
        "The time from SYN to SYN+ACK is not taken as a round trip; the clock runs on to the first "
        "segment behind it. A client that idles 10 s first repeats lost data after 13 s.",
        "tcp_out.c:tcp_output_segment:1542, tcp_in.c:tcp_receive:1350",
        "RFC 9293 3.8.1 (MUST-18) and RFC 6298 section 2",
    ),
    # Resets.
    _lwip(
        "rst-window-byte-swapped",
        "The window of every RST has its bytes swapped (it is converted twice): 0x2238 is sent as "
        "0x3822. Receivers don't look at it.",
        "tcp_out.c:tcp_rst_common:1999",
        "RFC 9293 3.1: the window field is in network byte order",
    ),
    _lwip(
        "rst-always-with-ack",
        "Every RST has the ACK flag, also the one that answers a segment with ACK.",
        "tcp_out.c:tcp_rst_common:2003",
        "RFC 9293 3.5.2 and 3.10.7.1: <SEQ=SEG.ACK><CTL=RST>",
    ),
    _lwip(
        "rst-ignored-in-time-wait",
        "RST does not end TIME_WAIT: it is ignored, as RFC 1337 proposes against old segments.",
        "tcp_in.c:tcp_timewait_input:749",
        "RFC 9293 3.10.7.4, second",
    ),
    _lwip(
        "time-wait-refuses-syn",
        "A SYN in the window is answered with RST, another with ACK; TIME_WAIT stays in both "
        "cases. The same pair of ports can't be used again before 2 MSL are over.",
        "tcp_in.c:tcp_timewait_input:757",
        "RFC 9293 3.6.1 (MAY-2), and RFC 5961 4.2: a challenge ACK, not RST",
    ),
    # Closing, and time.
    _lwip(
        "pcb-timer-frozen-at-close",
        "close() stops the pcb's clock at the last segment before it, and no state restarts it: "
        "TIME_WAIT, LAST_ACK and FIN_WAIT_2 are measured from then. After a minute of silence "
        "TIME_WAIT lasts one minute, after two it is over at once.",
        "tcp_in.c:tcp_process:846",
        "RFC 9293 3.6.1 (MUST-13): 2 MSL in TIME_WAIT",
    ),
    _lwip(
        "fin-wait-2-times-out",
        "FIN_WAIT_2 ends 20 s after the last segment before close(), without RST.",
        "tcp.c:tcp_slowtmr:1324",
        "RFC 9293 3.3.2: FIN_WAIT_2 waits for the peer's FIN",
    ),
    _lwip(
        "last-ack-times-out-silently",
        "LAST_ACK ends 2 MSL after the last segment before close(), though the FIN was not "
        "acknowledged, and without RST: if that is over already, within a second.",
        "tcp.c:tcp_slowtmr:1376",
        "RFC 9293 3.8.3 (SHLD-11): R2 of at least 100 s",
    ),
    _lwip(
        "data-and-fin-after-close-silent",
        "Data with FIN after close() ought to be answered with RST. The FIN leads to TIME_WAIT "
        "first, the data then abort it, and in TIME_WAIT nothing is sent.",
        "tcp_in.c:tcp_input:496, tcp.c:tcp_abandon:582",
        "RFC 9293 3.6.1 (SHLD-3)",
    ),
    _lwip(
        "time-wait-killed-for-memory",
        "TIME_WAIT takes a pcb from the pool; if that is empty, the oldest one ends for a new "
        "connection or socket. Nothing is sent.",
        "tcp.c:tcp_kill_timewait",
        "RFC 9293 3.6.1 (MUST-13)",
    ),
    _lwip(
        "closing-killed-for-memory",
        "If the pool is empty and nobody is in TIME_WAIT, the oldest pcb in LAST_ACK ends, then "
        "the oldest in CLOSING. Nothing is sent.",
        "tcp.c:tcp_kill_state",
        "RFC 9293 3.10.7.4, fifth",
    ),
    _lwip(
        "address-change-aborts",
        "If DHCP brings another address or loses it, every connection of the old one is aborted "
        "with RST, and bound sockets, too. TIME_WAIT and listeners stay.",
        "tcp.c:tcp_netif_ip_addr_changed",
        "user: a lost lease is not a lost connection",
    ),
)
