"""The notation of expected paths: its syntax tree, parser and canonical form.

    path   = series *("|" series)
    series = part *(">" part)
    part   = state | "..." | "(" path ")" | "[" [">"] path [">"] "]"

Between two parts stands exactly one `>`; an optional part may carry it inside, at its beginning
or end, as in `FIN_WAIT_1 > [FIN_WAIT_2 >] TIME_WAIT`. Called by `path`; states are read by
`State.parse`, so all usual spellings work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from lwipscope.errors import UsageError
from lwipscope.tcp.state import State

_MAX_NESTING = 40


@dataclass(frozen=True, slots=True)
class Gap:
    """`...`: any states, also none."""

    def __str__(self) -> str:
        return "..."


@dataclass(frozen=True, slots=True)
class Optional:
    """`[part]`: the part or nothing."""

    part: Node

    def __str__(self) -> str:
        return f"[{self.part}]"


@dataclass(frozen=True, slots=True)
class Series:
    """Two or more parts, one after the other."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        required = [i for i, part in enumerate(self.parts) if not isinstance(part, Optional)]
        last_required = required[-1] if required else -1
        text = ""
        carried = True  # whether the `>` before the next part is written already
        for index, part in enumerate(self.parts):
            trailing = leading = False
            if isinstance(part, Optional):
                trailing = index < last_required
                leading = not trailing and index > 0
                body = f"[{'> ' if leading else ''}{part.part}{' >' if trailing else ''}]"
            else:
                body = f"({part})" if isinstance(part, Alternatives) else str(part)
            text += ("" if not text else " " if carried or leading else " > ") + body
            carried = trailing
        return text


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Two or more paths of which one is taken."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " | ".join(str(part) for part in self.parts)


Node: TypeAlias = State | Gap | Optional | Series | Alternatives


def parse_notation(text: str) -> Node:
    """The syntax tree of `text`; UsageError with a caret under the offending column."""
    return _Parser(re.sub(r"\s", " ", text)).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    column: int


# A state may be several words ("FIN WAIT 1"); its hyphens must not swallow the one of "->".
_WORD = r"[A-Za-z0-9_](?:[A-Za-z0-9_]|-(?!>))*"
_TOKEN = re.compile(
    r" *(?:(?P<arrow>->|→|>)|(?P<gap>\.\.\.|…)|(?P<mark>[|()\[\]])"
    rf"|(?P<state>{_WORD}(?: +{_WORD})*))"
)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._scan())
        self._index = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._alternatives()
        token = self._peek()
        if token.kind != "end":
            self._fail(token, f"nothing was opened that {token.text!r} could close")
        return node

    def _scan(self) -> Iterator[_Token]:
        position = 0
        end = len(self._text.rstrip())
        while position < end:
            found = _TOKEN.match(self._text, position)
            if found is None:
                bad = len(self._text) - len(self._text[position:].lstrip())
                character = self._text[bad]
                self._fail(_Token("bad", character, bad), f"{character!r} has no meaning here")
            kind = found.lastgroup or ""
            word = found[kind]
            yield _Token(word if kind == "mark" else kind, word, found.start(kind))
            position = found.end()
        yield _Token("end", "the end", end)

    def _peek(self) -> _Token:
        return self._tokens[self._index]

    def _take(self, kind: str) -> _Token | None:
        token = self._peek()
        if token.kind != kind:
            return None
        self._index += 1
        return token

    def _fail(self, token: _Token, complaint: str) -> NoReturn:
        raise UsageError(
            f"this is not a path:\n  {self._text}\n  {' ' * token.column}^ {complaint}"
        )

    def _alternatives(self, in_brackets: bool = False) -> Node:
        parts = [self._series(in_brackets)]
        while self._take("|"):
            parts.append(self._series(in_brackets))
        flat: list[Node] = []
        for part in parts:
            flat.extend(part.parts if isinstance(part, Alternatives) else (part,))
        return flat[0] if len(flat) == 1 else Alternatives(tuple(flat))

    def _series(self, in_brackets: bool) -> Node:
        first, _, carried = self._part()
        parts = [first]
        while True:
            token = self._peek()
            arrow = self._take("arrow")
            if arrow and carried:
                self._fail(arrow, "the optional part before this has its '>' already")
            if self._peek().kind in ("end", ")", "]", "|"):
                if arrow and in_brackets and self._peek().kind == "]":
                    self._index -= 1  # `[... >]`: this '>' belongs to the brackets
                elif arrow or carried:
                    self._fail(self._peek(), "after '>' a state is expected")
                break
            part, leading, next_carried = self._part()
            if leading and (arrow or carried):
                self._fail(leading, "there is a '>' before this optional part already")
            if not (leading or arrow or carried):
                self._fail(token, "'>' is missing before this")
            parts.append(part)
            carried = next_carried
        flat: list[Node] = []
        for part in parts:
            flat.extend(part.parts if isinstance(part, Series) else (part,))
        return flat[0] if len(flat) == 1 else Series(tuple(flat))

    def _part(self) -> tuple[Node, _Token | None, bool]:
        """One part, the '>' it carries at its beginning, and whether it carries one at its end."""
        token = self._peek()
        self._index += 1
        if token.kind == "state":
            return self._state(token), None, False
        if token.kind == "gap":
            return Gap(), None, False
        if token.kind not in ("(", "["):
            self._index -= 1
            self._fail(token, f"a state is expected, not {token.text}")
        self._depth += 1
        if self._depth > _MAX_NESTING:
            self._fail(token, f"more than {_MAX_NESTING} levels of brackets")
        leading = self._take("arrow") if token.kind == "[" else None
        first_in_series = leading is not None and self._starts_series(self._index - 2)
        if leading and first_in_series:
            self._fail(leading, "nothing stands before this '>'")
        node = self._alternatives(in_brackets=token.kind == "[")
        carried = token.kind == "[" and self._take("arrow") is not None
        closing = ")" if token.kind == "(" else "]"
        if not self._take(closing):
            self._fail(self._peek(), f"{closing!r} is missing")
        self._depth -= 1
        if token.kind == "[" and not isinstance(node, Gap | Optional):
            node = Optional(node)
        return node, leading, carried

    def _starts_series(self, index: int) -> bool:
        return index == 0 or self._tokens[index - 1].kind in ("|", "(", "[")

    def _state(self, token: _Token) -> State:
        try:
            return State.parse(token.text)
        except UsageError as error:
            complaint = str(error)
        head, _, tail = token.text.partition(" ")
        if tail:
            for words in range(1, token.text.count(" ") + 1):
                pieces = token.text.split(" ")
                head, tail = " ".join(pieces[:words]), " ".join(pieces[words:])
                try:
                    State.parse(head)
                except UsageError:
                    continue
                column = token.column + len(token.text) - len(tail.lstrip())
                self._fail(_Token("state", tail, column), "'>' is missing before this")
        self._fail(token, complaint)
