"""lwIP's options as the compiler saw them, resolved as far as they are numbers.

Called by build.py after a build, for the provenance record. The preprocessor is the only one who
knows them: lwIP's defaults (src/include/lwip/opt.h), MicroPython's (extmod/lwip-include) and ours
(port/lwipopts.h) are layered, and many are expressions of others.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

# Runs the build's own compiler with the build's own flags: (source file, extra options) -> output.
Preprocess = Callable[[Path, str], str]

_WANTED = re.compile(r"#define ((?:TCP|MEMP?|LWIP|PBUF|ARP|DHCP|DNS|IP)_\w+|NO_SYS) (\S.*)")
_MARK = "lwipscope_option"
# Noise: the texts of declarations, attributes and the like; guards have no value anyway.
_NO_OPTION = re.compile(r"\w+_DEBUG|LWIP_(PLATFORM|HDR|DECLARE|UNUSED|CONST|MARK|PACKED|ASSERT)\w*")
# Times that decide about paths; lwIP has their defaults in lwip/priv/tcp_priv.h.
_TIMES = (
    "TCP_FAST_INTERVAL",
    "TCP_FIN_WAIT_TIMEOUT",
    "TCP_KEEPIDLE_DEFAULT",
    "TCP_MSL",
    "TCP_SLOW_INTERVAL",
    "TCP_SYN_RCVD_TIMEOUT",
    "TCP_TMR_INTERVAL",
)
# For the names that options are expressions of; LWIP_MIN and LWIP_MAX stay as they are.
_INCLUDES = """\
#include "lwip/opt.h"
#include "lwip/pbuf.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"
#include "netif/ppp/ppp_opts.h"
#undef LWIP_MIN
#undef LWIP_MAX
"""


def read(preprocess: Preprocess, scratch: Path) -> dict[str, int | str]:
    """All options by name: numbers where the text is a constant expression, else the text."""
    scratch.mkdir(parents=True, exist_ok=True)
    first = scratch / "options.c"
    first.write_text('#include "lwip/opt.h"\n', encoding="utf-8")
    names = {
        match[1]
        for match in map(_WANTED.fullmatch, preprocess(first, "-dM -E").splitlines())
        if match and not _NO_OPTION.fullmatch(match[1])
    }
    second = scratch / "resolved.c"
    second.write_text(
        _INCLUDES
        + "".join(
            f'"{_MARK} {name}" {name} "{_MARK} end"\n' for name in sorted(names.union(_TIMES))
        ),
        encoding="utf-8",
    )
    pattern = re.compile(rf'"{_MARK} (\w+)"\s+(.*?)\s*"{_MARK} end"', re.DOTALL)
    return {
        match[1]: value_of(" ".join(match[2].split()))
        for match in pattern.finditer(preprocess(second, "-E -P"))
        # Empty: a switch that is on by being there; itself: not defined at all.
        if match[2] not in ("", match[1])
    }


def value_of(text: str) -> int | str:
    """The number that a C constant expression stands for, or the text if it is none."""
    plain = re.sub(r"\(\s*(?:[us](?:8|16|32)_t|unsigned int|unsigned|int|size_t)\s*\)", "", text)
    plain = re.sub(r"\b(0[xX][0-9a-fA-F]+|\d+)[uUlL]+\b", r"\1", plain)
    plain = re.sub(r"!(?!=)", " not ", plain.replace("&&", " and ").replace("||", " or "))
    try:
        return _evaluate(ast.parse(plain.strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError):
        return text


_BINARY: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    # C cuts towards zero.
    ast.Div: lambda a, b: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
    ast.BitAnd: lambda a, b: a & b,
    ast.BitOr: lambda a, b: a | b,
    ast.LShift: lambda a, b: a << b,
    ast.RShift: lambda a, b: a >> b,
}
_UNARY: dict[type[ast.unaryop], Callable[[int], int]] = {
    ast.USub: lambda a: -a,
    ast.Invert: lambda a: ~a,
    ast.Not: lambda a: int(not a),
}
_CALLS: dict[str, Callable[[list[int]], int]] = {"LWIP_MIN": min, "LWIP_MAX": max}


def _evaluate(node: ast.expr) -> int:
    match node:
        case ast.Constant(value=int(number)) if type(number) is int:
            return number
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_evaluate(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](_evaluate(left), _evaluate(right))
        case ast.BoolOp(op=op, values=values):
            every = isinstance(op, ast.And)
            truths = [bool(_evaluate(value)) for value in values]
            return int(all(truths) if every else any(truths))
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _CALLS:
            return _CALLS[name]([_evaluate(argument) for argument in arguments])
    raise ValueError("not a constant expression of integers")
