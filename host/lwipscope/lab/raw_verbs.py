"""The verbs of raw peers: each sends one segment, or says how a connection is to behave.

After each the board has processed what was sent (`RawPeer.fence`), so what the verb tells is what
came of it. Source: RFC 9293 3.5 and 3.6 (figures 6, 12, 13).
"""

from __future__ import annotations

import contextlib

from lwipscope.errors import DeadlineExceeded, LwipscopeError, UsageError
from lwipscope.lab.mistakes import Mistake
from lwipscope.lab.raw_end import RawEnd
from lwipscope.lab.site import STEP_S, Site, Told
from lwipscope.lab.text import typed
from lwipscope.tcp.state import State

_Args = dict[str, str]


def ack(site: Site, args: _Args, told: Told) -> None:
    """Acknowledge all that has come; the board's SYN with SYN+ACK."""
    end = _open_end(site, args)
    if end.polite is not None:
        end.polite.resume_acks()
        _did(
            site,
            end,
            told,
            site.tr("{name} acknowledges again", name=end.name),
            "acknowledges again",
        )
        return
    if end.syn_waits:
        end.syn_waits = False
        end.raw.send("S.")
        _did(site, end, told, site.tr("{name} sent SYN+ACK", name=end.name), "sends SYN+ACK")
        return
    end.ack_waits = False
    taken = b"".join(seen.segment.payload for seen in end.raw.skip())
    end.raw.send(".")
    said = site.tr("{name} sent ACK", name=end.name)
    if taken:
        said += site.tr("; it had got {data!r}", data=taken)
    _did(site, end, told, said, "sends ACK")


def send(site: Site, args: _Args, told: Told) -> None:
    """One segment with data."""
    end, data = _open_end(site, args), typed(args["TEXT"])
    if end.polite is not None:
        end.polite.send(data)
    else:
        end.raw.send("P.", data)
    said = site.tr("{name} sent {count} bytes", name=end.name, count=len(data))
    _did(site, end, told, said, f"sends {data!r}")


def fin(site: Site, args: _Args, told: Told) -> None:
    """FIN; what has come stays unacknowledged."""
    end = _open_end(site, args)
    fin_waits = end.fin_waits
    if end.polite is not None:
        end.polite.close()
    else:
        end.raw.send("F.")
    said = site.tr("{name} sent FIN", name=end.name)
    if fin_waits and end.polite is None:
        said += site.tr(", without acknowledging the board's FIN: the two have crossed")
    _did(site, end, told, said, "sends FIN")


def fin_ack(site: Site, args: _Args, told: Told) -> None:
    """FIN with the acknowledgement of all that has come."""
    end = _open_end(site, args)
    if end.polite is not None:
        end.polite.resume_acks()
        end.polite.close()
    else:
        end.raw.skip()
        end.raw.send("F.")
    _did(
        site,
        end,
        told,
        site.tr("{name} sent FIN+ACK in one segment", name=end.name),
        "sends FIN+ACK",
    )


def rst(site: Site, args: _Args, told: Told) -> None:
    """RST."""
    end = _open_end(site, args)
    if end.polite is not None:
        end.polite.reset()
    else:
        end.raw.send("R." if end.syn_waits else "R")
    end.ended = "RST"
    _did(
        site,
        end,
        told,
        site.tr("{name} sent RST and has forgotten the connection", name=end.name),
        "sends RST",
    )


def silent(site: Site, args: _Args, told: Told) -> None:
    """Nothing is answered any more."""
    end = _open_end(site, args)
    end.raw.on_segment = None
    end.polite = None
    _did(
        *(site, end, told, site.tr("{name} answers nothing from now on", name=end.name)),
        "is silent from now on",
    )


def polite(site: Site, args: _Args, told: Told) -> None:
    """A TCP takes over."""
    end = _open_end(site, args)
    if end.polite is None:
        _take_over(site, end)
    else:
        end.polite.resume_acks()
    _did(
        *(site, end, told, site.tr("{name} behaves by itself from now on", name=end.name)),
        "behaves by itself from now on",
    )


def withhold(site: Site, args: _Args, told: Told) -> None:
    """A TCP that acknowledges nothing more."""
    end = _open_end(site, args)
    if end.polite is None:
        said = site.tr(
            "{name} acknowledges nothing by itself anyway; `raw ack {name}` does", name=end.name
        )
    else:
        end.polite.withhold_acks()
        said = site.tr(
            "{name} acknowledges nothing more; `raw ack {name}` ends that", name=end.name
        )
    _did(site, end, told, said, "withholds acknowledgements")


def close_crossing(site: Site, args: _Args, told: Told) -> None:
    """The board's FIN is under way when the peer's is sent."""
    site.need_agent()
    end, socket = _open_end(site, args), site.socket(args["S"])
    if end.conn is None or end.conn != socket.conn:
        raise Mistake(
            site.tr(
                "{s} and {r} are not the two ends of one connection: {s} is c{a}, {r} is c{b}",
                s=socket.name,
                r=end.name,
                a=socket.conn or "-",
                b=end.conn or "-",
            )
        )
    if site.record.live.state(end.conn) is not State.ESTABLISHED or end.fin_sent:
        raise Mistake(
            site.tr(
                "both ends must be in ESTABLISHED for a simultaneous close; {s} is in {state}",
                s=socket.name,
                state=site.record.live.state(end.conn),
            )
        )
    if end.polite is not None:
        end.polite.withhold_acks()
    socket.handle.close()
    socket.closed = True
    told.python.append(f"{socket.name}.close()")
    processed(site)  # the board's FIN has come, and nothing acknowledges it
    fin(site, args, told)
    if site.record.live.state(end.conn) is State.CLOSING:
        told.said.append(
            site.tr(
                "the board is in CLOSING: both FINs were under way. `raw ack {name}` acknowledges "
                "the board's: TIME_WAIT",
                name=end.name,
            )
        )


def _take_over(site: Site, end: RawEnd) -> None:
    if end.syn_waits:
        end.syn_waits = False
        end.polite = site.raw_host.polite(end.raw)
        end.polite.accept(timeout_s=STEP_S)
        return
    if end.ack_waits:
        end.ack_waits = False
        end.raw.send(".")
    try:
        end.polite = site.raw_host.polite(end.raw)
    except UsageError as error:
        raise Mistake(
            site.tr(
                "{name} has sent its FIN already: it can only be told what to send "
                "(`raw ack {name}`)",
                name=end.name,
            )
        ) from error


def _open_end(site: Site, args: _Args) -> RawEnd:
    site.need_board()
    end = site.raw(args["R"])
    if end.ended:
        raise Mistake(
            site.tr(
                "{name} is over ({why}); `raw connect` makes another", name=end.name, why=end.ended
            )
        )
    return end


def _did(site: Site, end: RawEnd, told: Told, said: str, note: str) -> None:
    told.said.append(said)
    noted(site, end, note)
    processed(site)


def noted(site: Site, end: RawEnd, text: str) -> None:
    """For the record."""
    site.record.note("raw", f"{end.name} {text}")


def processed(site: Site) -> None:
    """The board has processed all that was sent, and its answers have come."""
    try:
        site.raw_host.fence(site.board.ip, STEP_S)
    except DeadlineExceeded:
        return  # whoever asks the board next tells that it is gone
    with contextlib.suppress(LwipscopeError):
        site.board.port.sync(STEP_S)
