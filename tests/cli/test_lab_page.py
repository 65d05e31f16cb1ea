"""`lwipscope lab --no-browser`: several at once, from the printed address to the end."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal

import pytest

from cli.harness import Desk, Program
from lwipscope.runfile.model import Run

_LABS = 3
_URL = r"http://127\.0\.0\.1:(\d+)/#key=(\S+)"


def _ask(port: int, key: str, method: str, path: str, line: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json", "X-Lab-Key": key}
    body = json.dumps({"line": line}) if line else None
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read()
    finally:
        connection.close()


def _page(desk: Desk, *options: str) -> tuple[Program, int, str]:
    program = desk.start("lab", "--no-browser", "--lang", "en", *options)
    found = program.expect(_URL)
    return program, int(found[1]), found[2]


def test_labs_at_once_are_strangers_to_each_other_and_all_end(desk: Desk) -> None:
    labs = [_page(desk, "--idle-minutes", "5") for _ in range(_LABS)]
    assert len({port for _, port, _ in labs}) == len({key for _, _, key in labs}) == _LABS
    for number, (_, port, key) in enumerate(labs):
        assert _ask(port, key, "GET", "/")[0] == 200
        other = labs[(number + 1) % _LABS][2]
        assert _ask(port, other, "POST", "/do", "board listen 7000")[0] == 403
        for line in ("board listen 6666", "raw connect 6666"):
            assert json.loads(_ask(port, key, "POST", "/do", line)[1])["ok"]
    for program, _, _ in labs:
        os.kill(program.pid, signal.SIGTERM)
    for program, _, _ in labs:
        assert program.finish().code == 0
    folders = list((desk.work / "lwipscope-logs").iterdir())
    assert len(folders) == _LABS
    for folder in folders:
        run = Run.load(folder / "lab.lwiprun")
        assert run.problems() == []
        assert len(run.lives[0].connections) == 2


@pytest.mark.parametrize("minutes", ["0.01"])
def test_a_page_that_nobody_opens_ends_by_itself(desk: Desk, minutes: str) -> None:
    program, _, _ = _page(desk, "--idle-minutes", minutes)
    ended = program.finish()
    assert ended.code == 0
    assert re.search("nobody has used the lab for a while", ended.out)
