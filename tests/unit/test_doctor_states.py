"""The table of states, against the graph, the library of scenarios and the tour."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lwipscope.doctor import (
    cache,
    clock,
    examination,
    firewall,
    interfaces,
    machine,
    page,
    rights,
    serial_ports,
    states,
    tools,
    wireless,
)
from lwipscope.doctor.examination import Facts, Target, examine
from lwipscope.doctor.finding import Mark
from lwipscope.doctor.states import Able, Verdict
from lwipscope.doctor.ways import BOTH, WITH_RAW, WITHOUT_RIGHTS, Role
from lwipscope.errors import UsageError
from lwipscope.report.style import Style
from lwipscope.scenario import tour
from lwipscope.scenario.library import scenario_named
from lwipscope.tcp.graph import graph_of
from lwipscope.tcp.state import State

EMULATED = Able("emulated")
REAL = Able("real", raw_why="not permitted", raw_command="sudo setcap ...")
NEVER = {(State.LISTEN, "client"), (State.SYN_SENT, "server"), (State.SYN_RCVD, "client")}


def verdicts(able: Able) -> dict[tuple[State, Role], Verdict]:
    return {(cell.state, cell.role): cell.verdict for cell in states.table(able)}


def keys(able: Able, verdict: Verdict) -> set[tuple[State, Role]]:
    return {key for key, value in verdicts(able).items() if value is verdict}


def test_what_this_stack_never_reaches_is_what_the_tour_says() -> None:
    assert keys(EMULATED, Verdict.NEVER) == NEVER == set(tour._ABSENT)
    assert len(verdicts(EMULATED)) == len(State) * len(BOTH)
    reasons = {cell.state: cell.why for cell in states.held(states.table(REAL), Verdict.NEVER)}
    assert "tcp_in.c:tcp_process:863" in reasons[State.SYN_RCVD], "from the graph's absences"
    assert "tcp_write() refuses it" in reasons[State.SYN_SENT]


def test_emulated_board_can_be_held_in_all_others() -> None:
    assert set(verdicts(EMULATED).values()) == {Verdict.NOW, Verdict.NEVER}
    for cell in states.table(EMULATED):
        assert cell.verdict is Verdict.NEVER or (cell.way and cell.way.by == "raw peer")


def test_real_board_without_rights() -> None:
    assert keys(REAL, Verdict.WITH_RAW) == {(State.SYN_RCVD, "server")}
    (cell,) = states.held(states.table(REAL), Verdict.WITH_RAW)
    assert cell.command == "sudo setcap ..."
    by = {cell.state: cell.way.by for cell in states.table(REAL) if cell.way}
    assert by[State.FIN_WAIT_1] == by[State.CLOSING] == by[State.LAST_ACK] == "stopped reader"
    assert by[State.FIN_WAIT_2] == "silent peer" and by[State.SYN_SENT] == "dead address"


def test_real_board_with_the_right_and_where_nobody_can_have_it() -> None:
    assert keys(replace(REAL, raw=True), Verdict.NEVER) == NEVER
    assert keys(replace(REAL, raw_command=""), Verdict.NEVER) == NEVER | {
        (State.SYN_RCVD, "server")
    }


def test_unknown_stack_is_not_called_impossible() -> None:
    able = replace(REAL, profile="unknown")
    assert (State.SYN_RCVD, "client") in keys(able, Verdict.UNKNOWN)
    assert (State.SYN_RCVD, "client") not in keys(able, Verdict.NEVER)


def test_profile_without_a_graph_is_unknown() -> None:
    assert verdicts(replace(REAL, profile="esp-lwip-sockets")) == verdicts(
        replace(REAL, profile="unknown")
    )


def test_no_board() -> None:
    assert set(verdicts(Able("emulated", usable=False)).values()) == {
        Verdict.NO_BOARD,
        Verdict.NEVER,
    }


@pytest.mark.parametrize("way", WITH_RAW, ids=lambda way: way.state.name)
def test_every_scenario_gets_to_its_state(way: states.Way) -> None:
    path = scenario_named(way.scenario).expected.path
    assert way.state is State.CLOSED or way.state.name in path or way.state is State.LISTEN
    assert way.source


def test_ways_and_graph_agree() -> None:
    graph = graph_of("modlwip-2.2.1")
    for way in (*WITHOUT_RIGHTS, *WITH_RAW):
        for role in way.roles:
            assert way.state in states.reached(graph, role), way
    for role in BOTH:
        reachable = states.reached(graph, role)
        assert {way.state for way in WITH_RAW if role in way.roles} == reachable


# Everything together.

FULL = Facts(
    machine=machine.Machine(user="eve"),
    tools=tools.ToolFacts(qemu="QEMU 7", qemu_machines=frozenset(tools.MACHINES)),
    rights=rights.RightsFacts(raw_why="Operation not permitted", bounding=(1 << 41) - 1),
    serial=serial_ports.SerialFacts(),
    network=interfaces.NetworkFacts(),
    firewall=firewall.FirewallFacts(),
    wireless=wireless.WirelessFacts(),
    clock=clock.ClockFacts(2e9, 1e9),
    cache=cache.CacheFacts("/c", built=frozenset({"roomy"})),
)
USB = serial_ports.SerialFacts((serial_ports.Port("/dev/ttyUSB0", "CP2102", 0x10C4, "dialout"),))
NO_QEMU = replace(FULL, tools=tools.ToolFacts())


@pytest.mark.parametrize(
    ("facts", "target", "usable"),
    [
        (FULL, Target(), True),
        (NO_QEMU, Target(), False),
        (replace(NO_QEMU, serial=USB), Target(), True),
        (replace(FULL, cache=cache.CacheFacts("/c")), Target(), False),
        (replace(FULL, cache=cache.CacheFacts("/c", mirror=True)), Target(), True),
        (FULL, Target("real", port="/dev/ttyUSB0"), False),
        (replace(NO_QEMU, serial=USB), Target("real", port="/dev/ttyUSB0"), True),
        (replace(NO_QEMU, serial=USB), Target("emulated"), False),
        (FULL, Target("emulated", qemu_machine="mps2-an500"), True),
    ],
)
def test_whether_a_board_could_be_used(facts: Facts, target: Target, usable: bool) -> None:
    assert examine(facts, target).usable is usable


def test_page_is_plain_without_a_terminal_and_names_the_command() -> None:
    report = examine(FULL, Target())
    text = "\n".join(page.lines(report, Style(colour=False, unicode=False)))
    assert text.isascii() and "\x1b" not in text
    assert "needs CAP_NET_RAW: sudo setcap cap_net_raw+ep /usr/bin/python3" in text
    assert text.splitlines()[-1].endswith("a board can be used")


def test_hostile_names_do_not_reach_the_terminal() -> None:
    bad = serial_ports.Port("/dev/ttyUSB0", "\x1b[2Jboard", 0x10C4)
    report = examine(replace(FULL, serial=serial_ports.SerialFacts((bad,))), Target())
    assert "\x1b" not in "\n".join(page.lines(report, Style()))


def test_target_of_options() -> None:
    assert Target.of(None, None, None).kind == "any"
    assert Target.of(None, None, "10.0.0.7").kind == "any", "an address excludes nothing"
    assert Target.of(None, "/dev/ttyUSB0", None).kind == "real"
    assert Target.of("qemu-mps2-an500", None, None).qemu_machine == "mps2-an500"
    for wrong in ((None, None, "ten"), ("qemu-mps2-an385", None, "10.0.0.7"), ("qemo", None, None)):
        with pytest.raises(UsageError):
            Target.of(*wrong)


def test_emulated_board_needs_neither_serial_port_nor_network() -> None:
    report = examine(FULL, Target("emulated"))
    areas = dict(report.areas)
    assert [one.mark for one in areas["serial"] + areas["network"]] == [Mark.UNSEEN] * 2
    assert [kind for kind, _ in report.tables] == ["emulated"]


def test_nothing_is_collected_while_examining(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise AssertionError("examine looks at nothing but its facts")

    modules: tuple[tuple[object, str], ...] = (
        (examination.machine, "collect"),
        (rights, "_system"),
        (tools, "ask"),
        (wireless, "ask"),
        (interfaces, "ask"),
        (firewall, "ask"),
        (interfaces, "read"),
        (rights, "read"),
    )
    for module, name in modules:
        monkeypatch.setattr(module, name, forbidden)
    assert examine(FULL, Target()).areas
