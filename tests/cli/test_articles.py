"""Every command of TEACHING.md's table, typed as it stands there, and what it is to show."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from cli.harness import REPO, Desk

COMMAND_S = 40.0
ROW = re.compile(r"\| (W\d+) \| .* \| (.*) \|$")

# What the last column's output has to have, in this order (a regular expression each).
SHOWN = {
    "W1": ["CLOSING", "TIME_WAIT", "19 of 22 reached", "SYN_RCVD", "LAST_ACK"],
    "W2": ["FIN_WAIT_1 > CLOSING > TIME_WAIT"],
    "W3": ["CLOSE_WAIT > LAST_ACK > CLOSED", "SYN_SENT > ESTABLISHED > CLOSE_WAIT"],
    "W4": ["ESTABLISHED", "hello", "FIN_WAIT_1"],
    "W5": ["LISTEN", "ESTABLISHED", "TIME_WAIT"],
    "W6": [r"ESTABLISHED(?s:.*)ESTABLISHED(?s:.*)ESTABLISHED"],
    "W7": ["SYN_SENT > ESTABLISHED > FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT > CLOSED"],
    "W8": ["LISTEN > SYN_RCVD > ESTABLISHED > CLOSE_WAIT > LAST_ACK > CLOSED"],
    "W9": ["SYN_SENT > ESTABLISHED", "SYN_SENT > CLOSED", "SYN_RCVD > CLOSED", "never with"],
    "W10": [r"path +LISTEN > SYN_RCVD\n"],
    "W11": ["FIN_WAIT_1", "FIN_WAIT_2 > CLOSED", "FIN_WAIT_1 > TIME_WAIT", "CLOSING"],
    "W12": ["timer 2MSL", "EADDRINUSE", "SO_REUSEADDR"],
    "W13": [r"path +.*CLOSE_WAIT\n"],
    "W14": ["CLOSE_WAIT"],
    "W15": ["RST", "FIN_WAIT_2"],
    "W16": ["CLOSED +rx RST", "ignored"],
    "W17": ["FIN_WAIT_1 > FIN_WAIT_2 > TIME_WAIT", "FIN_WAIT_1 > TIME_WAIT"],
    "W18": [r"Flags \[S\]", r"\[S\.\]", r"\[P\.\]", r"\[F\.\]", "GET / HTTP", "RFC 9293"],
    "W19": ["mss=1460", "mss=800"],
    "W20": [r"seq \d{4,}", r"ack 1\b"],
    "W21": ["then abort", "finds the queue full", "one more finds no pcb"],
    "W22": [
        *("CLOSED > LISTEN: api listen", r"s1\.bind", r"s1\.listen", "SYN_RCVD > ESTABLISHED"),
        *(r"s1\.accept", r"s2\.send", r"s2\.recv", "FIN_WAIT_1: api close", r"s2\.close"),
    ],
}


def rows() -> dict[str, list[str]]:
    """W-number: commands, as they are typed."""
    found = {}
    for line in (REPO / "TEACHING.md").read_text().splitlines():
        if match := ROW.match(line):
            spans = re.findall(r"`([^`]+)`", match[2])
            found[match[1]] = [span.replace("\\|", "|") for span in spans]
    return found


def test_the_table_is_whole() -> None:
    assert list(rows()) == [f"W{number}" for number in range(1, 23)]
    assert set(SHOWN) == set(rows())


@pytest.mark.usefixtures("need_tap")
@pytest.mark.parametrize("row", list(rows()))
def test_a_row(row: str, desk: Desk) -> None:
    said = ""
    for command in rows()[row]:
        code, out = typed(desk, command)
        assert code == 0, f"{command}\n{out}"
        said += out
    place = 0
    for wanted in SHOWN[row]:
        match = re.compile(wanted).search(said, place)
        assert match is not None, (
            f"{row}: {wanted!r} was expected behind\n{said[:place]}\nin\n{said}"
        )
        place = match.end()


def typed(desk: Desk, command: str) -> tuple[int, str]:
    """In a shell, with `lwipscope` on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = desk.start_other("bash", "-c", command, PATH=path).finish(COMMAND_S)
    return done.code, done.out + done.err
