"""What a learner did that can't be, and what an errno of the board means, in the learner's words.

Used by all verbs: a `Mistake` is answered as text, the lab goes on.
"""

from __future__ import annotations

from lwipscope.errors import LwipscopeError
from lwipscope.words.catalogue import Translator, mark


class Mistake(LwipscopeError):
    """A line can't be done; the message is for the learner, in the learner's language."""


def why_lost(lost: Exception) -> str:
    """Why the board has stopped, for a sentence that says that it has."""
    return str(lost).partition("\n")[0].removeprefix("the board is lost: ").rstrip(".")


_AT_CALL = {
    ("accept", "EAGAIN"): mark(
        "no finished connection waits at this listener. Let somebody connect first; one whose "
        "handshake is not finished (SYN_RCVD) does not count"
    ),
    ("recv", "EAGAIN"): mark("nothing has come that was not taken yet; the peer has not closed"),
    ("send", "EAGAIN"): mark("the send buffer is full: the peer has not acknowledged enough"),
    ("connect", "EAGAIN"): mark("no answer yet"),
    ("send", "ENOTCONN"): mark("this socket has no connection (any more)"),
    ("accept", "EINVAL"): mark("only a listening socket accepts"),
}
_MEANINGS = {
    "EAGAIN": mark("it would have to wait, and sockets of the lab don't wait"),
    "EBADF": mark("this socket is closed: after close() nothing can be done with it"),
    "ENOTCONN": mark("this socket has no connection"),
    "ECONNRESET": mark("the other end has sent RST: the connection is gone"),
    "ECONNABORTED": mark("the connection was aborted on this side"),
    "ECONNREFUSED": mark("nobody listens there: the SYN was answered with RST"),
    "ETIMEDOUT": mark("nobody has answered in time"),
    "EADDRINUSE": mark(
        "the port is taken on the board, by a listener or by a connection in TIME_WAIT; "
        "`board reuse` lets sockets bind all the same while only TIME_WAIT holds it"
    ),
    "EALREADY": mark("this socket is connecting already"),
    "EISCONN": mark("this socket has a connection already"),
    "EINPROGRESS": mark("the connection is under way"),
    "ENOMEM": mark(
        "lwIP's memory is used up: no pcb or no buffer is left. Close what is open (`table` shows "
        "it), or let TIME_WAIT pass with `time until CLOSED`"
    ),
    "ENOBUFS": mark("lwIP has no buffer left"),
    "EHOSTUNREACH": mark("no way leads there"),
    "EINVAL": mark("the stack takes this call for nonsense in this state"),
    "EIO": mark("the stack has failed inside"),
    "EOPNOTSUPP": mark("this kind of socket can't do that"),
    "ENOTSOCK": mark("this is no socket"),
}


def errno_words(call: str, errno_name: str, tr: Translator) -> str:
    """`accept: EAGAIN: no finished connection waits ...`."""
    meaning = _AT_CALL.get((call, errno_name)) or _MEANINGS.get(errno_name)
    told = f": {tr(meaning)}" if meaning else ""
    return f"{call}: OSError {errno_name}{told}"
