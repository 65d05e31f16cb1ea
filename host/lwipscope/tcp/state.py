"""The eleven states of TCP, spelled as lwIP spells them, and everybody else's spellings.

Used wherever a state is read from a person, a tool's output or the board. The values are the
numbers of lwIP's `enum tcp_state` (lwip/tcpbase.h), so that a state byte read from a board's
memory is `State(byte)`. Meaning of the states: RFC 9293 section 3.3.2. The other spellings are
those of Linux (net/tcp_states.h, ss, netstat), Windows (netstat, MIB_TCP_STATE), the BSDs and of
articles (SYN_SEND, TIMED_WAIT, WAIT_CLOSE, and Chinese ones).
"""

from __future__ import annotations

import difflib
import enum
import re

from lwipscope.errors import UsageError


class State(enum.Enum):
    """One state of a TCP connection; the value is lwIP's number for it."""

    CLOSED = 0
    LISTEN = 1
    SYN_SENT = 2
    SYN_RCVD = 3
    ESTABLISHED = 4
    FIN_WAIT_1 = 5
    FIN_WAIT_2 = 6
    CLOSE_WAIT = 7
    CLOSING = 8
    LAST_ACK = 9
    TIME_WAIT = 10

    def __str__(self) -> str:
        return self.name

    @classmethod
    def parse(cls, text: str) -> State:
        """The state meant by any usual spelling; UsageError that suggests the nearest one."""
        squashed = _squash(text)
        for prefix in _PREFIXES:
            found = _SPELLINGS.get(squashed[len(prefix) :]) if squashed.startswith(prefix) else None
            if found is not None:
                return found
        raise UsageError(_complaint(text, squashed))

    def spelled(self, style: str) -> str:
        """This state as `style` writes it: lwip, rfc, linux (netstat), ss, windows or bsd."""
        if style in ("lwip", "bsd"):
            return self.name
        if style not in _STYLES:
            known = ", ".join(sorted((*_STYLES, "lwip", "bsd")))
            raise UsageError(f"no style of spelling is called {style!r}; use one of: {known}")
        exceptions, separator = _STYLES[style]
        return exceptions.get(self, self.name.replace("_", separator))


# What differs from lwIP's spelling, and what stands between the words.
_STYLES: dict[str, tuple[dict[State, str], str]] = {
    "rfc": ({State.SYN_RCVD: "SYN-RECEIVED"}, "-"),
    "linux": (
        {
            State.CLOSED: "CLOSE",
            State.SYN_RCVD: "SYN_RECV",
            State.FIN_WAIT_1: "FIN_WAIT1",
            State.FIN_WAIT_2: "FIN_WAIT2",
        },
        "_",
    ),
    "ss": (
        {State.CLOSED: "UNCONN", State.SYN_RCVD: "SYN-RECV", State.ESTABLISHED: "ESTAB"},
        "-",
    ),
    "windows": ({State.LISTEN: "LISTENING", State.SYN_RCVD: "SYN_RECEIVED"}, "_"),
}

# The empty prefix comes first: SYN_SENT must not be tried as TCPS + YN_SENT.
_PREFIXES = ("", "TCP", "TCPS", "TCPSTATE", "MIBTCPSTATE", "STATE")

_EXTRA_SPELLINGS: dict[State, tuple[str, ...]] = {
    State.CLOSED: ("CLOSE", "UNCONN", "UNCONNECTED", "DELETETCB", "关闭", "已关闭"),
    State.LISTEN: ("LISTENING", "监听", "侦听"),
    State.SYN_SENT: ("SYNSEND", "SYN发送", "SYN已发送"),
    State.SYN_RCVD: (
        *("SYNRECV", "SYNRECEIVED", "SYNRECEIVE", "SYNREC", "NEWSYNRECV"),
        *("SYN收到", "SYN已收到", "SYN接收"),
    ),
    State.ESTABLISHED: ("ESTAB", "ESTABLISH", "EST", "已建立", "已建立连接", "已连接"),
    State.FIN_WAIT_1: ("FINWAITONE", "FIN等待1", "终止等待1"),
    State.FIN_WAIT_2: ("FINWAITTWO", "FIN等待2", "终止等待2"),
    State.CLOSE_WAIT: ("CLOSEDWAIT", "WAITCLOSE", "等待关闭", "关闭等待"),
    State.CLOSING: ("正在关闭", "同时关闭"),
    State.LAST_ACK: ("最后确认", "等待最后确认"),
    State.TIME_WAIT: ("TIMEDWAIT", "时间等待", "限时等待"),
}


def _squash(text: str) -> str:
    return re.sub(r"[-_\s]+", "", text).upper()


_SPELLINGS: dict[str, State] = {_squash(state.name): state for state in State} | {
    spelling: state for state, spellings in _EXTRA_SPELLINGS.items() for spelling in spellings
}


def _complaint(text: str, squashed: str) -> str:
    # Two letters are in nearly every name; naming all of those would help nobody.
    several = [s.name for s in State if len(squashed) > 2 and squashed in _squash(s.name)]
    if len(several) > 1:
        return f"{text!r} could be any of {', '.join(several)}; write which"
    near = difflib.get_close_matches(squashed, _SPELLINGS, n=1, cutoff=0.5)
    if near or several:
        best = _SPELLINGS[near[0]].name if near else several[0]
        return f"no TCP state is called {text!r}; did you mean {best}?"
    return f"no TCP state is called {text!r}; the states are: {', '.join(s.name for s in State)}"
