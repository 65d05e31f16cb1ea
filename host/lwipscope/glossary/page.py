"""The glossary as text: all of it, or one word in any spelling, in English or Chinese."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any

from lwipscope.errors import UsageError
from lwipscope.glossary.state_names import ARTICLES, BRIEF, SEEN_BY, TOOLS
from lwipscope.glossary.terms import TERMS, Term
from lwipscope.report.meanings import MEANING
from lwipscope.tcp.state import State
from lwipscope.words.catalogue import Translator
from lwipscope.words.lang import Lang
from lwipscope.words.width import pad, width, wrap

WIDTH = 96
_LABEL = 18


def whole(tr: Translator) -> str:
    """Every state and every word, a line or two each."""
    lines = [tr("States, as lwIP spells them:")]
    for state in State:
        lines += _row(state.name, _brief(state, tr), 13)
    lines += ["", tr("Words:")]
    for term in TERMS:
        lines += _row(_named(term, tr.lang), tr(term.meaning), 22)
    lines += ["", tr("`lwipscope glossary WORD` tells more; any tool's spelling will do.")]
    return "\n".join(lines)


def entry(word: str, tr: Translator, *, chinese: bool = True) -> str:
    """One word; UsageError that suggests near ones. `chinese`: the terminal can show it."""
    found = meant(word, tr)
    if isinstance(found, Term):
        return "\n".join(_term(found, tr))
    return "\n".join(_state(found, tr, chinese))


def meant(word: str, tr: Translator) -> Term | State:
    """What is called so, in any spelling; UsageError that suggests near ones."""
    squashed = _squash(word)
    for term in TERMS:
        if squashed in [_squash(each) for each in (term.word, *term.also, *term.chinese)]:
            return term
    try:
        return State.parse(word)
    except UsageError as error:
        raise UsageError(_unknown(word, squashed, tr)) from error


def as_json(word: str, tr: Translator) -> dict[str, Any]:
    """The same as data for --json: one word, or all of them if it is empty."""
    chosen: list[Term | State] = [meant(word, tr)] if word else [*State, *TERMS]
    return {
        "states": [
            {
                "name": each.name,
                "brief": _brief(each, tr),
                "meaning": tr(MEANING[each]),
                "spelled": {who: each.spelled(style) for who, style in TOOLS},
                "also": [*ARTICLES[each]],
                "standard": "RFC 9293 3.3.2",
                "see": SEEN_BY[each],
            }
            for each in chosen
            if isinstance(each, State)
        ],
        "words": [
            {
                "word": each.word,
                "meaning": tr(each.meaning),
                "also": [*each.also, *each.chinese],
                "standard": _source(each, tr),
                "see": each.see,
            }
            for each in chosen
            if isinstance(each, Term)
        ],
    }


def _unknown(word: str, squashed: str, tr: Translator) -> str:
    known = {_squash(name): term.word for term in TERMS for name in (term.word, *term.also)}
    known |= {_squash(state.name): state.name for state in State}
    near = difflib.get_close_matches(squashed, known, n=3, cutoff=0.5)
    names = list(dict.fromkeys(known[each] for each in near))
    if names:
        return tr("the glossary has no {word}; did you mean {names}?", word=word, names=names[0])
    return tr("the glossary has no {word}; `lwipscope glossary` lists its words", word=word)


def _state(state: State, tr: Translator, chinese: bool) -> Iterator[str]:
    yield tr("{word}: {meaning}", word=state.name, meaning=_brief(state, tr))
    yield from wrap(tr(MEANING[state]), WIDTH, first="  ", rest="  ")
    yield ""
    for who, style in TOOLS:
        yield f"  {pad(who, _LABEL)}{state.spelled(style)}"
    articles = [each for each in ARTICLES[state] if chinese or each.isascii()]
    yield f"  {pad(tr('in articles'), _LABEL)}{tr(', ').join(articles)}"
    yield ""
    yield f"  {pad(tr('standard'), _LABEL)}RFC 9293 3.3.2"
    yield f"  {pad(tr('see it'), _LABEL)}{SEEN_BY[state]}"
    yield f"  {pad(tr('ways in and out'), _LABEL)}lwipscope show --explain {state.name}"


def _brief(state: State, tr: Translator) -> str:
    return tr(BRIEF[state])


def _term(term: Term, tr: Translator) -> Iterator[str]:
    yield _named(term, tr.lang)
    yield from wrap(tr(term.meaning), WIDTH, first="  ", rest="  ")
    yield ""
    others = [*term.also, *(term.chinese if tr.lang == "zh" else ())]
    if others:
        yield f"  {pad(tr('also'), _LABEL)}{tr(', ').join(others)}"
    yield from _row_at(tr("standard"), _source(term, tr))
    if term.see:
        yield f"  {pad(tr('see it'), _LABEL)}{term.see}"


def _source(term: Term, tr: Translator) -> str:
    if term.source.startswith("none"):
        return tr(term.source)
    return term.source if term.source.startswith("RFC") else f"RFC 9293 {term.source}"


def _named(term: Term, lang: Lang) -> str:
    return f"{term.word} {term.chinese[0]}" if lang == "zh" and term.chinese else term.word


def _row(name: str, text: str, columns: int) -> list[str]:
    first = f"  {pad(name, columns)}"
    if width(name) >= columns:
        first = f"  {name}  "
    return wrap(text, WIDTH, first=first, rest=" " * (columns + 2))


def _row_at(label: str, text: str) -> list[str]:
    return wrap(text, WIDTH, first=f"  {pad(label, _LABEL)}", rest=" " * (_LABEL + 2))


def _squash(text: str) -> str:
    return re.sub(r"[-_\s]+", "", text).casefold()
