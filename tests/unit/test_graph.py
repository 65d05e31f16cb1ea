"""Asking graphs: what is legal, what is near, and how the RFC's and lwIP's differ."""

from __future__ import annotations

import pytest

from lwipscope.errors import UsageError
from lwipscope.tcp.comparison import Row, compare, met_key
from lwipscope.tcp.graph import PROFILES, graph_of, profile_of
from lwipscope.tcp.path import path_text
from lwipscope.tcp.state import State

LWIP = graph_of("modlwip-2.2.1")
RFC = graph_of("rfc9293")
S = State


@pytest.mark.parametrize(
    ("before", "after", "cause", "site"),
    [
        (S.CLOSED, S.LISTEN, "api:listen", "tcp.c:890"),
        (S.CLOSED, S.SYN_RCVD, "rx:SEW", "tcp_in.c:680"),
        (S.SYN_SENT, S.ESTABLISHED, "rx:S.", "tcp_in.c:877"),
        (S.SYN_RCVD, S.ESTABLISHED, "rx:FP.", "tcp_in.c:942"),
        (S.ESTABLISHED, S.CLOSE_WAIT, "rx:F", "tcp_in.c:998"),
        (S.ESTABLISHED, S.CLOSE_WAIT, "rx:P.", "tcp_in.c:1608"),
        (S.ESTABLISHED, S.CLOSED, "rx:.,abort", "tcp.c:2212"),
        (S.ESTABLISHED, S.CLOSED, "rx:R.", "tcp.c:2212"),
        (S.CLOSE_WAIT, S.LAST_ACK, "gc:close", "tcp.c:434"),
        (S.FIN_WAIT_2, S.CLOSED, "timer:close-abort", "tcp.c:2212"),
        (S.TIME_WAIT, S.CLOSED, "timer:2MSL", ""),
        (S.CLOSED, S.CLOSED, "api:listen", ""),
    ],
)
def test_legal_in_lwip(before: State, after: State, cause: str, site: str) -> None:
    edge = LWIP.legal(before, after, cause, site)
    assert edge is not None
    assert (edge.before, edge.after, edge.site) == (before, after, site)


@pytest.mark.parametrize(
    ("before", "after", "cause", "site"),
    [
        (S.SYN_SENT, S.SYN_RCVD, "rx:S", "tcp_in.c:680"),  # simultaneous open
        (S.ESTABLISHED, S.CLOSE_WAIT, "rx:.", "tcp_in.c:983"),  # no FIN in it
        (S.ESTABLISHED, S.CLOSE_WAIT, "rx:F.", "tcp_in.c:1029"),  # another's store
        (S.ESTABLISHED, S.CLOSE_WAIT, "rx:F.", ""),  # no store
        (S.TIME_WAIT, S.CLOSED, "rx:R", "tcp.c:2212"),  # RFC 1337
        (S.TIME_WAIT, S.CLOSED, "timer:2MSL", "tcp.c:2212"),  # freed without a store
        (S.SYN_RCVD, S.ESTABLISHED, "rx:S.", "tcp_in.c:942"),
        (S.LAST_ACK, S.CLOSED, "timer:2MSL", ""),
        (S.ESTABLISHED, S.FIN_WAIT_1, "-", "tcp.c:427"),
    ],
)
def test_illegal_in_lwip(before: State, after: State, cause: str, site: str) -> None:
    assert LWIP.legal(before, after, cause, site) is None


@pytest.mark.parametrize("profile", ["rfc9293", "unknown"])
def test_rfc_legality_looks_at_the_states_only(profile: str) -> None:
    graph = graph_of(profile)
    assert graph.legal(S.SYN_SENT, S.SYN_RCVD, "-") is not None
    assert graph.legal(S.TIME_WAIT, S.CLOSED, "kill:pool-empty", "tcp.c:2212") is not None
    assert graph.legal(S.ESTABLISHED, S.LAST_ACK, "-") is None
    assert graph.legal(S.TIME_WAIT, S.ESTABLISHED, "rx:S") is None
    fitting = graph.legal(S.FIN_WAIT_1, S.CLOSED, "rx:R.")
    assert fitting is not None
    assert str(fitting.trigger) == "rx RST", "the trigger that fits, if one does"


def test_an_accepted_connection_may_be_a_pcb_of_its_own() -> None:
    edge = graph_of("unknown").legal(S.CLOSED, S.SYN_RCVD, "rx:S", "tcp_in.c:680")
    assert edge is not None
    assert edge.before is S.LISTEN


def test_edges_from_and_between() -> None:
    ways = {e.after for e in LWIP.edges_from(S.FIN_WAIT_1)}
    assert ways == {S.FIN_WAIT_2, S.CLOSING, S.TIME_WAIT, S.CLOSED}
    assert {e.site for e in LWIP.between(S.ESTABLISHED, S.CLOSE_WAIT)} == {
        "tcp_in.c:983",
        "tcp_in.c:998",
        "tcp_in.c:1608",
    }
    assert LWIP.between(S.LISTEN, S.SYN_SENT) == ()


def test_what_is_unreachable_is_an_edge_all_the_same() -> None:
    edge = LWIP.legal(S.SYN_RCVD, S.FIN_WAIT_1, "api:close", "tcp.c:420")
    assert edge is not None
    assert edge.unreachable
    assert edge not in LWIP.reachable()
    assert len(LWIP.reachable()) < len(LWIP.edges)


def test_paths_of_a_server_are_those_of_the_figure() -> None:
    long_ways = [p for p in LWIP.paths(S.SYN_RCVD) if S.TIME_WAIT in p or S.LAST_ACK in p]
    assert sorted(map(path_text, long_ways)) == [
        "SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED",
        "SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > CLOSING > TIME_WAIT > CLOSED",
        "SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT > CLOSED",
        "SYN_RCVD > ESTABLISHED > FIN_WAIT_1 > TIME_WAIT > CLOSED",
    ]
    assert any(p[1] is S.FIN_WAIT_1 for p in RFC.paths(S.SYN_RCVD)), "the RFC has a shorter one"


def test_profiles() -> None:
    assert {graph_of(profile).profile for profile in PROFILES} == set(PROFILES)
    assert graph_of("modlwip-2.2.1") is LWIP
    with pytest.raises(UsageError, match=r"did you mean 'modlwip-2\.2\.1'"):
        graph_of("modlwip-2.2.0")
    with pytest.raises(UsageError, match="rfc9293"):
        graph_of("???")
    assert profile_of("2.2.1", "1.25.0") == "modlwip-2.2.1"
    assert profile_of("2.1.3", "1.25.0") == "unknown"
    assert profile_of("2.2.1", "1.26.0") == "unknown"


def row(rows: list[Row], states: str, trigger: str) -> Row:
    (found,) = (
        r
        for r in rows
        if r.rfc is not None
        and f"{r.rfc.before} > {r.rfc.after}" == states
        and str(r.rfc.trigger) == trigger
    )
    return found


def test_comparison_judges_every_edge_and_gives_reasons() -> None:
    rows = compare(RFC, LWIP)
    assert [r.rfc for r in rows if r.rfc is not None] == list(RFC.edges)
    assert all(r.reason for r in rows if r.finding != "same"), [r.text() for r in rows]
    told = {e for r in rows for e in r.stack}
    changing = {e for e in LWIP.edges if e.before is not e.after}
    assert told | {e for e in changing if e.unreachable} == changing


def test_comparison_finds_what_lwip_lacks_in_figure_5() -> None:
    rows = [r for r in compare(RFC, LWIP) if r.rfc is not None and "figure 5" in r.rfc.source]
    lacking = {f"{r.rfc.before} > {r.rfc.after}" for r in rows if r.rfc and r.finding != "same"}
    assert lacking == {
        "LISTEN > SYN_SENT",
        "SYN_SENT > SYN_RCVD",
        "SYN_RCVD > FIN_WAIT_1",
    }


def test_comparison_in_detail() -> None:
    rows = compare(RFC, LWIP)
    assert row(rows, "LISTEN > SYN_RCVD", "rx SYN").stack[0].before is S.CLOSED
    fin = row(rows, "ESTABLISHED > CLOSE_WAIT", "rx FIN")
    assert fin.finding == "same"
    assert {e.site for e in fin.stack} == {"tcp_in.c:983", "tcp_in.c:998", "tcp_in.c:1608"}
    absent = row(rows, "TIME_WAIT > CLOSED", "rx RST")
    assert absent.finding == "only RFC"
    assert "RFC 1337" in absent.text()
    killed = [r for r in rows if r.finding == "only stack" and "kill" in r.text()]
    assert {r.stack[0].before for r in killed if "no program" not in r.reason} == {
        S.TIME_WAIT,
        S.LAST_ACK,
        S.CLOSING,
    }


def test_references_between_the_graphs_hold() -> None:
    """What lwIP's edges meet exists in the RFC; what is called absent is met by none."""
    known = {(e.before, e.after, str(e.trigger)) for e in RFC.edges}
    met = {met_key(e) for e in LWIP.edges if e.meets}
    assert met <= known
    absent = {(a.before, a.after, a.trigger) for a in LWIP.absences}
    assert absent <= known
    assert not absent & met
    assert all(a.source.startswith("lwIP 2.2.1 ") for a in LWIP.absences)
