"""The two verbs with which a raw peer begins: it connects, or waits for the board.

Source: RFC 9293 3.5 (figures 6 and 7).
"""

from __future__ import annotations

from lwipscope.errors import PeerError
from lwipscope.lab.mistakes import Mistake
from lwipscope.lab.raw_end import RawEnd, RawListener
from lwipscope.lab.raw_verbs import noted, processed
from lwipscope.lab.site import RAW_IP, STEP_S, Site, Told
from lwipscope.wire.layers import ACK, RST, SYN

_Args = dict[str, str]


def connect(site: Site, args: _Args, told: Told) -> None:
    """SYN, SYN+ACK, and the ACK unless it is withheld."""
    site.need_board()
    tr, port = site.tr, int(args["PORT"])
    raw = site.raw_host.connection(site.next_raw_port(), site.board.ip, port, timeout_s=STEP_S)
    raw.send("S")
    try:
        answer = raw.expect(timeout_s=STEP_S).segment
    except PeerError as error:
        site.raw_host.forget(raw)
        raise Mistake(
            tr(
                "no answer to the SYN: the board drops a SYN when the listener's backlog is full "
                "or no pcb is left"
            )
        ) from error
    if answer.flags & RST:
        site.raw_host.forget(raw)
        raise Mistake(
            tr("RST: nobody listens at the board's port {port}. `board listen {port}`", port=port)
        )
    if answer.flags & (SYN | ACK) != SYN | ACK:
        raise Mistake(tr("the board answered {flags}, not SYN+ACK", flags=answer.flags_text()))
    made = RawEnd(site.new_name("r"), raw, port)
    site.raws[made.name] = made
    withheld = args.get("HOW") == "withhold-ack"
    made.ack_waits = withheld
    if withheld:
        said = tr(
            "{name}: SYN, SYN+ACK, and no ACK: the board waits for it; `raw ack {name}` sends it",
            name=made.name,
        )
    else:
        raw.send(".")
        said = tr(
            "{name}: SYN, SYN+ACK, ACK: connected from port {port}",
            name=made.name,
            port=raw.local[1],
        )
    noted(site, made, "connects, ACK withheld" if withheld else "connects")
    processed(site)
    pcb = site.pcb_with(port=port, ip=RAW_IP, remote_port=raw.local[1])
    made.conn = pcb.conn if pcb else None
    told.said.append(said)


def listen(site: Site, args: _Args, told: Told) -> None:
    """Wait for the board."""
    port = int(args["PORT"])
    for each in site.raws.values():
        if isinstance(each, RawListener) and each.port == port:
            raise Mistake(site.tr("{name} listens there already", name=each.name))
    site.raw_host.listen(port)
    made = RawListener(site.new_name("r"), port, args.get("HOW") != "withhold-ack")
    site.raws[made.name] = made
    site.record.note("raw", f"{made.name} listens at {RAW_IP}:{port}")
    told.said.append(
        site.tr(
            "{name} waits at {ip}:{port}: `board connect {port}` goes there",
            name=made.name,
            ip=RAW_IP,
            port=port,
        )
        if made.answers
        else site.tr(
            "{name} waits at {ip}:{port} and will answer no SYN: `board connect {port}` goes there",
            name=made.name,
            ip=RAW_IP,
            port=port,
        )
    )
