"""`lwipscope scenarios`, `run-scenario` and `tour`, as a person types them."""

from __future__ import annotations

import argparse
import re
import sys

import pytest

from cli.harness import Desk, one_message
from lwipscope.cli import scenarios
from lwipscope.scenario.library import EVERY
from lwipscope.scenario.scenario import Scenario
from lwipscope.wire.rule_text import parse_rule

HELD = "syn-rcvd-held"
PLAIN = "server-peer-closes-first"
# The command, in a tree whose expectations are wrong.
_WRONG = """
import sys
from dataclasses import replace
from lwipscope.cli import main, run_scenario
named = run_scenario.scenario_named
run_scenario.scenario_named = lambda name: replace(
    named(name), expected=replace(named(name).expected, path="LISTEN > SYN_RCVD > CLOSED")
)
sys.exit(main(sys.argv[1:]))
"""
TOUR_LIMIT_S = 3.0
STATES = (
    *("CLOSED", "LISTEN", "SYN_SENT", "SYN_RCVD", "ESTABLISHED", "FIN_WAIT_1", "FIN_WAIT_2"),
    *("CLOSE_WAIT", "CLOSING", "LAST_ACK", "TIME_WAIT"),
)
ABSENT = {("LISTEN", "client"), ("SYN_SENT", "server"), ("SYN_RCVD", "client")}


def test_scenarios_lists_all(desk: Desk) -> None:
    done = desk.run("scenarios")
    assert (done.code, done.err) == (0, "")
    listed = re.findall(r"^  (\S+)  +\S", done.out, re.M)
    assert listed == [scenario.name for scenario in EVERY]
    assert f"{len(EVERY)} scenarios" in done.out
    assert max(map(len, done.out.splitlines())) <= 100


@pytest.mark.parametrize("scenario", EVERY, ids=lambda s: s.name)
def test_an_explanation_fits(scenario: Scenario, capsys: pytest.CaptureFixture[str]) -> None:
    assert scenarios.run(argparse.Namespace(name=scenario.name, coverage=False, json=False)) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{scenario.name}: ")
    assert max(map(len, out.splitlines())) <= 100


def test_scenarios_explains_one(desk: Desk) -> None:
    done = desk.run("scenarios", "accept-queue-full")
    assert (done.code, done.err) == (0, "")
    for word in ("path ", "beside it ", "source ", "needs ", "profiles ", "boards ", "deviation "):
        assert re.search(f"^{word}", done.out, re.M), done.out
    assert "LISTEN > SYN_RCVD > ESTABLISHED > CLOSED (server)" in done.out


@pytest.mark.parametrize("command", ["scenarios", "run-scenario"])
def test_a_name_that_does_not_exist(desk: Desk, command: str) -> None:
    done = desk.run(command, "syn-rcvd-hold")
    assert (done.code, done.out) == (2, "")
    assert "'syn-rcvd-hold'; did you mean syn-rcvd-held" in one_message(done)


def test_run_scenario_shows_it(desk: Desk, wire: str) -> None:
    done = desk.run("run-scenario", HELD, "--wire", wire, "--log-dir", desk.logs)
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^SYN_RCVD, held$", done.out, re.M)
    assert re.search(r"── SYN seq=0 mss=1460 ─+▶  SYN_RCVD +rx SYN$", done.out, re.M)
    assert len(re.findall(r"◀─+ SYN\+ACK seq=0 ack=1", done.out)) == 2
    assert re.search(r"^path +LISTEN > SYN_RCVD$", done.out, re.M)
    assert re.search(r"^verdict +✓ PASS$", done.out, re.M)
    assert (desk.logs / f"{HELD}.wire.pcapng").exists()
    assert max(map(len, done.out.splitlines())) <= 100


def test_run_scenario_shows_the_connections_beside_it(desk: Desk) -> None:
    done = desk.run("run-scenario", "accept-queue-full", "--log-dir", desk.logs)
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^beside it +LISTEN > SYN_RCVD > ESTABLISHED$", done.out, re.M)


def test_bisect_good(desk: Desk) -> None:
    done = desk.run("run-scenario", HELD, "--bisect", "--log-dir", desk.logs)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("options", [("--bisect",), ()])
def test_bad(desk: Desk, options: tuple[str, ...]) -> None:
    arguments = ("run-scenario", HELD, "--log-dir", desk.logs, *options)
    done = desk.start_other(sys.executable, "-c", _WRONG, *arguments).finish()
    assert (done.code, done.err) == (1, "")
    assert "✗ FAIL" in done.out


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (("syn-rcvd-hold",), {}),
        ((HELD, "--firmware", "/nonexistent"), {}),
        ((HELD, "--log-dir", "/dev/null/here"), {}),
        ((HELD,), {"PATH": "/nonexistent"}),
    ],
)
def test_bisect_cannot_tell(desk: Desk, arguments: tuple[str, ...], env: dict[str, str]) -> None:
    """git takes every other code up to 127 for a bad tree."""
    done = desk.run("run-scenario", "--bisect", *arguments, **env)
    assert done.code == 125
    assert one_message(done)


def test_a_board_that_it_is_not_for(desk: Desk) -> None:
    done = desk.run("run-scenario", HELD, "--board", "pico-w")
    assert (done.code, done.out) == (2, "")
    assert "qemu-mps2-an385" in one_message(done)


def test_the_tour_has_all_states_in_both_roles(desk: Desk, wire: str) -> None:
    done = desk.run("tour", "--wire", wire, "--log-dir", desk.logs)
    assert (done.code, done.err) == (0, "")
    rows = re.findall(r"^([A-Z_12]+) +(server|client) +(✓|-) (.*)$", done.out, re.M)
    assert [row[:2] for row in rows] == [(s, r) for s in STATES for r in ("server", "client")]
    assert {row[:2] for row in rows if row[2] == "-"} == ABSENT
    assert all("lwIP can't" in row[3] for row in rows if row[2] == "-")
    assert "19 of 22 reached, 3 that lwIP does not have" in done.out
    seconds = re.search(r"scenarios and ([\d.]+) s$", done.out, re.M)
    assert seconds is not None
    assert float(seconds[1]) <= TOUR_LIMIT_S


def test_trouble_is_told_with_its_seed(desk: Desk) -> None:
    rules = ("--trouble", "drop 1 S. from-board", "--trouble", "duplicate p=0.5", "--seed", "7")
    done = desk.run("run-scenario", PLAIN, *rules, "--log-dir", desk.logs)
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^trouble +drop 1 S\. from-board: once$", done.out, re.M)
    assert re.search(r"^ +duplicate p=0\.5: (once|\d+ times|it met no segment)$", done.out, re.M)
    assert re.search(r"^ +chance came from seed 7$", done.out, re.M)
    assert re.search(r"^ +dropped S\. seq=\d+ ack=\d+ len=0 from-board$", done.out, re.M)
    assert re.search(r"^peer path +SYN_SENT > ESTABLISHED > FIN_WAIT_1 > ", done.out, re.M)
    assert max(map(len, done.out.splitlines())) <= 100


def test_trouble_that_breaks_it_is_a_mismatch(desk: Desk) -> None:
    rules = ("--trouble", "drop S to-board")
    done = desk.run("run-scenario", HELD, *rules, "--bisect", "--log-dir", desk.logs)
    assert (done.code, done.err) == (1, "")
    assert "a step failed: " in done.out
    assert "dropped S seq=" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--trouble", "drop SYN"), "'S' for 'SYN'"),
        (("--trouble", "lose 1"), "known are drop, delay, duplicate, reorder"),
        (("--trouble", ""), "an empty rule"),
        (("--number", "3"), "--clock manual"),
    ],
)
def test_options_that_make_no_sense(desk: Desk, arguments: tuple[str, ...], said: str) -> None:
    done = desk.run("run-scenario", HELD, *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in one_message(done)


def test_the_help_shows_rules_that_work(desk: Desk) -> None:
    done = desk.run("run-scenario", "--help")
    examples = re.findall(r"^  --trouble '([^']+)'", done.out, re.M)
    assert len(examples) >= 5
    for text in examples:
        parse_rule(text)
    assert max(map(len, done.out.splitlines())) <= 100


def test_the_manual_clock_makes_runs_equal(desk: Desk) -> None:
    def play(*options: str) -> str:
        arguments = ("--clock", "manual", *options, "--log-dir", desk.logs)
        done = desk.run("run-scenario", "close-second", *arguments)
        assert (done.code, done.err) == (0, "")
        return done.out

    assert play("--seed", "4", "--number", "9") == play("--seed", "4", "--number", "9")


@pytest.mark.parametrize("name", ["client-refused", PLAIN])
def test_the_manual_clock_is_not_for_kernel_peers(desk: Desk, name: str) -> None:
    done = desk.run("run-scenario", name, "--clock", "manual")
    assert (done.code, done.out) == (2, "")
    said = one_message(done)
    assert f"{name} can't be played with the manual clock" in said
    assert "raw peer" in said


# The command, with a board that breaks in the middle of the scenario, or that never speaks.
_BROKEN = """
import os, signal, sys
from dataclasses import replace
from lwipscope.board import emulated
from lwipscope.cli import main, run_scenario
how = sys.argv.pop(1)
named = run_scenario.scenario_named
def broken(stage):
    named("syn-rcvd-held").play(stage)
    if how == "kill":
        os.kill(stage.board.pid, signal.SIGKILL)
        stage.board.alive(10.0)
    elif how == "unplug":
        stage.board._qmp.command("netdev_del", id="wire")
if how == "mute":
    emulated.START_TIMEOUT_S = 1.0
    options = run_scenario.StartOptions
    run_scenario.StartOptions = lambda **more: options(extra_qemu_args=("-S",), **more)
run_scenario.scenario_named = lambda name: replace(named(name), play=broken)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("kill", "SIGKILL"),
        ("unplug", "the board's end of the wire is gone"),
        ("mute", "firmware without the transition tracer"),
    ],
)
@pytest.mark.parametrize(("options", "code"), [((), 4), (("--bisect",), 125)])
def test_broken_evidence_is_not_bad(
    desk: Desk, how: str, said: str, options: tuple[str, ...], code: int
) -> None:
    arguments = ("run-scenario", HELD, "--log-dir", desk.logs, *options)
    done = desk.start_other(sys.executable, "-c", _BROKEN, how, *arguments).finish()
    assert done.code == code
    assert said in " ".join((done.out + done.err).split())
    assert "✓ PASS" not in done.out and "✗ FAIL" not in done.out
