"""The lab's server: who is let in, what is refused, what a browser is sent, when it ends.

The lab itself is a stand-in here: it remembers lines and has a run that was made by hand. The real
one is clicked through in tests/browser/test_lab.py.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from run_examples import served_run

from lwipscope.errors import UsageError
from lwipscope.lab.feed import View, difference
from lwipscope.lab.page import Page, explained
from lwipscope.lab.server import LabServer, serve
from lwipscope.lab.things import Done, Thing
from lwipscope.report.netstat_text import Row
from lwipscope.runfile.model import Run, RunLife
from lwipscope.words.catalogue import Translator

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028"


class FakeLab:
    """A stand-in for `Lab`: each line brings some more events of a run."""

    clock = "running"
    program = lost = ""
    lang = "en"

    def __init__(self) -> None:
        self.whole = served_run()
        self.lines: list[str] = []
        self.count = 3
        self._news = threading.Condition()

    def speak(self, tr: Translator) -> None:
        self.lang = tr.lang

    def do(self, line: str, tr: Translator | None = None) -> Done:
        self.lines.append(line)
        self.lang = tr.lang if tr is not None else self.lang
        if line == "break":
            raise RuntimeError("broken")
        with self._news:
            self.count += 3
            self._news.notify_all()
        return Done(line, True, HOSTILE, "s = socket.socket()", "nc 127.0.0.1 6666")

    def run_text(self, line: str, text: str, tr: Translator | None = None) -> Done:
        self.lines.append(text)
        self.lang = tr.lang if tr is not None else self.lang
        return Done(line, True)

    def host_rows(self) -> list[Row]:
        return []

    def wall_ns(self, at_s: float) -> int:
        return self.whole.wall_ns(at_s)

    def lives(self) -> tuple[RunLife, ...]:
        return self.run().lives

    def things(self, peers: Mapping[int, str] | None = None) -> list[Thing]:
        state = (peers or {}).get(2, "LISTEN")
        return [Thing("s1", "board", "listener", 2, 6666, state, HOSTILE)]

    def run(self) -> Run:
        life = self.whole.lives[0]
        seqs = {each.event.seq for each in life.events[: self.count]}
        wire = tuple(frame for frame in life.wire if frame.event_seq in seqs)
        shown = replace(life, events=life.events[: self.count], wire=wire)
        return replace(self.whole, lives=(shown,))

    def changed(self, since: int, timeout_s: float) -> int:
        with self._news:
            self._news.wait_for(lambda: self.count > since, timeout_s)
            return self.count


@pytest.fixture
def lab() -> FakeLab:
    return FakeLab()


@pytest.fixture
def server(lab: FakeLab) -> Iterator[LabServer]:
    with LabServer(lab) as made:
        yield made


def _ask(
    server: LabServer,
    method: str,
    path: str,
    data: object = None,
    **headers: str | None,
) -> tuple[int, Any, http.client.HTTPMessage]:
    """`headers` with None are left out; the usual ones are those of our own page."""
    body = None if data is None else data if isinstance(data, bytes) else json.dumps(data).encode()
    sent: dict[str, str | None] = {"Host": f"127.0.0.1:{server.port}"}
    if method == "POST":
        sent |= {"X-Lab-Key": server.guard.key, "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if text.startswith("{") else text, answer.msg
    finally:
        connection.close()


def _events(server: LabServer) -> Iterator[tuple[str, Any]]:
    """What the stream says, without its heartbeats."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", f"/events?key={server.guard.key}")
        answer = connection.getresponse()
        assert answer.status == 200
        kind = ""
        for line in answer:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)
    finally:
        connection.close()


def test_a_line_is_done_and_answered(server: LabServer, lab: FakeLab) -> None:
    status, answer, _ = _ask(server, "POST", "/do", {"line": "board listen 6666"})
    assert (status, answer["ok"], lab.lines) == (200, True, ["board listen 6666"])
    assert answer["python"] == "s = socket.socket()"
    assert answer["shell"] == "nc 127.0.0.1 6666"


def test_the_lab_speaks_the_language_of_the_page(server: LabServer, lab: FakeLab) -> None:
    _ask(server, "POST", "/do", {"line": "table", "lang": "zh"})
    assert lab.lang == "zh"
    for lang in ("xx", 3, None, ["zh"]):
        assert _ask(server, "POST", "/do", {"line": "table", "lang": lang})[1]["ok"]
    assert lab.lang == "zh", "what is no language changes nothing"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", f"/events?key={server.guard.key}&lang=en")
    connection.getresponse().close()
    connection.close()
    assert lab.lang == "en"
    _, answer, _ = _ask(server, "POST", "/explain", {"what": "FIN_WAIT_2", "lang": "zh"})
    assert answer["ok"] and lab.lang == "en"


def test_a_program_comes_as_text(server: LabServer, lab: FakeLab) -> None:
    text = "print('x')\n" * 4000
    assert _ask(server, "POST", "/do", {"line": "board run a.py", "text": text})[1]["ok"]
    assert lab.lines == [text]


@pytest.mark.parametrize("key", ["", "wrong", "\u00e9"])
def test_without_the_key_nothing_is_done(server: LabServer, lab: FakeLab, key: str) -> None:
    status, answer, _ = _ask(server, "POST", "/do", {"line": "board reset"}, X_Lab_Key=key)
    assert status == 403
    assert "key" in answer["error"]
    assert _ask(server, "GET", "/events?key=wrong")[0] == 403
    assert _ask(server, "GET", "/events")[0] == 403
    assert lab.lines == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://localhost"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1"},
        {"Host": None},
        {"Host": "127.0.0.1.evil.example:80"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
def test_foreign_pages_are_refused(
    server: LabServer, lab: FakeLab, headers: dict[str, str | None]
) -> None:
    assert _ask(server, "POST", "/do", {"line": "board reset"}, **headers)[0] == 403
    assert _ask(server, "GET", f"/events?key={server.guard.key}", **headers)[0] == 403
    if "Sec_Fetch_Site" not in headers:  # a link from elsewhere may lead to the page
        assert _ask(server, "GET", "/", **headers)[0] == 403
    assert lab.lines == []


def test_our_own_page_is_let_in_under_both_names(server: LabServer) -> None:
    for name in ("127.0.0.1", "localhost"):
        own = {"Host": f"{name}:{server.port}", "Origin": f"http://{name}:{server.port}"}
        assert _ask(server, "POST", "/do", {"line": "table"}, **own)[0] == 200


def test_bad_bodies_are_refused_and_the_server_lives(server: LabServer, lab: FakeLab) -> None:
    def status(data: object, **headers: str | None) -> int:
        return _ask(server, "POST", "/do", data, **headers)[0]

    assert status(b"x" * 70_000) == 413
    assert status({"line": "table"}, Content_Type="text/plain") == 415
    assert status(b"{") == 400
    assert status(b"[" * 9000) == 400
    assert status(b"[]") == 400
    assert status(b"\xff") == 400
    assert status(None) == 411
    for line in (3, None, "", "a\nb"):
        _, answer, _ = _ask(server, "POST", "/do", {"line": line})
        assert not answer["ok"] and "one line" in answer["error"]
    assert lab.lines == []
    assert _ask(server, "PUT", "/do", {"line": "table"})[0] == 501
    assert _ask(server, "POST", "/elsewhere", {})[0] == 404
    assert _ask(server, "GET", "/assets/../server.py")[0] == 404
    assert status({"line": "table"}) == 200


def test_a_defect_is_told_and_the_page_stays_usable(server: LabServer) -> None:
    _, answer, _ = _ask(server, "POST", "/do", {"line": "break"})
    assert not answer["ok"] and "broken" in answer["error"]
    assert _ask(server, "POST", "/do", {"line": "table"})[1]["ok"]


def test_nothing_is_allowed_to_load_from_elsewhere(server: LabServer) -> None:
    _, page, headers = _ask(server, "GET", "/")
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["Access-Control-Allow-Origin"] is None
    assert server.guard.key not in page
    for name in (
        "lab.css",
        "lab.js",
        "dom.js",
        "ladder.js",
        "scopes.js",
        "bench.js",
        "dock.js",
        "editor.js",
    ):
        status, text, _ = _ask(server, "GET", f"/assets/{name}")
        assert status == 200
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
        assert "innerHTML" not in text and "insertAdjacentHTML" not in text


def test_the_stream_begins_with_everything_and_goes_on_with_differences(
    server: LabServer, lab: FakeLab
) -> None:
    stream = _events(server)
    kind, whole = next(stream)
    assert kind == "whole"
    assert whole["parts"]["things"][0]["note"] == HOSTILE
    ((life, count, rows),) = whole["rows"]
    assert (life, len(rows)) == (0, count)
    lab.do("more")
    kind, news = next(stream)
    assert kind == "state"
    ((_, later, changed),) = news["rows"]
    assert later > count
    assert [index for index, _ in changed][-1] == later - 1
    assert len(changed) < later, "what had been sent was sent again"
    assert "things" not in news["parts"]
    stream.close()
    kind, whole = next(_events(server))
    assert kind == "whole" and whole["rows"][0][1] == later, "after a reconnect everything is there"


def test_the_streams_are_told_when_it_ends(lab: FakeLab) -> None:
    with LabServer(lab) as server:
        streams = [_events(server), _events(server)]
        for each in streams:
            assert next(each)[0] == "whole"
        server.end("idle")
    for each in streams:
        assert list(each)[-1] == ("ended", {"why": "idle"})


def test_a_lab_left_alone_ends_although_a_page_is_open(lab: FakeLab) -> None:
    got: list[tuple[str, Any]] = []
    watcher: list[threading.Thread] = []

    def ready(server: LabServer) -> None:
        watcher.append(threading.Thread(target=lambda: got.extend(_events(server))))
        watcher[0].start()

    began = time.monotonic()
    assert serve(lab, idle_s=0.4, ready=ready) == "idle"
    assert 0.4 <= time.monotonic() - began < 5
    watcher[0].join(5)
    assert got[-1] == ("ended", {"why": "idle"})


def test_verbs_keep_it_from_ending(lab: FakeLab) -> None:
    def ready(server: LabServer) -> None:
        threading.Thread(target=_use, args=(server,)).start()

    def _use(server: LabServer) -> None:
        beat = threading.Event()
        for _ in range(6):
            beat.wait(0.2)
            _ask(server, "POST", "/here", {})

    began = time.monotonic()
    assert serve(lab, idle_s=0.6, ready=ready) == "idle"
    assert time.monotonic() - began > 1.5


def test_a_busy_port_is_a_plain_error(lab: FakeLab) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} .*in use.*--port"):
            LabServer(lab, port)
    with pytest.raises(UsageError, match="0 to 65535"):
        LabServer(lab, 70_000)


def test_two_labs_have_two_ports_and_two_keys(lab: FakeLab) -> None:
    with LabServer(lab) as one, LabServer(lab) as other:
        assert one.port != other.port
        assert one.guard.key != other.guard.key
        assert _ask(one, "POST", "/do", {"line": "x"}, X_Lab_Key=other.guard.key)[0] == 403


def test_a_client_that_says_nothing_does_not_hold_the_end(lab: FakeLab) -> None:
    with LabServer(lab) as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        assert _ask(server, "GET", "/")[0] == 200
        began = time.monotonic()
    assert time.monotonic() - began < 3
    for each in silent:
        each.close()


def test_an_explanation_comes_in_paragraphs(server: LabServer) -> None:
    _, answer, _ = _ask(server, "POST", "/explain", {"what": "FIN_WAIT_2"})
    assert answer["lines"][0][1].startswith("FIN_WAIT_2")
    assert any("RFC 9293" in text for _, text in answer["lines"])
    _, answer, _ = _ask(server, "POST", "/explain", {"what": "NO_STATE"})
    assert not answer["ok"] and "NO_STATE" in answer["error"]
    broken = [text for _, text in explained("TIME_WAIT", None, "en") if text[:1].islower()]
    assert len([text for text in broken if text.endswith(",")]) == 0


def test_the_page_is_translated_and_names_its_language() -> None:
    english, chinese = Page(60).html("en").decode(), Page(60).html("zh").decode()
    assert '<html lang="en">' in english and '<html lang="zh-Hans">' in chinese
    for page in (english, chinese):
        assert "{{" not in page


def test_the_difference_to_nothing_is_everything() -> None:
    new = View(2, {"a": 1, "b": 2}, ([{"k": "note"}], []))
    assert difference(View(), new)["rows"] == [[0, 1, [[0, {"k": "note"}]]], [1, 0, []]]
    shorter = View(3, {"a": 1, "b": 3}, ([], []))
    assert difference(new, shorter) == {"number": 3, "parts": {"b": 3}, "rows": [[0, 0, []]]}
