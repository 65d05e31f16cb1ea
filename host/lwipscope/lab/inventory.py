"""The list of named things in a lab, for pages and people.

States of the board's sockets are the board's; those of the other ends are deduced from their
segments (`peer_track`), which needs no asking.
"""

from __future__ import annotations

from collections.abc import Mapping

from lwipscope.lab.nc_end import NcEnd
from lwipscope.lab.raw_end import RawEnd, RawListener
from lwipscope.lab.site import HOST_IP, Site, Socket
from lwipscope.lab.things import Kind, Thing
from lwipscope.tcp.state import State

_KINDS: dict[str, Kind] = {
    "socket": "socket",
    "listener": "listener",
    "connection": "connection",
}


def things_of(site: Site, peers: Mapping[int, str]) -> list[Thing]:
    """In the order board, nc, raw, and whoever else has a connection with the board. `peers`: the
    states of the other ends, by connection."""
    sockets = [s for s in list(site.sockets.values()) if not s.closed]
    ncs, raws = list(site.ncs.values()), list(site.raws.values())
    found = [_socket(site, each) for each in sockets]
    found += [_nc(site, each, peers) for each in ncs]
    found += [_raw(site, each, peers) for each in raws]
    named = {s.conn for s in sockets} | {n.conn for n in ncs}
    for pcb in site.record.live.living():
        if pcb.remote is None or pcb.remote.port == 0 or pcb.conn in named:
            continue
        waits = pcb.listener is not None and not pcb.accepted
        if pcb.remote.ip == HOST_IP or waits:
            note = site.tr("waits for accept") if waits else ""
            port = pcb.local.port if pcb.local else 0
            found.append(
                Thing(
                    *(f"c{pcb.conn}", "kernel", "connection", pcb.conn, port),
                    *(peers.get(pcb.conn, ""), note),
                )
            )
    return found


def _socket(site: Site, socket: Socket) -> Thing:
    pcb = site.record.live.pcb(socket.conn)
    state = site.record.live.state(socket.conn)
    note = ""
    if pcb is not None and pcb.over:
        note = site.tr("over: {why}", why=pcb.why)
    elif pcb is not None and pcb.unread:
        note = site.tr("{count} bytes wait for recv", count=pcb.unread)
    kind = _KINDS[socket.kind]
    return Thing(socket.name, "board", kind, socket.conn, socket.port, str(state), note)


def _nc(site: Site, nc: NcEnd, peers: Mapping[int, str]) -> Thing:
    note = "" if nc.running else site.tr("has ended")
    if nc.conn is not None:
        state = peers.get(nc.conn, "")
    else:
        waits = nc.listens and nc.running and not nc.state
        state = str(State.LISTEN) if waits else nc.state or str(State.CLOSED)
    kind: Kind = "listener" if nc.listens and nc.conn is None else "peer"
    return Thing(nc.name, "nc", kind, nc.conn, nc.port, state, note)


def _raw(site: Site, raw: RawEnd | RawListener, peers: Mapping[int, str]) -> Thing:
    if isinstance(raw, RawListener):
        return Thing(raw.name, "raw", "listener", None, raw.port, str(State.LISTEN))
    note = raw.ended
    if not note and raw.polite is not None:
        note = site.tr("behaves by itself")
    state = str(raw.polite.state) if raw.polite is not None else peers.get(raw.conn or 0, raw.state)
    return Thing(raw.name, "raw", "peer", raw.conn, raw.port, state, note)
