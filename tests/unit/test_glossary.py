"""The glossary: every spelling leads to its entry, and every command in it exists."""

from __future__ import annotations

import re

import pytest

from lwipscope.errors import UsageError
from lwipscope.glossary.library import MYTHS, myth_named
from lwipscope.glossary.page import entry, whole
from lwipscope.glossary.state_names import ARTICLES, SEEN_BY, TOOLS
from lwipscope.glossary.terms import TERMS
from lwipscope.lesson.library import lessons
from lwipscope.report.explain import explain, verdict_explained
from lwipscope.scenario.library import LIBRARY, scenario_named
from lwipscope.tcp.graph import graph_of
from lwipscope.tcp.path import PathPattern
from lwipscope.tcp.state import State
from lwipscope.trace.verdict import Verdict
from lwipscope.words.catalogue import Translator, translator
from lwipscope.words.width import width

EN, ZH = translator("en"), translator("zh")


@pytest.mark.parametrize("state", list(State), ids=str)
def test_a_state_is_found_by_every_spelling_and_shows_them_all(state: State) -> None:
    spelled = [*ARTICLES[state], *(state.spelled(style) for _, style in TOOLS)]
    for spelling in (*spelled, state.name.lower(), state.name.title()):
        assert State.parse(spelling) is state
        if spelling not in ("监听", "侦听"):
            assert entry(spelling, EN).startswith(f"{state.name}: ")
    assert all(spelling in entry(state.name, EN) for spelling in spelled)


@pytest.mark.parametrize(
    "spelling", ["SYN_send", "SYN收到", "WAIT_CLOSE", "TIMED_WAIT", "sYn_SeNd"]
)
def test_the_articles_own_spellings(spelling: str) -> None:
    assert entry(spelling, EN).splitlines()[0].split(":")[0] in {
        "SYN_SENT",
        "SYN_RCVD",
        "CLOSE_WAIT",
        "TIME_WAIT",
    }


def test_without_chinese_on_the_terminal_the_entry_is_ascii() -> None:
    for state in State:
        assert entry(state.name, EN, chinese=False).isascii()


def test_each_word_is_found_by_each_of_its_names() -> None:
    names = [(name, term) for term in TERMS for name in (term.word, *term.also, *term.chinese)]
    for name, term in names:
        assert entry(name, EN).startswith(term.word)
        assert entry(name.upper(), ZH).startswith(term.word)
    squashed = [re.sub(r"[-_\s]", "", name).casefold() for name, _ in names]
    assert len(squashed) == len(set(squashed))


def test_an_unknown_word_is_told_with_a_near_one() -> None:
    with pytest.raises(UsageError, match="did you mean half-close"):
        entry("half-cloze", EN)
    with pytest.raises(UsageError, match="lists its words"):
        entry("xyzzy", EN)


def test_every_command_of_the_glossary_exists() -> None:
    for see in (*SEEN_BY.values(), *(term.see for term in TERMS if term.see)):
        program, command, name = see.split()
        assert program == "lwipscope"
        if command == "myth":
            assert myth_named(name).name == name
        else:
            assert command == "run-scenario"
            assert scenario_named(name) in LIBRARY


@pytest.mark.parametrize("state", list(State), ids=str)
def test_the_command_of_a_state_shows_that_state(state: State) -> None:
    expected = scenario_named(SEEN_BY[state].split()[-1]).expected.path
    assert state.name in str(PathPattern.parse(expected))


@pytest.mark.parametrize("tr", [EN, ZH], ids=["en", "zh"])
def test_nothing_is_wider_than_a_page(tr: Translator) -> None:
    pages = [whole(tr), *(entry(term.word, tr) for term in TERMS)]
    assert max(width(line) for page in pages for line in page.splitlines()) <= 96


# What `show --explain` says in Chinese.


@pytest.mark.parametrize("what", [*map(str, State), *Verdict.__members__])
def test_states_and_verdicts_are_explained_in_chinese(what: str) -> None:
    english, chinese = explain(what, None), explain(what, None, "zh")
    assert english.isascii()
    # Names, sources and functions stay; of English sentences nothing is left.
    words = re.findall(r"\b(?:the|its|has|and|this|waits|never|after|sends)\b", chinese)
    assert not words, chinese


def test_edges_are_explained_in_chinese() -> None:
    for profile in ("rfc9293", "modlwip-2.2.1"):
        for edge in graph_of(profile).edges:
            chinese = explain(f"{edge.before} > {edge.after}", None, "zh")
            assert not re.search(r"\b(?:the|its|has|waits|never|sends)\b", chinese), chinese
            assert "触发" in chinese


def test_a_verdict_is_explained_behind_a_run_in_chinese() -> None:
    assert verdict_explained("INCONCLUSIVE", "zh").startswith("INCONCLUSIVE: 证据有缺口")
    assert verdict_explained("", "zh") == ""


# The list of myths.


def test_every_myth_that_a_lesson_names_is_there() -> None:
    named = [name for lesson in lessons() for name in lesson.explanation.myths]
    assert named
    for name in named:
        assert myth_named(name).name == name


def test_myths_name_their_sources() -> None:
    for myth in MYTHS:
        assert re.match(r"3\.\d|none", myth.rfc)
        assert re.search(r"(tcp|tcp_in|modlwip)\.c: \w+\(", myth.lwip)
        assert myth.claim.endswith(".")
        in_library = myth.scenario in LIBRARY
        assert in_library == myth.scenario_shown


def test_a_myth_is_found_by_its_name_and_near_ones_are_suggested() -> None:
    assert myth_named("Closing_Lost ACK").name == "closing-lost-ack"
    assert myth_named("psh").name == "psh-hands-over"
    with pytest.raises(UsageError, match="fin-wait-client or fin-wait-2-for-ever"):
        myth_named("fin-wait")
    with pytest.raises(UsageError, match="did you mean mss-agreed"):
        myth_named("mss-agred")
