"""The lab as its learner feels it: how soon its page is there, and how soon a click is seen on it.

Measured from outside, as a browser would: a process of its own, HTTP on 127.0.0.1.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from lwipscope.benchmark.figure import Rows
from lwipscope.benchmark.starting import temporary_folder
from lwipscope.benchmark.workshop import Workshop
from lwipscope.errors import LwipscopeError

_URL = re.compile(r"http://\S+#key=\S+")
_START_S = 30.0
_STEP_S = 10.0
_PORT = 6666


@dataclass(frozen=True, slots=True)
class _Page:
    """The address that a lab has printed."""

    port: int
    key: str

    @classmethod
    def of(cls, url: str) -> _Page:
        parts = urlsplit(url)
        return cls(parts.port or 0, parts.fragment.removeprefix("key="))

    def get(self, path: str) -> http.client.HTTPResponse:
        """An answer with status 200, its body unread."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_STEP_S)
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise LwipscopeError(f"the lab's page: {path}: status {answer.status}")
        return answer

    def events(self) -> Iterator[str]:
        """What the stream says, piece by piece; the first one is everything so far."""
        for line in self.get(f"/events?key={self.key}"):
            if line.startswith(b"data: "):
                yield line.decode()

    def do(self, line: str) -> None:
        """A verb; LwipscopeError unless it was done."""
        _Deed(self, line).finish()


def lab(shop: Workshop, times: int) -> Rows:
    """Seconds from the process's start until page, style and scripts were fetched, and the board
    stands in the first event of the stream."""
    for _ in range(times):
        started_s = time.monotonic()
        with _lab(shop) as page:
            text = page.get("/").read().decode()
            for name in re.findall(r'(?:href|src)="(/assets/[^"]+)"', text):
                page.get(name).read()
            if '"k":"boot"' not in next(page.events()):
                raise LwipscopeError("the lab's page: its first event has no board")
            took_s = time.monotonic() - started_s
        yield (took_s,)


def verb(shop: Workshop, times: int) -> Rows:
    """Milliseconds from the request of a verb, a raw peer's handshake, until the stream brings
    ESTABLISHED."""
    with _lab(shop) as page:
        page.do(f"board listen {_PORT}")
        for number in range(1, times + 1):
            news = page.events()
            next(news)
            started_s = time.monotonic()
            deed = _Deed(page, f"raw connect {_PORT}")
            if not any('"ESTABLISHED"' in said for said in news):
                raise LwipscopeError("the lab's page: the stream has ended")
            took_s = time.monotonic() - started_s
            deed.finish()
            page.do(f"raw rst r{number}")
            yield (took_s * 1e3,)


class _Deed:
    """A verb that is under way: the request is sent, its answer not awaited yet."""

    def __init__(self, page: _Page, line: str) -> None:
        self._line = line
        self._connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=_STEP_S)
        headers = {"Content-Type": "application/json", "X-Lab-Key": page.key}
        self._connection.request("POST", "/do", json.dumps({"line": line}), headers)

    def finish(self) -> None:
        """Wait for it; LwipscopeError unless it was done."""
        answer = json.loads(self._connection.getresponse().read())
        self._connection.close()
        if not answer["ok"]:
            raise LwipscopeError(f"the lab: {self._line}: {answer['error']}")


@contextmanager
def _lab(shop: Workshop) -> Iterator[_Page]:
    """`lwipscope lab --no-browser` in a process of its own; ended afterwards."""
    with temporary_folder() as folder:
        command = [sys.executable, "-m", "lwipscope", "lab", "--no-browser", "--lang", "en"]
        command += [*shop.options, "--idle-minutes", "2", "--log-dir", str(folder)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        # A lab that does not come up has to end, then its output does, too.
        limit = threading.Timer(_START_S, process.terminate)
        limit.start()
        try:
            yield _printed(process, limit)
        finally:
            limit.cancel()
            process.terminate()
            try:
                process.communicate(timeout=_STEP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def _printed(process: subprocess.Popen[str], limit: threading.Timer) -> _Page:
    """The address, as soon as it is printed."""
    said = []
    for line in process.stdout or ():
        said.append(line)
        found = _URL.search(line)
        if found is not None:
            limit.cancel()
            return _Page.of(found[0])
    told = "".join(said)[-1000:]
    raise LwipscopeError(
        f"`lwipscope lab` printed no address within {_START_S:g} s; it said:\n{told}"
    )
