"""State stores and hook points in lwIP sources of unknown content, found by pattern.

Called by build.py for `--unpinned`. Where generate.py knows each store of lwIP 2.2.1 by its line,
this module takes every statement `X->state = VALUE;` of the C files that deal with pcbs, moved or
new, and the trace tells of it as file:line. What it can't read for certain is an error with its
place: a firmware that misses a store would lie. Sources: lwIP 2.2.1 src/core/tcp.c, tcp_in.c;
MicroPython 1.25.0 extmod/modlwip.c; `LWIPSCOPE_WRAP` in firmware/port/mpconfigboard.mk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import BuildError
from lwipscope.firmware.generate import SUSPECT, socket_layer, write_if_changed

_CORE = "src/core"
_MUST_STORE = ("src/core/tcp.c", "src/core/tcp_in.c")
_MODLWIP = "extmod/modlwip.c"
_LARGEST_LINE = 0xFFFF  # a record has 16 bits for it

_NO_CODE = re.compile(
    r"/\*.*?(?:\*/|\Z)|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL
)
_STORE = re.compile(
    r"(?<![\w.>)\]])(?P<object>\w+(?:\s*(?:->|\.)\s*\w+|\[\w+\])*?)"
    r"\s*->\s*state\s*=(?!=)\s*(?P<value>[^;{}]+?)\s*;"
)
_STATEMENT_BEGINS = re.compile(r"(?:\A|[;{}:)]|\b(?:else|do))\s*\Z")
_SOCKET_STORE = re.compile(r"\b(?:tcp|\w*pcb)\s*->\s*state\s*=(?!=)")

# What the tracer wraps at link time: the function, and what would be untold without it.
_WRAPPED = {
    "memp_malloc": "births of pcbs",
    "memp_free": "deaths of pcbs",
    "tcp_input": "segments that come in",
    "ip4_output_if": "segments that go out",
    "tcp_rst": "whose RST goes out",
    "tcp_tmr": "what lwIP's timers do",
    "tcp_netif_ip_addr_changed": "changes of the address",
    "tcp_new": "the call socket",
    "tcp_bind": "the call bind",
    "tcp_listen_with_backlog_and_err": "the call listen",
    "tcp_connect": "the call connect",
    "tcp_close": "the call close",
    "tcp_abort": "aborts",
    "tcp_write": "the call send",
    "tcp_recved": "the call recv",
    "tcp_err": "a workaround for MicroPython's close() of listeners",
    "tcp_recv": "a workaround for MicroPython's close() of listeners",
}
# What has to stand somewhere in a file: the pattern, how to write it, and what it is for.
_POINTS = {
    _CORE: (
        (r"\bmemp_malloc\s*\(\s*MEMP_TCP_PCB\s*\)", "memp_malloc(MEMP_TCP_PCB)", "births of pcbs"),
        (
            r"\bmemp_malloc\s*\(\s*MEMP_TCP_PCB_LISTEN\s*\)",
            *("memp_malloc(MEMP_TCP_PCB_LISTEN)", "births of listeners"),
        ),
        (r"\bmemp_free\s*\(\s*MEMP_TCP_PCB\s*,", "memp_free(MEMP_TCP_PCB, ...)", "deaths of pcbs"),
        (
            r"\bmemp_free\s*\(\s*MEMP_TCP_PCB_LISTEN\s*,",
            *("memp_free(MEMP_TCP_PCB_LISTEN, ...)", "deaths of listeners"),
        ),
    ),
    "src/core/tcp_in.c": (
        (
            r"\bLWIP_HOOK_TCP_INPACKET_PCB\s*\(",
            *("LWIP_HOOK_TCP_INPACKET_PCB(...)", "whose segment came in"),
        ),
        (
            r"#\s*include\s+LWIP_HOOK_FILENAME",
            *("#include LWIP_HOOK_FILENAME", "whose segment came in"),
        ),
    ),
    _MODLWIP: (
        (r"\blwip_socket_type\b", "lwip_socket_type", "which socket is meant"),
        (
            r"\bMP_DEFINE_CONST_FUN_OBJ_1\s*\(\s*\w+\s*,\s*lwip_socket_accept\s*\)",
            *("MP_DEFINE_CONST_FUN_OBJ_1(..., lwip_socket_accept)", "the call accept"),
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A tree as the build reads it, and what it is called in messages."""

    root: Path
    shown: Path

    def text(self, name: str) -> str:
        """A file's text; undecodable bytes stand in comments and stay what they are."""
        return (self.root / name).read_bytes().decode("utf-8", "surrogateescape")

    def files(self, below: str, ending: str) -> list[str]:
        """The files below a folder, by name."""
        found = (self.root / below).rglob(f"*{ending}")
        return sorted(path.relative_to(self.root).as_posix() for path in found)


def generate(micropython: Place, lwip: Place, folder: Path) -> None:
    """Write the generated sources below `folder`, and remove those of files that are gone."""
    _check_points(micropython, lwip)
    socket = _without_comments(micropython.text(_MODLWIP))
    if match := _SOCKET_STORE.search(socket):
        raise _refused(micropython, _MODLWIP, socket, match.start(), _FOREIGN)
    for name in lwip.files("src/include", ".h"):
        text = _without_comments(lwip.text(name))
        if "tcp_pcb" in text and (match := SUSPECT.search(text)):
            raise _refused(lwip, name, text, match.start(), _FOREIGN)
    wanted = {folder / _MODLWIP}
    for name in lwip.files(_CORE, ".c"):
        text = lwip.text(name)
        if "tcp_pcb" not in text:
            continue
        wanted.add(folder / name)
        write_if_changed(
            folder / name, traced_text(lwip, name, text).encode("utf-8", "surrogateescape")
        )
    write_if_changed(folder / _MODLWIP, socket_layer(micropython.root))
    for old in [path for path in folder.rglob("*.c") if path not in wanted]:
        old.unlink()


def traced_text(lwip: Place, name: str, text: str) -> str:
    """lwIP's file `name` with each statement `X->state = VALUE;` told to the tracer."""
    code = _without_comments(text)
    pieces: list[str] = []
    done = stores = 0
    rest = list(code)
    for match in _STORE.finditer(code):
        if not (_begins_statement(code, match.start()) and _is_one_argument(match["value"])):
            continue
        line = _line(code, match.start())
        if line > _LARGEST_LINE:
            raise _refused(lwip, name, code, match.start(), "a store behind line 65535")
        value = text[match.start("value") : match.end("value")]
        # As many lines as before, so that what follows keeps its numbers.
        fill = "\n" * (match[0].count("\n") - value.count("\n"))
        pieces += [
            text[done : match.start()],
            f"TCPTRACE_SET_STATE({match['object']}, {value}, {line});{fill}",
        ]
        rest[match.start() : match.start("value")] = " " * (match.start("value") - match.start())
        done = match.end()
        stores += 1
    unread = SUSPECT.search("".join(rest))
    if unread:
        raise _refused(lwip, name, code, unread.start(), "a store to a state that can't be read")
    if not stores and name in _MUST_STORE:
        raise BuildError(
            f"{lwip.shown / name}: no statement of the form `X->state = VALUE;` is in it; the "
            "tracer finds state changes by this form, so it would tell of none: keep the "
            "field's name, or adapt lwipscope/firmware/stores.py"
        )
    pieces.append(text[done:])
    return f'#include "tcptrace.h"\n#line 1 "lwip/{name}"\n' + "".join(pieces)


# --- what is looked for ------------------------------------------------------------------------

_FOREIGN = "a store to a pcb's state outside of lwIP's C files"


def _check_points(micropython: Place, lwip: Place) -> None:
    for where, points in _POINTS.items():
        place = micropython if where == _MODLWIP else lwip
        names = [where] if where.endswith(".c") else place.files(where, ".c")
        texts = "\n".join(_without_comments(place.text(name)) for name in names if _is(place, name))
        for pattern, form, purpose in points:
            if not re.search(pattern, texts):
                raise BuildError(
                    f"{place.shown / where}: no {form} is in it; the tracer learns there of "
                    f"{purpose}: keep it, or adapt firmware/tcptrace/hooks.c and "
                    "lwipscope/firmware/stores.py to the new code"
                )
    codes = {name: _without_comments(lwip.text(name)) for name in lwip.files(_CORE, ".c")}
    for function, purpose in _WRAPPED.items():
        _check_wrapped(lwip, codes, function, purpose)


def _check_wrapped(lwip: Place, codes: dict[str, str], function: str, purpose: str) -> None:
    what = f"the tracer wraps {function}() at link time to learn of {purpose}"
    advice = "keep it, or adapt LWIPSCOPE_WRAP in firmware/port/mpconfigboard.mk and tcptrace/"
    parameters = re.compile(rf"\b{function}\s*\([^;{{}}]*?\)[ \t]*(?:\{{|$)", re.MULTILINE)
    for name, code in codes.items():
        if function not in code:
            continue
        for match in parameters.finditer(code):
            above, _, beside = code[: match.start()].rpartition("\n")
            if not re.fullmatch(r"[\w \t*]*", beside):
                continue
            kind = f"{above.rpartition(chr(10))[2]} {beside}"
            if re.search(r"\bstatic\b", kind):
                raise BuildError(
                    f"{lwip.shown / name}:{_line(code, match.start())}: {function}() is static, "
                    f"and {what}; {advice}"
                )
            return
    raise BuildError(f"{lwip.shown / _CORE}: no function {function}() is defined; {what}; {advice}")


def _is(place: Place, name: str) -> bool:
    if (place.root / name).is_file():
        return True
    raise BuildError(f"{place.shown / name} is missing; the firmware can't be built without it")


# --- reading C, as far as it is needed ---------------------------------------------------------


def _without_comments(text: str) -> str:
    """The text with comments and literals as blanks; every character keeps its place."""
    return _NO_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _begins_statement(code: str, at: int) -> bool:
    before = code[:at].rstrip()
    if _STATEMENT_BEGINS.search(before):
        return True
    # Behind a line of the preprocessor, e.g. #if.
    last = before.rpartition("\n")[2].lstrip()
    return last.startswith("#") and "\n" in code[len(before) : at]


def _is_one_argument(value: str) -> bool:
    """Whether a macro takes it as one argument, and it stores to no other state."""
    depth = 0
    for letter in value:
        depth += (letter == "(") - (letter == ")")
        if depth < 0 or (letter == "," and depth == 0):
            return False
    return depth == 0 and not SUSPECT.search(value)


def _line(code: str, at: int) -> int:
    return code.count("\n", 0, at) + 1


def _refused(place: Place, name: str, code: str, at: int, what: str) -> BuildError:
    line = _line(code, at)
    seen = code.split("\n")[line - 1].strip()
    return BuildError(
        f"{place.shown / name}:{line}: {what}: {seen}\nA trace that misses one would lie. Write it "
        "as a statement of its own in a C file of src/core, `NAME->state = VALUE;`, or adapt "
        "lwipscope/firmware/stores.py"
    )
