"""Paths follow the rules: folded listeners, dropped stores, one CLOSED at the end."""

from __future__ import annotations

from lwipscope.tcp.path import path_text
from lwipscope.trace.connection import Connection, connections, idle, select
from lwipscope.trace.event import Cause, Event, parse_event
from lwipscope.trace.frame import Frame

SERVER = """
born c=1 pool=pcb used=1
call c=1 socket
call c=1 bind 6666
call c=1 listen 2
born c=2 pool=lpcb used=1
state c=2 CLOSED>LISTEN by=api:listen at=tcp.c:890 l=0.0.0.0:6666
died c=1 in=CLOSED by=api:listen used=0
call c=2 accept
rx c=2 S seq=1 ack=0 win=64240 len=0 mss=1460 l=192.0.2.10:6666 r=192.0.2.1:40312
born c=3 pool=pcb used=1
state c=3 CLOSED>SYN_RCVD by=rx:S at=tcp_in.c:680 l=192.0.2.10:6666 r=192.0.2.1:40312 p=2
tx c=3 S. seq=7 ack=2 win=8760 len=0 mss=1460 l=192.0.2.10:6666 r=192.0.2.1:40312
rx c=3 . seq=2 ack=8 win=64240 len=0
state c=3 SYN_RCVD>ESTABLISHED by=rx:. at=tcp_in.c:942
ret c=2 accept c3
rx c=3 F. seq=2 ack=8 win=64240 len=0
state c=3 ESTABLISHED>CLOSE_WAIT by=rx:F. at=tcp_in.c:1608
state c=3 CLOSE_WAIT>CLOSE_WAIT by=rx:F. at=tcp_in.c:998
call c=3 close
state c=3 CLOSE_WAIT>LAST_ACK by=api:close at=tcp.c:434
rx c=3 . seq=3 ack=9 win=64240 len=0
died c=3 in=LAST_ACK by=rx:. used=0
call c=2 close
state c=2 LISTEN>CLOSED by=api:close at=tcp.c:2212
died c=2 in=CLOSED by=api:close used=0
"""
CLIENT = """
born c=4 pool=pcb used=1
call c=4 connect 192.0.2.1:80
state c=4 CLOSED>SYN_SENT by=api:connect at=tcp.c:1176 l=192.0.2.10:50000 r=192.0.2.1:80
state c=4 SYN_SENT>CLOSED by=rx:R. at=tcp.c:2212
died c=4 in=CLOSED by=rx:R. used=0
"""


def events(text: str) -> list[Event]:
    made = []
    for seq, line in enumerate(text.strip().splitlines()):
        kind, _, tail = line.partition(" ")
        made.append(parse_event(Frame(seq, seq * 1000, kind, tail, b"")))
    return made


def by_id(text: str) -> dict[int, Connection]:
    return {connection.id: connection for connection in connections(events(text))}


def test_an_accepted_connection() -> None:
    child = by_id(SERVER)[3]
    expected = "LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"
    assert path_text(child.path) == expected
    assert (child.role, child.listener) == ("server", 2)
    assert (str(child.local), str(child.remote)) == ("192.0.2.10:6666", "192.0.2.1:40312")
    assert child.ended
    assert child.end_reason == Cause("rx", ".")
    assert not child.broken
    causes = [step.cause.text() for step in child.steps]
    assert causes == ["rx SYN", "rx ACK", "rx FIN+ACK", "api close", "rx ACK"]
    assert [event and event.seq for event in child.led_by] == [None, 10, 13, 16, 19, 21]


def test_segments_and_calls_stand_with_their_connection() -> None:
    found = by_id(SERVER)
    assert [segment.flags for segment in found[3].segments] == ["S", "S.", ".", "F.", "."]
    assert found[2].segments == ()
    assert [call.name for call in found[3].calls] == ["close"]


def test_the_socket_that_listen_consumed_is_folded_into_the_listener() -> None:
    listener = by_id(SERVER)[2]
    assert listener.role == "listener"
    assert path_text(listener.path) == "LISTEN > CLOSED"
    assert listener.folded == (1,)
    names = [call.name for call in listener.calls]
    assert names == ["socket", "bind", "listen", "accept", "accept", "close"]
    assert idle(events(SERVER)) == []


def test_a_connection_opened_by_the_board() -> None:
    client = by_id(CLIENT)[4]
    assert path_text(client.path) == "SYN_SENT > CLOSED"
    assert (client.role, client.listener) == ("client", None)
    assert client.end_reason == Cause("rx", "R.")
    assert len(client.steps) == 2


def test_freed_without_a_store_ends_in_closed_once() -> None:
    text = CLIENT.replace("state c=4 SYN_SENT>CLOSED by=rx:R. at=tcp.c:2212\n", "")
    text = text.replace("in=CLOSED by=rx:R.", "in=SYN_SENT by=timer:SYN-retries")
    client = by_id(text)[4]
    assert path_text(client.path) == "SYN_SENT > CLOSED"
    assert client.end_reason == Cause("timer", "SYN-retries")


def test_a_connection_that_goes_on_has_not_ended() -> None:
    text = "\n".join(SERVER.strip().splitlines()[:14])
    child = by_id(text)[3]
    assert not child.ended
    assert child.end_reason is None
    assert path_text(child.path) == "LISTEN > SYN_RCVD > ESTABLISHED"


def test_sockets_that_never_left_closed_are_idle() -> None:
    text = "born c=9 pool=pcb used=1\ncall c=9 bind 1\ndied c=9 in=CLOSED by=api:close used=0"
    assert connections(events(text)) == []
    assert [socket.id for socket in idle(events(text))] == [9]
    assert [socket.role for socket in idle(events(text))] == ["idle"]


def test_a_missed_transition_is_shown_as_broken() -> None:
    text = SERVER.replace("state c=3 ESTABLISHED>CLOSE_WAIT by=rx:F. at=tcp_in.c:1608\n", "")
    text = text.replace("state c=3 CLOSE_WAIT>CLOSE_WAIT by=rx:F. at=tcp_in.c:998\n", "")
    child = by_id(text)[3]
    assert child.broken
    assert "ESTABLISHED > CLOSE_WAIT > LAST_ACK" in path_text(child.path)


def test_freed_in_another_state_than_the_last_is_broken() -> None:
    assert by_id(SERVER.replace("in=LAST_ACK", "in=CLOSING"))[3].broken


def test_a_store_of_closed_before_the_death_is_not_broken() -> None:
    stored = "state c=3 LAST_ACK>CLOSED by=rx:. at=tcp.c:2212\ndied c=3 in=CLOSED by=rx:."
    child = by_id(SERVER.replace("died c=3 in=LAST_ACK by=rx:.", stored))[3]
    assert not child.broken
    assert path_text(child.path).count("CLOSED") == 1


def test_a_connection_whose_beginning_was_not_seen() -> None:
    text = "state c=7 ESTABLISHED>CLOSE_WAIT by=rx:F. at=tcp_in.c:998"
    (late,) = connections(events(text))
    assert late.role == "unknown"
    assert path_text(late.path) == "ESTABLISHED > CLOSE_WAIT"


def test_filters() -> None:
    found = connections(events(SERVER + CLIENT.strip()))
    assert [c.id for c in found] == [2, 3, 4]
    assert [c.id for c in select(found, port=6666)] == [2, 3]
    assert [c.id for c in select(found, port=6666, role="server")] == [3]
    assert [c.id for c in select(found, remote_port=80)] == [4]
    assert [c.id for c in select(found, peer="192.0.2.1")] == [3, 4]
    assert [c.id for c in connections(events(CLIENT), role="listener")] == []
