"""The values that stand in event fields: TCP flags, endpoints and causes.

Used by `event`, which also offers these names. The letters of flags are tcpdump's (`.` is ACK),
plus U, E and W for URG, ECE and CWR (RFC 9293 section 3.1). The causes are those of the serial
protocol (firmware/README.md): what the board was doing when it made a transition.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from lwipscope.errors import UsageError

# In the order in which people say them: SYN+ACK, FIN+PSH+ACK, RST+ACK.
_FLAG_NAMES = {
    "S": "SYN",
    "F": "FIN",
    "R": "RST",
    "P": "PSH",
    "U": "URG",
    ".": "ACK",
    "E": "ECE",
    "W": "CWR",
}


def flags_known(flags: str) -> bool:
    """Whether `flags` is `none` or tcpdump letters, none of them twice."""
    if flags == "none":
        return True
    return bool(flags) and len(set(flags)) == len(flags) and all(f in _FLAG_NAMES for f in flags)


def flag_names(flags: str) -> str:
    """`S.` is `SYN+ACK`, `none` is `no flags`."""
    if not flags_known(flags):
        raise UsageError(f"{flags!r} are not TCP flags; write letters of SFRP.UEW, as in 'S.'")
    if flags == "none":
        return "no flags"
    return "+".join(name for letter, name in _FLAG_NAMES.items() if letter in flags)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a connection: address and port."""

    ip: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """`192.0.2.1:40312`, or `[2001:db8::1]:80`; UsageError if it is neither."""
        host, colon, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        try:
            if not colon or not (port.isascii() and port.isdecimal()) or int(port) > 0xFFFF:
                raise ValueError
            return cls(str(ipaddress.ip_address(host)), int(port))
        except ValueError:
            raise UsageError(f"{text!r} is not ADDRESS:PORT, as in 192.0.2.10:80") from None

    def __str__(self) -> str:
        return f"[{self.ip}]:{self.port}" if ":" in self.ip else f"{self.ip}:{self.port}"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a transition or a death happened; str() is the protocol's spelling.

    kind is rx, api, gc, timer, kill, netif, or `-` for unknown; detail says which segment, call or
    timer. `aborted`: the stack or the socket layer refused the segment and aborted.
    """

    kind: str
    detail: str = ""
    aborted: bool = False

    @classmethod
    def parse(cls, text: str) -> Cause:
        """Read `rx:S.`, `rx:.,abort`, `api:close`, `timer:2MSL`, `-`, and kinds yet unknown."""
        kind, _, detail = text.partition(":")
        if kind == "rx" and detail.endswith(",abort"):
            return cls(kind, detail.removesuffix(",abort"), True)
        return cls(kind or "-", detail)

    def __str__(self) -> str:
        return self.kind + (f":{self.detail}" if self.detail else "") + ",abort" * self.aborted

    def text(self) -> str:
        """For people: `rx SYN+ACK`, `api close`, `timer 2MSL`, `rx ACK, then abort`."""
        if self.kind == "-":
            return "unknown cause"
        shown = flag_names(self.detail) if self._has_flags() else self.detail
        return f"{self.kind} {shown}".rstrip() + ", then abort" * self.aborted

    def _has_flags(self) -> bool:
        return self.kind == "rx" and flags_known(self.detail)
