"""The grammar of the lab: which lines there are, for buttons, completion, help and parsing.

One grammar everywhere: the page's buttons send such lines, the prompt reads them. Texts are
English and translated where they are shown (`tr(verb.help)`); `VERBS` is in the order of help.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lwipscope.lab.mistakes import Mistake
from lwipscope.tcp.state import State
from lwipscope.words.catalogue import Translator, mark

Takes: TypeAlias = Literal[
    "port", "board-socket", "board-listener", "nc", "raw", "text", "number", "state", "word", "file"
]
Group: TypeAlias = Literal["board", "nc", "raw", "time", "lab"]
_MOST_NUMBER = 10_000_000


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument. `takes` tells what fits: for "board-socket", "board-listener", "nc" and "raw"
    the names that `Lab.things()` has; for "word" one of `choices`. Text goes to the line's end."""

    name: str
    takes: Takes
    optional: bool = False
    choices: tuple[str, ...] = ()
    default: str = ""


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: `words` begin the line ("board listen"), `group` is for the page. `help` is one
    English sentence, marked for translation."""

    words: str
    group: Group
    help: str
    arguments: tuple[Argument, ...] = ()

    def usage(self) -> str:
        """`board listen PORT [BACKLOG]`."""
        told = [f"[{a.name}]" if a.optional else a.name for a in self.arguments]
        return " ".join((self.words, *told))


_PORT = Argument("PORT", "port", default="6666")
_S = Argument("S", "board-socket")
_N = Argument("N", "nc")
_R = Argument("R", "raw")
_TEXT = Argument("TEXT", "text", default="hello")
_FLAGS = Argument("FLAGS", "text", optional=True)

VERBS: tuple[Verb, ...] = (
    Verb(
        *("board listen", "board", mark("a listening socket on the board")),
        (_PORT, Argument("BACKLOG", "number", optional=True, default="2")),
    ),
    Verb(
        *("board connect", "board", mark("the board connects to a peer that listens there")),
        (_PORT,),
    ),
    Verb(
        *("board accept", "board", mark("take the next connection that waits at a listener")),
        (Argument("L", "board-listener"),),
    ),
    Verb("board send", "board", mark("send text; \\n and \\x00 are understood"), (_S, _TEXT)),
    Verb(
        *("board recv", "board", mark("take what has come; nothing at all after the peer's FIN")),
        (_S, Argument("BYTES", "number", optional=True, default="48")),
    ),
    Verb("board close", "board", mark("close a socket: FIN, or RST if data were unread"), (_S,)),
    Verb("board abort", "board", mark("end a connection by RST, where MicroPython can"), (_S,)),
    Verb(
        *("board reuse", "board", mark("set SO_REUSEADDR on sockets made from now on")),
        (Argument("ON", "word", True, ("on", "off"), "on"),),
    ),
    Verb("board gc", "board", mark("collect garbage on the board; how much memory is free")),
    Verb("board reset", "board", mark("reset the board; its peers are not told")),
    Verb(
        *("board run", "board", mark("run your own MicroPython file instead of the agent")),
        (Argument("FILE", "file"),),
    ),
    Verb("board agent", "board", mark("end your program; the board obeys the verbs again")),
    Verb(
        *("nc connect", "nc", mark("an nc that connects to the board; FLAGS as nc has them")),
        (_PORT, _FLAGS),
    ),
    Verb("nc listen", "nc", mark("an nc that waits for the board"), (_PORT, _FLAGS)),
    Verb("nc type", "nc", mark("type a line into an nc"), (_N, _TEXT)),
    Verb("nc end", "nc", mark("Ctrl-D: the end of an nc's input"), (_N,)),
    Verb("nc kill", "nc", mark("end an nc as kill -9 does"), (_N,)),
    Verb(
        *("raw connect", "raw", mark("a raw peer connects; it may withhold the handshake's ACK")),
        (_PORT, Argument("HOW", "word", True, ("withhold-ack",))),
    ),
    Verb(
        *("raw listen", "raw", mark("a raw peer waits for the board; it may answer no SYN")),
        (_PORT, Argument("HOW", "word", True, ("withhold-ack",))),
    ),
    Verb("raw ack", "raw", mark("acknowledge all that has come"), (_R,)),
    Verb("raw send", "raw", mark("send text in one segment"), (_R, _TEXT)),
    Verb("raw fin", "raw", mark("send FIN now, without acknowledging anything new"), (_R,)),
    Verb("raw fin-ack", "raw", mark("FIN and acknowledgement in one segment"), (_R,)),
    Verb("raw rst", "raw", mark("send RST"), (_R,)),
    Verb("raw silent", "raw", mark("send nothing more, answer nothing"), (_R,)),
    Verb("raw polite", "raw", mark("behave by itself from now on, as a TCP does"), (_R,)),
    Verb("raw withhold", "raw", mark("behave, but acknowledge nothing more"), (_R,)),
    Verb(
        *("raw close-crossing", "raw", mark("both ends close at once: the FINs cross")),
        (_R, _S),
    ),
    Verb(
        *("time until", "time", mark("move the board's time on until a state is reached")),
        (Argument("STATE", "state"), Argument("S", "board-socket", optional=True)),
    ),
    Verb(
        *("time manual", "time", mark("stop the board's time: it moves only when you say so")),
    ),
    Verb("time running", "time", mark("let the board's time run")),
    Verb(
        *("time", "time", mark("move the board's time on by so many milliseconds")),
        (
            Argument("MS", "number", default="1000"),
            Argument("HOW", "word", True, ("forced",)),
        ),
    ),
    Verb("table", "lab", mark("the board's connections and what they wait for")),
    Verb("netstat", "lab", mark("the connections of both ends, in netstat's columns")),
    Verb(
        "help", "lab", mark("all verbs, or those that begin so"), (Argument("VERB", "text", True),)
    ),
    Verb("save", "lab", mark("write the run so far to a file"), (Argument("FILE", "file", True),)),
    Verb("script", "lab", mark("the same as board run"), (Argument("FILE", "file"),)),
)


def parse(line: str, tr: Translator, verbs: Sequence[Verb] = VERBS) -> tuple[Verb, dict[str, str]]:
    """The verb of a line and its arguments by name; Mistake with what was expected.

    Numbers and ports are checked here, names of things are not."""
    words = line.split()
    fitting = [v for v in verbs if words[: len(v.words.split())] == v.words.split()]
    if not fitting:
        raise Mistake(_unknown(words, tr, verbs))
    # "time until" before "time".
    verb = max(fitting, key=lambda v: len(v.words))
    rest = line.strip()
    for _ in verb.words.split():
        rest = rest.partition(" ")[2].strip()
    return verb, _arguments(verb, rest, tr)


def _arguments(verb: Verb, rest: str, tr: Translator) -> dict[str, str]:
    found: dict[str, str] = {}
    for argument in verb.arguments:
        if argument.takes in ("text", "file"):
            value, rest = rest, ""
        else:
            value, _, rest = rest.partition(" ")
            rest = rest.strip()
        if not value and not argument.optional:
            raise Mistake(tr("{name} is missing: {usage}", name=argument.name, usage=verb.usage()))
        if value:
            found[argument.name] = value
            _check(verb, argument, value, tr)
    if rest:
        raise Mistake(tr("{rest!r} is too much: {usage}", rest=rest, usage=verb.usage()))
    return found


def _check(verb: Verb, argument: Argument, value: str, tr: Translator) -> None:
    match argument.takes:
        case "port":
            if not _is_number(value, 1, 65535):
                raise Mistake(
                    tr(
                        "{value!r} is no port (1 to 65535): {usage}",
                        value=value,
                        usage=verb.usage(),
                    )
                )
        case "number":
            if not _is_number(value, 0, _MOST_NUMBER):
                raise Mistake(
                    tr(
                        "{value!r} is no number from 0 to {most}: {usage}",
                        value=value,
                        most=_MOST_NUMBER,
                        usage=verb.usage(),
                    )
                )
        case "word" if value not in argument.choices:
            raise Mistake(
                tr(
                    "{value!r} was not expected: {usage}, where {name} is {choices}",
                    value=value,
                    usage=verb.usage(),
                    name=argument.name,
                    choices=" | ".join(argument.choices),
                )
            )
        case "state":
            State.parse(value)


def _is_number(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most


def _unknown(words: Sequence[str], tr: Translator, verbs: Sequence[Verb]) -> str:
    first = words[0] if words else ""
    near = [v.usage() for v in verbs if v.words.split()[0] == first]
    said = " ".join(words[:2])
    if near:
        listed = "\n".join(f"  {usage}" for usage in near)
        return tr(
            "no verb begins with {said!r}; with {first} there are:", said=said, first=first
        ) + (f"\n{listed}")
    groups = ", ".join(dict.fromkeys(v.words.split()[0] for v in verbs))
    return tr(
        "no verb begins with {said!r}; lines begin with {groups}. `help` tells more",
        said=said,
        groups=groups,
    )
