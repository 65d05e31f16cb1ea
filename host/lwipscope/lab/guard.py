"""Who may talk to the lab's server: this machine's browser, with the page that the lab printed.

A web page from elsewhere can make a browser send requests to 127.0.0.1, and can give a name of its
own this address (DNS rebinding). So a request has to name us as its host, must not come from a
foreign page, and has to bring the random key of the printed address. Called by `server` for each
request; knows no sockets. Sources: RFC 9110 section 7.2 (Host), RFC 6454 (Origin), the Fetch
Metadata draft (Sec-Fetch-Site).
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from email.message import Message
from typing import TypeAlias

Headers: TypeAlias = "Message[str, str]"
KEY_HEADER = "X-Lab-Key"
MOST_BODY = 64 * 1024
"""A learner's program goes in one."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Sent with every answer."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one server."""

    port: int
    key: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    @property
    def hosts(self) -> tuple[str, str]:
        """How we may be called."""
        return f"127.0.0.1:{self.port}", f"localhost:{self.port}"

    def page(self, headers: Headers) -> Refusal | None:
        """For what holds no secret: the page and its assets."""
        host = headers.get("Host", "").lower()
        if host not in self.hosts:
            return Refusal(403, "this server answers to 127.0.0.1 and localhost only")
        origin = headers.get("Origin")
        if origin is not None and origin.lower() not in {f"http://{each}" for each in self.hosts}:
            return Refusal(403, "a page of another origin may not use the lab")
        return None

    def deed(self, headers: Headers, key: str) -> Refusal | None:
        """For what reads or changes the lab."""
        refusal = self.page(headers)
        if refusal is not None:
            return refusal
        if headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return Refusal(403, "a page of another origin may not use the lab")
        if not hmac.compare_digest(key.encode("utf-8", "replace"), self.key.encode()):
            return Refusal(403, "wrong key: open the address that `lwipscope lab` printed")
        return None

    def body(self, headers: Headers) -> Refusal | int:
        """The size of a request's body, or why it is not read."""
        if headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            return Refusal(415, "the body has to be application/json")
        length = headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            return Refusal(411, "the body's length is missing")
        size = int(length) if len(length) < 12 else MOST_BODY + 1
        if size > MOST_BODY:
            return Refusal(413, f"a body has at most {MOST_BODY} bytes")
        return size
