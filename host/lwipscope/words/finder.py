"""Finds the English texts that the product's source asks to have translated, and where they stand.

In Python every literal in `tr("...")` and `mark("...")` (by the syntax tree, so that adjacent
literals are one), in JavaScript every `t("...")`, in HTML the text of every element with `data-t`.
Used by tests and by `python -m lwipscope.words`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
_NAMES = {"tr", "_tr", "mark"}
# Commands that belong to a part of the teaching material; all others are the topic `cli`.
_COMMANDS = {"grade": "exercise", "class_pack": "exercise", "myth": "glossary", "show": "report"}
_TEACHING = ("lesson", "lab", "exercise", "glossary")
_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclass(frozen=True, slots=True)
class Use:
    """A text that is translated, and where. `literal` is False where no finder can read it."""

    text: str
    path: Path
    line: int
    literal: bool = True

    @property
    def topic(self) -> str:
        """The name of the catalogue's file that its translation belongs into."""
        return topic_of(self.path)

    def __str__(self) -> str:
        inside = self.path.is_relative_to(PACKAGE)
        return f"{self.path.relative_to(PACKAGE.parent) if inside else self.path}:{self.line}"


def topic_of(path: Path, package: Path = PACKAGE) -> str:
    """A source file's topic: the part of the package that it is in."""
    if not path.is_relative_to(package):
        return path.parent.name
    parts = path.relative_to(package).parts
    if parts[0] != "cli":
        return parts[0].removesuffix(".py")
    name = path.stem
    begins = next((each for each in _TEACHING if name.startswith(each)), "cli")
    return _COMMANDS.get(name, begins)


def uses(package: Path = PACKAGE) -> Iterator[Use]:
    """Every text in the source below `package`."""
    for path in sorted(package.rglob("*")):
        if "__pycache__" in path.parts or "_share" in path.parts:
            continue
        if path.suffix == ".py":
            yield from python_uses(path)
        elif path.suffix == ".js":
            yield from script_uses(path)
        elif path.suffix == ".html":
            yield from page_uses(path)


def python_uses(path: Path) -> Iterator[Use]:
    """The literals of a Python file. (`tr(TABLE[key])` is allowed: the table marks its texts.)"""
    source = path.read_text(encoding="utf-8")
    if not any(f"{name}(" in source for name in _NAMES):
        return
    for node in ast.walk(ast.parse(source, str(path))):
        if not isinstance(node, ast.Call) or _called(node.func) not in _NAMES or not node.args:
            continue
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            yield Use(first.value, path, node.lineno)
        elif isinstance(first, ast.JoinedStr | ast.BinOp | ast.Constant):
            yield Use(ast.unparse(first), path, node.lineno, literal=False)


def _called(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


_STRING = r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`(?:[^`\\]|\\.)*`'
_CALL = re.compile(rf"(?<![\w.$])t\(\s*((?:{_STRING})(?:\s*\+\s*(?:{_STRING}))*)\s*([,)+]?)")


def script_uses(path: Path) -> Iterator[Use]:
    """The literals of a JavaScript file; literals that are joined with + are one text."""
    source = path.read_text(encoding="utf-8")
    for found in _CALL.finditer(source):
        line = source.count("\n", 0, found.start()) + 1
        parts = re.findall(_STRING, found[1])
        text = "".join(_unquoted(part) for part in parts)
        clean = found[2] in (",", ")") and not any(p[0] == "`" and "${" in p for p in parts)
        yield Use(text, path, line, literal=clean)


def _unquoted(literal: str) -> str:
    simple = {"n": "\n", "t": "\t"}
    return re.sub(
        r"\\(u[0-9a-fA-F]{4}|.)",
        lambda m: chr(int(m[1][1:], 16)) if len(m[1]) > 1 else simple.get(m[1], m[1]),
        literal[1:-1],
        flags=re.DOTALL,
    )


def page_uses(path: Path) -> Iterator[Use]:
    """The texts of the elements with `data-t`, white space made one space."""
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    for line, text, plain in page.found:
        yield Use(text, path, line, literal=plain)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[int, str, bool]] = []
        self._line = 0
        self._depth = 0
        self._plain = True
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._depth:
            self._plain = False
            self._depth += tag not in _VOID
        elif any(name == "data-t" for name, _ in attrs) and tag not in _VOID:
            self._line, self._depth, self._plain, self._text = self.getpos()[0], 1, True, []

    def handle_endtag(self, tag: str) -> None:
        if not self._depth or tag in _VOID:
            return
        self._depth -= 1
        if not self._depth:
            self.found.append((self._line, " ".join("".join(self._text).split()), self._plain))

    def handle_data(self, data: str) -> None:
        if self._depth:
            self._text.append(data)
