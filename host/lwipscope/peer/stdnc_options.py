"""The command line of our own nc: its flags, their checks and what it says about mistakes.

Used by peer/stdnc.py. The texts are close to netcat-openbsd's, so that advice found elsewhere fits.
Times in seconds.
"""

from __future__ import annotations

import getopt
from collections.abc import Sequence
from dataclasses import dataclass

USAGE = """usage: nc [-Nnvz] [-p source_port] [-q seconds] [-w seconds] host port[-port]
       nc -l [-kNnv] [-q seconds] [-w seconds] [-p] port
  -l  listen for a connection    -k  then for the next one (with -l)
  -N  FIN at the end of input    -q  -N, and quit that many seconds later
  -w  end after so long without a connection or a byte
  -z  only see whether the port is open    -v  tell more    -n  no names
for instance: nc -l -p 6666    waits for the board; Ctrl-D ends the input, Ctrl-C the program
              nc -N 192.0.2.10 6666    sends FIN at the end of the input and reads on
"""


class NcFailure(Exception):
    """Ends nc with exit code 1; the text is for the user."""


@dataclass(frozen=True, slots=True)
class NcOptions:
    host: str | None
    ports: range
    source_port: int
    listen: bool
    keep: bool
    shutdown: bool
    verbose: bool
    numeric: bool
    probe: bool
    idle_s: float | None
    quit_s: float | None


def parse(argv: Sequence[str]) -> NcOptions | None:
    """None if the user asked for help."""
    try:
        pairs, operands = getopt.getopt(list(argv), "hklNnp:q:uvw:z", ["help"])
    except getopt.GetoptError as error:
        raise NcFailure(f"{error.msg}\n{USAGE.rstrip()}") from error
    flags = dict(pairs)
    if "-h" in flags or "--help" in flags:
        return None
    if "-u" in flags:
        raise NcFailure("-u: UDP is not supported here; this nc speaks TCP only")
    listen, probe, keep = "-l" in flags, "-z" in flags, "-k" in flags
    if listen and probe:
        raise NcFailure("cannot use -z and -l")
    if keep and not listen:
        raise NcFailure("must use -l with -k")
    host: str | None = None
    if listen:
        operands += [flags["-p"]] if "-p" in flags else []
        if len(operands) > 1:
            host = operands.pop(0)
    elif operands:
        host = operands.pop(0)
    if not operands or (host is None and not listen):
        raise NcFailure("missing port number" if host or listen else USAGE.rstrip())
    if len(operands) > 1:
        raise NcFailure(f"one port was expected, not {' '.join(operands)}")
    first, _, last = operands[0].partition("-")
    if last and not probe:
        raise NcFailure(f"a range of ports ({operands[0]}) goes with -z only")
    quit_s = _number(flags["-q"], "quit time", signed=True) if "-q" in flags else None
    return NcOptions(
        host=host,
        ports=range(_port(first), _port(last or first) + 1),
        source_port=_port(flags["-p"]) if "-p" in flags and not listen else 0,
        listen=listen,
        keep=keep,
        shutdown="-N" in flags or (quit_s is not None and quit_s >= 0),
        verbose="-v" in flags,
        numeric="-n" in flags,
        probe=probe,
        idle_s=_number(flags["-w"], "timeout") if "-w" in flags else None,
        quit_s=quit_s if quit_s is not None and quit_s >= 0 else None,
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise NcFailure(f"port number invalid: {text}")
    if int(text) > 65535:
        raise NcFailure(f"port number too large: {text}")
    if int(text) == 0:
        raise NcFailure(f"port number too small: {text}")
    return int(text)


def _number(text: str, what: str, *, signed: bool = False) -> float:
    digits = text.removeprefix("-") if signed else text
    if not (digits.isascii() and digits.isdigit()):
        raise NcFailure(f"{what} invalid: {text}")
    return float(text)
