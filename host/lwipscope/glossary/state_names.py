"""Every name that a state has: in lwIP, the RFC, netstat and ss, Windows, the BSDs, articles.

Used by `lwipscope glossary`. The tools' spellings are those of `tcp.state`, and every spelling here
is one that `State.parse` takes. Articles spell as they like, in English and in Chinese.
"""

from __future__ import annotations

from collections.abc import Mapping

from lwipscope.tcp.state import State
from lwipscope.words.catalogue import mark

TOOLS: tuple[tuple[str, str], ...] = (
    ("lwIP", "lwip"),
    ("RFC 9293", "rfc"),
    ("Linux netstat", "linux"),
    ("Linux ss", "ss"),
    ("Windows netstat", "windows"),
    ("BSD netstat", "bsd"),
)
"""Who spells it, and the style for `State.spelled`."""

ARTICLES: Mapping[State, tuple[str, ...]] = {
    State.CLOSED: ("Closed", "CLOSE", "关闭"),
    State.LISTEN: ("LISTENING", "Listen", "监听", "侦听"),
    State.SYN_SENT: ("SYN_SEND", "SYN_send", "SYN发送"),
    State.SYN_RCVD: ("SYN_RECV", "SYN_Rcvd", "SYN收到"),
    State.ESTABLISHED: ("Established", "ESTABLISH", "已建立"),
    State.FIN_WAIT_1: ("FIN_WAIT1", "Fin_Wait_1", "FIN等待1", "终止等待1"),
    State.FIN_WAIT_2: ("FIN_WAIT2", "Fin_Wait_2", "FIN等待2", "终止等待2"),
    State.CLOSE_WAIT: ("WAIT_CLOSE", "Close_Wait", "关闭等待"),
    State.CLOSING: ("Closing", "正在关闭"),
    State.LAST_ACK: ("Last_Ack", "最后确认"),
    State.TIME_WAIT: ("TIMED_WAIT", "Time_Wait", "时间等待"),
}

BRIEF: Mapping[State, str] = {
    State.CLOSED: mark("no connection"),
    State.LISTEN: mark("waits for anybody's SYN"),
    State.SYN_SENT: mark("has sent SYN, waits for SYN+ACK"),
    State.SYN_RCVD: mark("has sent SYN+ACK, waits for the last ACK of the handshake"),
    State.ESTABLISHED: mark("open: data flow both ways"),
    State.FIN_WAIT_1: mark("closed first: FIN sent, not acknowledged"),
    State.FIN_WAIT_2: mark("closed first: FIN acknowledged, waits for the other FIN"),
    State.CLOSE_WAIT: mark("the other end has closed, this program has not"),
    State.CLOSING: mark("both closed at once, waits for the ACK of its own FIN"),
    State.LAST_ACK: mark("closed second: FIN sent, waits for the last ACK"),
    State.TIME_WAIT: mark("closed first and all said: waits 2MSL"),
}

SEEN_BY: Mapping[State, str] = {
    State.CLOSED: "lwipscope run-scenario client-refused",
    State.LISTEN: "lwipscope run-scenario server-peer-closes-first",
    State.SYN_SENT: "lwipscope run-scenario syn-sent-timeout",
    State.SYN_RCVD: "lwipscope run-scenario syn-rcvd-held",
    State.ESTABLISHED: "lwipscope run-scenario http-keep-alive",
    State.FIN_WAIT_1: "lwipscope run-scenario fin-wait-1-held",
    State.FIN_WAIT_2: "lwipscope run-scenario server-closes-first-nc-left-open",
    State.CLOSE_WAIT: "lwipscope run-scenario close-wait-for-ever",
    State.CLOSING: "lwipscope run-scenario close-crossing",
    State.LAST_ACK: "lwipscope run-scenario last-ack-held",
    State.TIME_WAIT: "lwipscope run-scenario close-four-segments",
}
