"""What MicroPython 1.25.0's sockets (extmod/modlwip.c) do against expectation, on lwIP 2.2.1.

Names, explanations and sources; `deviations` offers them. Expectations are those of users of
sockets elsewhere (POSIX, CPython). All but those marked "read" were seen on the emulated board.
"""

from __future__ import annotations

from lwipscope.tcp.deviation import Deviation, Evidence


def _modlwip(
    name: str, explanation: str, source: str, breaks: str, evidence: Evidence = "run"
) -> Deviation:
    source = f"MicroPython 1.25.0 {source}"
    return Deviation(name, "modlwip-2.2.1", explanation, source, breaks, evidence)


DEVIATIONS: tuple[Deviation, ...] = (
    # Connecting.
    _modlwip(
        "refused-is-econnreset",
        "A refused connect() raises ECONNRESET. There is no ECONNREFUSED.",
        "modlwip.c:error_lookup_table, lwip_socket_connect",
        "user: ECONNREFUSED",
    ),
    _modlwip(
        "connect-timeout-is-econnaborted",
        "When lwIP gives up its SYN, connect() raises ECONNABORTED; ETIMEDOUT comes only from the "
        "socket's own timeout.",
        "modlwip.c:error_lookup_table (ERR_ABRT)",
        "user: ETIMEDOUT",
        "read",
    ),
    _modlwip(
        "connect-timeout-leaves-syn-sent",
        "When the socket's timeout ends connect(), the pcb stays in SYN_SENT and may still "
        "connect; until then another connect() raises EALREADY.",
        "modlwip.c:lwip_socket_connect:1135-1150",
        "user: a connect() that failed is over",
    ),
    _modlwip(
        "recv-while-connecting-is-enotconn",
        "recv() of a blocking socket that is still connecting does not wait but raises ENOTCONN.",
        "modlwip.c:lwip_tcp_receive:795-820",
        "user: recv() waits for the connection or its failure",
    ),
    # Listening and accepting.
    _modlwip(
        "listen-without-bind-port-0",
        "listen() on a socket that is not bound gives a listener on port 0, which nobody can "
        "reach, and no error.",
        "modlwip.c:lwip_socket_listen, lwIP tcp.c:tcp_listen_with_backlog_and_err",
        "user: listen() chooses a port",
    ),
    _modlwip(
        "accept-queue-full-resets",
        "The backlog limits half-open connections and, separately, those that wait for accept(). "
        "One too many of the latter completes its handshake and is reset by its last segment.",
        "modlwip.c:_lwip_tcp_accept:528-549",
        "user: connections that find the queue full wait or are ignored",
    ),
    _modlwip(
        "backlog-256-accepts-nothing-at-once",
        "The backlog is kept in 8 bits. With 256 accept() returns at once, with a socket that "
        "has no connection.",
        "modlwip.c:lwip_socket_listen:1000-1006",
        "user: accept() waits for a connection",
    ),
    _modlwip(
        "fin-before-accept-lost",
        "A FIN without data that comes before accept() leads to CLOSE_WAIT, but recv() of the "
        "accepted socket is never told: it waits for ever.",
        "modlwip.c:_lwip_tcp_recv_unaccepted",
        "RFC 9293 3.10.7.4, eighth: signal the user; user: recv() returns b''",
    ),
    _modlwip(
        "fin-after-data-before-accept-dropped",
        "Data that come before accept() are kept by lwIP, which drops whatever follows them, also "
        "the FIN: ESTABLISHED stays until the peer repeats it behind accept().",
        "lwIP tcp_in.c:tcp_input:421-436, modlwip.c:_lwip_tcp_recv_unaccepted",
        "RFC 9293 3.10.7.4, eighth",
    ),
    _modlwip(
        "rst-before-accept-forgotten",
        "A connection that the peer resets before accept() leaves the queue, and accept() waits "
        "as if there had been none.",
        "modlwip.c:_lwip_tcp_err_unaccepted",
        "user: accept() returns it or raises ECONNABORTED",
    ),
    _modlwip(
        "listener-close-orphans",
        "close() of a listener aborts those that wait for accept(), but loses its place in the "
        "queue: every second one survives, with a backlog of 0 or 1 all of them. Nobody has a "
        "handle of them, and each holds a pcb until its peer resets it.",
        "modlwip.c:lwip_socket_free_incoming:356-364, _lwip_tcp_err_unaccepted:489-507",
        "user: closing the listener ends what it did not accept",
    ),
    _modlwip(
        "listener-close-overwrites-memory",
        "close() of a listener calls tcp_err() and tcp_recv() on the smaller pcb of a listener "
        "and clears two words behind it. lwipscope's firmware leaves listeners alone there.",
        "modlwip.c:lwip_socket_ioctl:1596-1597",
        "user: close() changes nothing else",
        "read",
    ),
    _modlwip(
        "listener-close-resets-half-open-late",
        "Children in SYN_RCVD survive their listener. The handshake's last segment makes them "
        "ESTABLISHED and is answered with RST.",
        "lwIP tcp_in.c:tcp_process:946-963",
        "RFC 9293 3.10.7.1: the port is closed, so RST is right, but late",
    ),
    _modlwip(
        "freed-pcb-read-in-error-callback",
        "After an abort the error callbacks look into the pcb that lwIP has freed already. "
        "Harmless while pools are static.",
        "modlwip.c:_lwip_tcp_err_unaccepted:477, lwip_socket_free_incoming:347",
        "user: none, with static pools",
        "read",
    ),
    # Data.
    _modlwip(
        "nonblocking-send-blocks",
        "If lwIP is out of memory for segments, send() tries again for up to 10 s, also on a "
        "socket that does not block, and other Python code stands still.",
        "modlwip.c:lwip_tcp_send:752-763",
        "user: EAGAIN at once",
    ),
    _modlwip(
        "rst-discards-unread-data",
        "An RST throws away what has come before it and was not read yet: recv() raises "
        "ECONNRESET once, then EBADF.",
        "modlwip.c:_lwip_tcp_error:455",
        "user: data first, then the error",
    ),
    # Closing.
    _modlwip(
        "no-half-close",
        "Sockets have no shutdown(), and close() closes both directions: data that come later "
        "are answered with RST. A board can't say that it has finished and go on reading.",
        "modlwip.c:lwip_socket_locals_dict_table:1638",
        "RFC 9293 3.6: CLOSE means I have no more data to send",
    ),
    _modlwip(
        "close-abort-10s",
        "10 s after close(), or after the last ACK of something new behind it, FIN_WAIT_1, "
        "FIN_WAIT_2, CLOSING and LAST_ACK end with RST.",
        "modlwip.c:_lwip_tcp_close_poll",
        "RFC 9293 3.3.2 and 3.6.1: FIN_WAIT_2 may last; unsent data are delivered",
    ),
    _modlwip(
        "soft-reset-keeps-connections",
        "A soft reset closes the sockets of the last program; lwIP goes on. Connections that still "
        "close, TIME_WAIT and orphans live on beside the next program and hold pcbs.",
        "modlwip.c:lwip_socket_ioctl, py/gc.c:gc_sweep_all",
        "user: a program starts with nothing",
    ),
    # Options, addresses.
    _modlwip(
        "keepalive-absent",
        "SO_KEEPALIVE is not implemented: setsockopt() prints a warning and does nothing. A peer "
        "that vanished while nothing was under way is never noticed.",
        "modlwip.c:lwip_socket_setsockopt:1470",
        "RFC 9293 3.8.4 (MAY-5); user: setsockopt() works or raises",
    ),
    _modlwip(
        "second-bind-hangs",
        "bind() on a bound socket puts the pcb on lwIP's list twice, which closes the list into a "
        "ring: the next walk through it never ends, and the board hangs.",
        "modlwip.c:lwip_socket_bind, lwIP tcp.c:tcp_bind",
        "user: EINVAL",
    ),
    _modlwip(
        "setsockopt-after-close-writes-to-zero",
        "setsockopt() on a closed socket writes to the pcb at address 0 and returns.",
        "modlwip.c:lwip_socket_setsockopt:1424",
        "user: EBADF",
    ),
    _modlwip(
        "poll-reads-past-listener",
        "poll() of a listener for output reads the send buffer's size where a listener has none.",
        "modlwip.c:lwip_socket_ioctl:1551",
        "user: a listener is never writable",
        "read",
    ),
    _modlwip(
        "ifconfig-strands-connections",
        "ifconfig() and ipconfig(addr4=) write a new address without telling lwIP: connections of "
        "the old one stay, but no segment reaches them any more.",
        "network_lwip.c:mod_network_nic_ifconfig:94, mod_network_nic_ipconfig",
        "user: they are aborted, as when DHCP changes the address",
    ),
)
