"""The edges as data: complete against the pinned sources, each with a source, none ambiguous."""

from __future__ import annotations

import itertools
import re

import pytest

from lwipscope.errors import UsageError
from lwipscope.firmware.generate import STORES
from lwipscope.paths import share_dir
from lwipscope.tcp import modlwip, rfc9293
from lwipscope.tcp.edge import Edge, Trigger, edges_of, pair
from lwipscope.tcp.state import State

LWIP = modlwip.edges()
RFC = rfc9293.edges()

# RFC 9293 figure 5, read off the drawing: top to bottom.
FIGURE_5 = """
    CLOSED > LISTEN: api passive OPEN
    CLOSED > SYN_SENT: api active OPEN
    LISTEN > CLOSED: api CLOSE
    LISTEN > SYN_RCVD: rx SYN
    LISTEN > SYN_SENT: api SEND
    SYN_RCVD > LISTEN: rx RST
    SYN_SENT > CLOSED: api CLOSE
    SYN_SENT > SYN_RCVD: rx SYN
    SYN_SENT > ESTABLISHED: rx SYN+ACK
    SYN_RCVD > ESTABLISHED: rx ACK of SYN
    SYN_RCVD > FIN_WAIT_1: api CLOSE
    ESTABLISHED > FIN_WAIT_1: api CLOSE
    ESTABLISHED > CLOSE_WAIT: rx FIN
    FIN_WAIT_1 > FIN_WAIT_2: rx ACK of FIN
    FIN_WAIT_1 > CLOSING: rx FIN
    FIN_WAIT_2 > TIME_WAIT: rx FIN
    CLOSING > TIME_WAIT: rx ACK of FIN
    CLOSE_WAIT > LAST_ACK: api CLOSE
    LAST_ACK > CLOSED: rx ACK of FIN
    TIME_WAIT > CLOSED: timer 2MSL
"""

# What the notes of the figure and section 3.10 have beside it: states before and after, trigger.
BESIDE_FIGURE_5 = {
    ("FIN_WAIT_1", "TIME_WAIT", "rx FIN and ACK of FIN"),
    ("LISTEN", "SYN_SENT", "api active OPEN"),
    ("SYN_RCVD", "CLOSE_WAIT", "rx FIN"),
    ("SYN_RCVD", "LISTEN", "rx SYN"),
    ("TIME_WAIT", "SYN_RCVD", "rx SYN"),
    ("ESTABLISHED", "CLOSED", "api CLOSE with data unread"),
    ("CLOSE_WAIT", "CLOSED", "api CLOSE with data unread"),
    ("FIN_WAIT_1", "CLOSED", "rx data after CLOSE"),
    ("FIN_WAIT_2", "CLOSED", "rx data after CLOSE"),
    *((s.name, "CLOSED", "rx RST") for s in State if s.value >= 2),
    *((s.name, "CLOSED", "api ABORT") for s in State if s.value >= 1),
    *((s.name, "CLOSED", "timer USER TIMEOUT") for s in State if 2 <= s.value <= 9),
    *((s.name, "CLOSED", "rx SYN in the window") for s in State if s.value >= 3),
}

ALL_FLAGS = ["".join(c) for n in range(9) for c in itertools.combinations("FSRP.UEW", n)]


def told(edge: Edge) -> tuple[str, str, str]:
    return edge.before.name, edge.after.name, str(edge.trigger)


def test_rfc_graph_is_figure_5_and_what_is_listed_beside_it() -> None:
    drawn = [line.strip() for line in FIGURE_5.strip().splitlines()]
    of_figure = [e for e in RFC if "figure 5" in e.source]
    assert sorted(f"{e.before} > {e.after}: {e.trigger}" for e in of_figure) == sorted(drawn)
    others = [told(e) for e in RFC if "figure 5" not in e.source]
    assert len(others) == len(set(others))
    assert set(others) == BESIDE_FIGURE_5
    assert len(RFC) == 20 + 44


def test_every_store_of_the_pinned_sources_is_an_edge_to_the_right_state() -> None:
    stores = {
        f"{path.rpartition('/')[2]}:{line}": state
        for path, lines in STORES.items()
        for line, state in lines.items()
    }
    assert len(stores) == 17
    sites = {e.site: e.after.name for e in LWIP if e.site}
    assert sites == stores
    assert all(e.after.name == stores[e.site] for e in LWIP if e.site)


def test_only_one_store_is_out_of_reach() -> None:
    """16 of the 17 can be driven on a board; the 17th has a proof."""
    reached = {e.site for e in LWIP if e.site and not e.unreachable}
    assert {e.site for e in LWIP if e.site} - reached == {"tcp.c:420"}


def test_every_edge_has_a_source_that_names_its_site() -> None:
    assert all(re.match(r"RFC 9293 (figure 5; )?3\.\d+", e.source) for e in RFC)
    for edge in LWIP:
        assert re.match(r"lwIP 2\.2\.1 (tcp|tcp_in|modlwip)\.c:\w+:\d+", edge.source), edge
        if edge.site:
            file, line = edge.site.split(":")
            assert re.search(rf"{file}:\w+:{line}$", edge.source), edge


def test_a_death_without_store_comes_from_a_state_and_goes_to_closed() -> None:
    assert all(e.after is State.CLOSED for e in LWIP if not e.site)
    assert all(e.before is not State.LISTEN for e in LWIP if not e.site)


@pytest.mark.parametrize("graph", [LWIP, RFC], ids=["lwip", "rfc"])
def test_no_edge_is_told_twice(graph: tuple[Edge, ...]) -> None:
    keys = [(*told(e), e.site) for e in graph]
    assert len(keys) == len(set(keys))


def test_no_cause_fits_two_edges_of_lwip() -> None:
    """Coverage counts the edge that was taken, so there has to be one."""
    rows = sorted(LWIP, key=lambda e: (e.before.value, e.after.value, e.site))
    for _, group in itertools.groupby(rows, key=lambda e: (e.before, e.after, e.site)):
        edges = list(group)
        causes = {f"{e.trigger.kind}:{e.trigger.detail}" for e in edges if e.trigger.kind != "rx"}
        for flags, abort in itertools.product(ALL_FLAGS, ("", ",abort")):
            causes.add(f"rx:{flags or 'none'}{abort}")
        for cause in causes:
            assert len([e for e in edges if e.trigger.fits(cause)]) <= 1, (cause, edges)


def test_triggers_of_lwip_are_the_causes_of_the_serial_protocol() -> None:
    """The names of firmware/README.md, which is normative for what the board writes."""
    text = (share_dir("firmware") / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| `timer:NAME` \| (.*)", text, re.MULTILINE)
    named = set(re.findall(r"`([\w-]+)`", row.replace("`close()`", "")))
    assert {e.trigger.detail for e in LWIP if e.trigger.kind == "timer"} == named
    kinds = set(re.findall(r"^\| `(\w+):[\w-]+`", text, re.MULTILINE))
    assert {e.trigger.kind for e in LWIP} == kinds
    assert {e.trigger.detail for e in LWIP if e.trigger.kind == "kill"} == {"pool-empty"}
    assert {e.trigger.detail for e in LWIP if e.trigger.kind == "netif"} == {"address"}


@pytest.mark.parametrize(
    ("states", "trigger"),
    [
        ("SYN_RCVD > FIN_WAIT_1", "api close"),
        ("ESTABLISHED > FIN_WAIT_1", "api shutdown"),
        ("CLOSE_WAIT > LAST_ACK", "api shutdown"),
        ("ESTABLISHED > CLOSED", "timer keepalive"),
        ("CLOSE_WAIT > CLOSED", "timer keepalive"),
        ("ESTABLISHED > CLOSED", "kill pool-empty"),
        ("CLOSING > CLOSED", "timer persist"),
    ],
)
def test_what_no_program_reaches_is_an_entry_with_proof(states: str, trigger: str) -> None:
    (edge,) = (e for e in LWIP if (e.before, e.after) == pair(states) and str(e.trigger) == trigger)
    assert len(edge.unreachable) > 80, "a proof, not a word"


def test_what_only_lwip_has_says_why() -> None:
    alone = [e for e in LWIP if not e.meets and e.before is not e.after]
    assert alone
    assert all(e.note for e in alone)


@pytest.mark.parametrize(
    ("trigger", "cause", "fits"),
    [
        (Trigger("rx", "FIN", must="F", never="SR"), "rx:FP.", True),
        (Trigger("rx", "FIN", must="F", never="SR"), "rx:.", False),
        (Trigger("rx", "FIN", must="F", never="SR"), "rx:FS", False),
        (Trigger("rx", "FIN", must="F", never="SR"), "rx:F.,abort", False),
        (Trigger("rx", "data", never="SR", aborted=True), "rx:P.,abort", True),
        (Trigger("rx", "data", never="SR", aborted=True), "rx:P.", False),
        (Trigger("rx", "anything"), "rx:none", True),
        (Trigger("rx", "ACK", must="."), "rx:none", False),
        (Trigger("timer", "2MSL"), "timer:2MSL", True),
        (Trigger("timer", "2MSL"), "timer:persist", False),
        (Trigger("api", "close"), "gc:close", False),
        (Trigger("api", "CLOSE"), "api:close", True),
        (Trigger("rx", "anything"), "-", False),
    ],
)
def test_trigger_fits(trigger: Trigger, cause: str, fits: bool) -> None:
    assert trigger.fits(cause) is fits


def test_several_states_before() -> None:
    edges = edges_of("CLOSING, LAST_ACK > CLOSED", Trigger("rx", "RST"), "somewhere")
    assert [e.before for e in edges] == [State.CLOSING, State.LAST_ACK]
    with pytest.raises(UsageError, match="BEFORE > AFTER"):
        pair("CLOSING")
