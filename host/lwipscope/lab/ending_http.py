"""An HTTP server that can be ended at once: it knows its open connections.

Python's own waits at its end for every request's thread, and a browser may hold a connection for
long without saying anything. Used by `server`.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import Any

_MOST_CONNECTIONS = 40
"""More are closed at once: no page needs so many."""


class EndingHttp(ThreadingHTTPServer):
    """Knows its open connections, so that none keeps it from ending."""

    daemon_threads = False
    block_on_close = True
    allow_reuse_address = True
    request_queue_size = 32

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            crowded = len(self._open) >= _MOST_CONNECTIONS
            if not crowded:
                self._open.add(request)
        if crowded:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def end_requests(self) -> None:
        """What still waits for a client no longer does."""
        with self._lock:
            for each in self._open:
                # Answers that are under way still arrive.
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RD)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's error; what fails in a verb is told on the page."""
