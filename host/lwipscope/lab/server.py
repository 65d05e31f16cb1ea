"""The lab's web server: one page on 127.0.0.1, a stream of what changes, and verbs that are done.

    GET /            the page (page.py);  GET /assets/NAME  its scripts and style
    GET /events?key= the stream (server-sent events): `state` (feed.difference), `ended` {"why"};
                     "lang" as for /do
    POST /do         {"line": "board listen 6666"} -> what lab.do() answers; "lang": "en" or "zh" is
                     the language of the lab from now on; with "text", a program, the line is
                     `board run NAME.py`, and the program is kept in the lab's folder as that
    POST /explain    {"what": "3" | "FIN_WAIT_2" | "SYN_SENT > ESTABLISHED"} -> lines
    POST /here       somebody is still at the page

All but the first row want the key of the printed address (`guard`). It ends by itself when nobody
has asked for anything for `idle_s` seconds: an open page alone does not keep it. One thread for
each request; all are joined by `close`. Called by `lwipscope lab`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from lwipscope.errors import LwipscopeError, UsageError
from lwipscope.lab.ending_http import EndingHttp
from lwipscope.lab.feed import Bench, Feed, View, difference
from lwipscope.lab.guard import HEADERS, KEY_HEADER, Guard, Refusal
from lwipscope.lab.page import Page, explained
from lwipscope.words.catalogue import Translator, translator
from lwipscope.words.lang import Lang

ADDRESS = "127.0.0.1"
_REQUEST_S = 10.0
"""So long a request may take to arrive, and an answer to be taken."""
_BEAT_S = 5.0
"""Without news a stream says so often that it is there, which shows whether anybody listens."""
_RETRY_MS = 700


class LabServer:
    """Serves one lab. `touch` tells that somebody uses it in another way, at a prompt perhaps."""

    def __init__(
        self, lab: Bench, port: int = 0, lang: Lang = "en", idle_s: float | None = 1800.0
    ) -> None:
        try:
            self._http = _Http((ADDRESS, port), _Request)
        except OverflowError:
            raise UsageError(f"port {port}: expected a number from 0 to 65535") from None
        except OSError as error:
            raise UsageError(
                f"the lab's page can't have port {port} of {ADDRESS}: {error.strerror}; "
                "name another one with --port, or none: then a free one is taken"
            ) from error
        self.lab, self.lang, self.idle_s = lab, lang, idle_s
        self.guard = Guard(self._http.server_address[1])
        self.page = Page(idle_s)
        self._why = ""
        self._ended = threading.Event()
        self._births = 0
        self._touched_s = time.monotonic()
        self._http.lab_server = self
        self.feed = Feed(lab)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.1,))
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.guard.port

    @property
    def url(self) -> str:
        """The address to open. The key stands behind `#`, which browsers send to nobody."""
        return f"http://{ADDRESS}:{self.port}/#key={self.guard.key}"

    def touch(self) -> None:
        """Somebody is there."""
        self._touched_s = time.monotonic()

    def wait(self) -> str:
        """Until the lab ends; why it did."""
        while not self._ended.wait(min(1.0, self.idle_s / 4 if self.idle_s else 1.0)):
            if self.idle_s is None:
                continue
            births = self.feed.births
            if births != self._births:
                # The learner's own program or nc in another terminal.
                self._births = births
                self.touch()
            if time.monotonic() - self._touched_s > self.idle_s:
                self.end("idle")
        return self._why

    def end(self, why: str) -> None:
        """Let `wait` return."""
        self._why = self._why or why
        self._ended.set()

    @property
    def why(self) -> str:
        """Why it ended; empty while it has not."""
        return self._why

    def close(self) -> None:
        """Tell the pages, end all requests. Idempotent."""
        self.end("stopped")
        self.feed.close()
        self._http.shutdown()
        self._thread.join()
        self._http.end_requests()
        self._http.server_close()


def serve(
    lab: Bench,
    port: int = 0,
    lang: Lang = "en",
    idle_s: float | None = 1800.0,
    *,
    ready: Callable[[LabServer], None] | None = None,
) -> str:
    """Serve until it is idle or ended; `ready` gets the server, with its `url`, when it listens."""
    with LabServer(lab, port, lang, idle_s) as server:
        if ready is not None:
            ready(server)
        return server.wait()


class _Http(EndingHttp):
    """Knows the lab."""

    lab_server: LabServer


class _Request(BaseHTTPRequestHandler):
    """One request."""

    server: _Http
    timeout = _REQUEST_S
    server_version = "lwipscope"
    sys_version = ""

    @property
    def lab_server(self) -> LabServer:
        return self.server.lab_server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        server = self.lab_server
        if url.path == "/events":
            key = query.get("key", [""])[0]
            refusal = server.guard.deed(self.headers, key)
            if refusal is None:
                spoken = self._spoken({"lang": query.get("lang", [""])[0]})
                if spoken is not None:
                    server.lab.speak(spoken)
                self._stream()
            else:
                self._refuse(refusal)
            return
        refusal = server.guard.page(self.headers)
        if refusal is not None:
            self._refuse(refusal)
        elif url.path == "/":
            asked = query.get("lang", [""])[0]
            lang: Lang = "zh" if asked == "zh" else "en" if asked == "en" else server.lang
            server.touch()
            self._answer(200, "text/html; charset=utf-8", server.page.html(lang))
        else:
            found = server.page.asset(url.path.removeprefix("/assets/"))
            if found is None:
                self._refuse(Refusal(404, "there is no such page"))
            else:
                self._answer(200, *found)

    def do_POST(self) -> None:
        server = self.lab_server
        refusal: Refusal | int | None = server.guard.deed(
            self.headers, self.headers.get(KEY_HEADER, "")
        )
        refusal = refusal or server.guard.body(self.headers)
        if isinstance(refusal, Refusal):
            self._refuse(refusal)
            return
        try:
            said = json.loads(self.rfile.read(refusal or 0))
            if not isinstance(said, dict):
                raise ValueError("no object")
        except (ValueError, RecursionError):
            self._refuse(Refusal(400, "the body has to be a JSON object"))
            return
        server.touch()
        deed = {"/do": self._do, "/explain": self._explain, "/here": self._here}.get(self.path)
        if deed is None:
            self._refuse(Refusal(404, "there is no such verb"))
            return
        try:
            answer = deed(said)
        except LwipscopeError as error:
            answer = {"ok": False, "error": str(error)}
        except Exception as error:
            # A defect of ours: the page stays usable and says what it was.
            answer = {"ok": False, "error": f"lwipscope's own error: {error!r}"}
        server.touch()
        self._json(answer)

    def _do(self, said: dict[str, Any]) -> dict[str, Any]:
        line = said.get("line")
        if not isinstance(line, str) or not line.strip() or "\n" in line or "\r" in line:
            raise UsageError("expected one line with a verb")
        lab = self.lab_server.lab
        text = said.get("text")
        if isinstance(text, str):
            done = lab.run_text(line, text, self._spoken(said))
        else:
            done = lab.do(line, self._spoken(said))
        fields = ("line", "ok", "said", "python", "shell", "error")
        return {name: getattr(done, name) for name in fields}

    def _explain(self, said: dict[str, Any]) -> dict[str, Any]:
        what = said.get("what")
        if not isinstance(what, str):
            raise UsageError("expected what to explain")
        tr = self._spoken(said) or translator(self.lab_server.lang)
        return {"ok": True, "lines": explained(what, self.lab_server.lab.run(), tr.lang)}

    def _spoken(self, said: dict[str, Any]) -> Translator | None:
        """The language that the page asks for."""
        return {"en": translator("en"), "zh": translator("zh")}.get(str(said.get("lang", "")))

    def _here(self, said: dict[str, Any]) -> dict[str, Any]:
        return {"ok": not said}

    def _stream(self) -> None:
        """Everything first, then what changes, until somebody ends it."""
        server = self.lab_server
        self._head(200, "text/event-stream; charset=utf-8")
        sent = View()
        self.wfile.write(f"retry: {_RETRY_MS}\n\n".encode())
        with suppress(OSError):
            while not server.feed.closed:
                view = server.feed.after(sent.number, _BEAT_S)
                if view is None:
                    self.wfile.write(b": here\n\n")
                    continue
                self._event("whole" if sent.number == 0 else "state", difference(sent, view))
                sent = view
            self._event("ended", {"why": server.why})

    def _event(self, kind: str, data: dict[str, Any]) -> None:
        text = json.dumps(data, separators=(",", ":"))
        self.wfile.write(f"event: {kind}\ndata: {text}\n\n".encode())

    def _refuse(self, refusal: Refusal) -> None:
        self.close_connection = True
        self._json({"ok": False, "error": refusal.text}, refusal.status)

    def _json(self, answer: dict[str, Any], status: int = 200) -> None:
        self._answer(status, "application/json", json.dumps(answer).encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self._head(status, kind, len(body))
        self.wfile.write(body)

    def _head(self, status: int, kind: str, size: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if size is not None:
            self.send_header("Content-Length", str(size))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing is logged: the terminal belongs to the command."""
