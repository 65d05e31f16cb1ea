"""All figures of `lwipscope bench`, with their targets, in the order in which they are measured.

That the oracle agrees with the tracer on every scenario has no figure here: it takes watchpoints
through QEMU's gdb stub, and `make test` decides it (tests/oracle).
"""

from __future__ import annotations

from typing import TypeAlias

from lwipscope.benchmark import (
    answering,
    connecting,
    grading,
    playing,
    running,
    seeing,
    starting,
    teaching,
    testing,
)
from lwipscope.benchmark.figure import Figure, Measurement
from lwipscope.benchmark.workshop import Workshop

Entry: TypeAlias = Measurement[Workshop]

_COMMAND = "command to answer"


def _command_figures(name: str, when: str) -> tuple[Figure, Figure]:
    return (
        Figure(f"{name}-p50", f"{_COMMAND}, {when}, p50", "ms", 2),
        Figure(f"{name}-p99", f"{_COMMAND}, {when}, p99", "ms", 6),
    )


MEASUREMENTS: tuple[Entry, ...] = (
    Measurement(
        "build",
        (Figure("build", "clean firmware build, sources there", "s", 60),),
        starting.clean_build,
        times=1,
        quick_times=1,
    ),
    Measurement(
        "start",
        (
            Figure("start", "process start to first hello", "ms", 150),
            Figure("start-keeper", "the same with the keeper's start", "ms"),
        ),
        starting.start,
    ),
    Measurement("reset", (Figure("reset", "system reset to hello", "ms", 40),), starting.reset),
    Measurement(
        "idle",
        (Figure("idle", "CPU of an idle board over 10 s", "%", 1),),
        running.idle_cpu,
    ),
    Measurement(
        "accept",
        (Figure("accept", "CPU of a board in accept(), 10 s", "%", 10),),
        running.accept_cpu,
    ),
    Measurement(
        "burst",
        (
            Figure("burst", "burst of 1000 connections", "/s", 1500, "more"),
            Figure("burst-frames", "the same, frames on the wire", "/s", None, "more"),
        ),
        connecting.burst,
    ),
    Measurement(
        "sustained",
        (Figure("sustained", "connections, all over serial", "/s", 250, "more"),),
        connecting.sustained_all,
    ),
    Measurement(
        "states",
        (Figure("states", "connections, transitions only", "/s", 600, "more"),),
        connecting.sustained_states,
    ),
    Measurement(
        "command",
        _command_figures("command", "in accept()"),
        running.commands_while_accepting,
    ),
    Measurement(
        "prompt",
        _command_figures("prompt", "at the prompt"),
        running.commands_at_prompt,
    ),
    Measurement(
        "busy",
        _command_figures("busy", "busy program"),
        running.commands_while_busy,
    ),
    Measurement(
        "kernel",
        (
            Figure("kernel", "connections, kernel's TCP on the TAP", "/s", None, "more"),
            Figure("gate", "connections through the gate", "/s", None, "more"),
        ),
        connecting.kernel,
    ),
    Measurement(
        "bulk",
        (
            Figure("from-board", "bytes from the board, TAP", "MB/s", None, "more"),
            Figure("to-board", "bytes to the board, TAP", "MB/s", None, "more"),
        ),
        connecting.bulk,
    ),
    Measurement(
        "raw",
        (
            Figure("raw", "raw peer, segment to polite answer", "ms", 0.3),
            Figure("raw-by-hand", "raw peer, segment to test's answer", "ms", 0.3),
        ),
        answering.raw_answers,
    ),
    Measurement(
        "scenario",
        (Figure("scenario", "one scenario, reset to verdict", "ms", 60),),
        playing.one_scenario,
    ),
    Measurement(
        "tour",
        (Figure("tour", "tour of all states in both roles", "s", 3),),
        playing.tour,
    ),
    Measurement(
        "library",
        (Figure("library", "whole library of scenarios", "s", 60),),
        playing.library,
        times=3,
        quick_times=1,
    ),
    Measurement(
        "repeats",
        (
            Figure(
                "repeats",
                "identical manual-mode repeats",
                f"of {playing.REPEATS}",
                playing.REPEATS,
                "more",
            ),
        ),
        playing.repeats,
        times=1,
        quick_times=1,
    ),
    Measurement("demo", (Figure("demo", "`make demo` when built", "s", 8),), starting.demo),
    Measurement(
        "text",
        (Figure("text", "text report of 10 connections", "s", 0.2),),
        seeing.text,
    ),
    Measurement(
        "html",
        (
            Figure("html", "HTML report of 1000 segments", "s", 1),
            Figure("html-size", "its size", "MB", 1),
        ),
        seeing.html,
    ),
    Measurement(
        "export",
        (Figure("export", "pcapng of 10 000 segments", "s", 1),),
        seeing.export,
    ),
    Measurement(
        "plugin",
        (Figure("plugin", "the plugin in an unrelated pytest run", "ms", 20),),
        testing.plugin,
    ),
    Measurement(
        "tests",
        (
            Figure("tests", "100 tests, a fresh board each", "s", 15),
            Figure("tests-two", "the same on two workers", "times", 1.7, "more"),
        ),
        testing.hundred,
        times=3,
        quick_times=1,
    ),
    Measurement(
        "upload", (Figure("upload", "a script of 20 kB to the board", "s", 3),), testing.upload
    ),
    Measurement(
        "probe",
        (
            Figure("probe", f"walks of the probe, {testing.PCBS} pcbs", "/s", 5000, "more"),
            Figure("probe-beside", "the same, beside a program", "/s", None, "more"),
        ),
        testing.walks,
    ),
    Measurement(
        "lab",
        (Figure("lab", "`lwipscope lab` to a usable page", "s", 3),),
        teaching.lab,
    ),
    Measurement(
        "lab-verb",
        (Figure("lab-verb", "lab: a click to its transition on the page", "ms", 100),),
        teaching.verb,
    ),
    Measurement(
        "grade",
        (
            Figure(
                "grade", f"grading {grading.SUBMISSIONS} submissions, {grading.JOBS} jobs", "s", 60
            ),
        ),
        grading.thirty,
        times=1,
        quick_times=1,
    ),
)
