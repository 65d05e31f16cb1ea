"""The lab's page: one HTML file in the learner's language, its scripts and its style.

Texts are in English in `assets`: elements with `data-t` are translated here, those of the scripts
by the catalogue that the page carries. The style is the report's (report.css, diagram.css) and
then lab.css. Called by `server`; nothing that a board or a learner said passes through here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from html import escape, unescape
from importlib.resources import files
from typing import Any

from lwipscope.report import svg
from lwipscope.report.diagram import Diagram, diagram_of
from lwipscope.report.diagram_layout import Scale
from lwipscope.report.explain import explain
from lwipscope.report.html import embedded
from lwipscope.runfile.model import Run
from lwipscope.words.catalogue import Translator, translator
from lwipscope.words.lang import Lang

_SCRIPTS = ("lab.js", "dom.js", "ladder.js", "scopes.js", "bench.js", "dock.js", "editor.js")
_TEXT = re.compile(r"(<[^<>]*\sdata-t[^<>]*>)([^<]*)")
_SCALE = Scale(118, 52, 98, 25, 12.5, 8, 80, 62, 18, 11, False)
"""Flat, so that both diagrams stand above each other."""
_WIDTH = 96
"""Where explain.py breaks its lines."""


class Page:
    """What the server hands out."""

    def __init__(self, idle_s: float | None) -> None:
        self._idle_s = idle_s

    def html(self, lang: Lang) -> bytes:
        """The page itself."""
        tr = translator(lang)
        peer, board = diagram_of("rfc9293"), diagram_of("modlwip-2.2.1")
        data = {
            "lang": lang,
            "texts": tr.texts(),
            "idle_s": self._idle_s,
            "graphs": {"peer": _graph(peer), "board": _graph(board)},
        }
        text = _translated(_asset("lab.html"), tr)
        fields: dict[str, Callable[[], str]] = {
            "lang": lambda: {"en": "en", "zh": "zh-Hans"}[lang],
            "board": lambda: svg.part(
                board, tr("States of the board; up and down choose an edge"), _SCALE
            ),
            "peer": lambda: svg.part(
                peer, tr("States of the other end; up and down choose an edge"), _SCALE
            ),
            "data": lambda: embedded(data),
        }
        for name, value in fields.items():
            text = text.replace("{{" + name + "}}", value())
        return text.encode()

    def asset(self, name: str) -> tuple[str, bytes] | None:
        """Type and content of a file that the page asks for."""
        if name == "lab.css":
            style = svg.style() + svg.asset("report.css") + _asset("lab.css")
            return "text/css; charset=utf-8", style.encode()
        if name in _SCRIPTS:
            return "text/javascript; charset=utf-8", _asset(name).encode()
        return None


def explained(what: str, run: Run | None, lang: Lang) -> list[list[Any]]:
    """[indent, text] for each paragraph of an explanation: the page breaks lines by itself."""
    made: list[list[Any]] = []
    last = ""
    for line in explain(what, run, lang).splitlines():
        text = line.lstrip()
        indent = len(line) - len(text)
        word = text.partition(" ")[0]
        if made and text and indent > made[-1][0] and len(last) + 1 + len(word) > _WIDTH:
            made[-1][1] += " " + text
        else:
            made.append([indent, text])
        last = line
    return made


@cache
def _asset(name: str) -> str:
    return files("lwipscope.lab").joinpath("assets", name).read_text("utf-8")


def _translated(text: str, tr: Translator) -> str:
    """The text of each element with `data-t` in this language."""
    texts = tr.texts()

    def element(found: re.Match[str]) -> str:
        words = " ".join(unescape(found[2]).split())
        return found[1] + escape(texts.get(words, words), quote=False)

    return _TEXT.sub(element, text)


def _graph(diagram: Diagram) -> dict[str, list[list[str]]]:
    return {
        arrow.key: [[w.kind, w.trigger, w.source, w.note, w.sends, w.rfc] for w in arrow.ways]
        for arrow in diagram.arrows
    }
