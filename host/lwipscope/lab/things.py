"""What the lab answers with: what came of a line, and the things that there are by name.

Made by `Lab`, shown by the page and by the prompt. Everything is frozen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Who: TypeAlias = Literal["board", "nc", "kernel", "raw"]
Kind: TypeAlias = Literal["socket", "listener", "connection", "peer"]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one line. `said` and `error` may have several lines; one of them is empty
    unless a line did something and then failed. `python` is what a program on the board would
    say, `shell` what one would type in a terminal; empty where there is no such thing."""

    line: str
    ok: bool
    said: str = ""
    python: str = ""
    shell: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that verbs take by its name: s1 (a socket of the board), n1 (nc), r1 (raw peer).

    c5 (who="kernel") is a connection of the board with somebody else, such as the learner's own
    nc, that no name was given to: it may wait for `board accept`. `conn` is the board's id of the
    connection; `state` as lwIP spells it, for peers the state of their own end as far as it can
    be told; `note` is for people ("waits for accept", "ended, exit code 0")."""

    name: str
    who: Who
    kind: Kind
    conn: int | None
    port: int
    state: str
    note: str = ""
