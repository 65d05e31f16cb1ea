"""The two languages: which one is chosen, what has no twin, and how mixed text is laid out."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwipscope.words.catalogue import BadCatalogue, entries, translator
from lwipscope.words.finder import PACKAGE, page_uses, python_uses, script_uses, topic_of
from lwipscope.words.lang import chosen_lang, console_lang, shows_chinese
from lwipscope.words.twins import (
    FIELDS,
    MISSING,
    NO_LITERAL,
    STALE,
    TWICE,
    Fault,
    all_uses,
    long_faults,
    long_folders,
    short_faults,
)
from lwipscope.words.width import cut, pad, width, wrap

# What has all its Chinese. A part of the package that is not listed here may still lack some: its
# faults are shown by `python -m lwipscope.words`; stale or unreadable entries fail all the same.
FINISHED = ("tcp", "report", "glossary", "lesson", "lab", "exercise")
UNFINISHED = ("cli",)
LONG = ("lesson", "exercise")
LONG_FINISHED: tuple[str, ...] = ("lesson", "exercise")

# Which language.


@pytest.mark.parametrize(
    ("option", "environment", "lang"),
    [
        (None, {}, "en"),
        (None, {"LANG": "zh_CN.UTF-8"}, "zh"),
        (None, {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        (None, {"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh"),
        (None, {"LANG": "de_DE.UTF-8", "LC_MESSAGES": "zh_CN"}, "zh"),
        (None, {"LC_ALL": "C", "LWIPSCOPE_LANG": "ZH"}, "zh"),
        (None, {"LC_ALL": "zh_CN", "LWIPSCOPE_LANG": "en"}, "en"),
        ("en", {"LWIPSCOPE_LANG": "zh"}, "en"),
        ("zh", {"LC_ALL": "C"}, "zh"),
    ],
)
def test_the_option_and_then_the_environment_choose(
    option: str | None, environment: dict[str, str], lang: str
) -> None:
    assert chosen_lang(option, environment) == lang


@pytest.mark.parametrize(
    ("encoding", "can"),
    [("ascii", False), ("cp1252", False), ("utf-8", True), ("gbk", True), ("gb18030", True)],
)
def test_a_terminal_that_has_no_chinese_gets_english(
    encoding: str, can: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert shows_chinese(stream) == can
    assert console_lang("zh", stream) == ("zh" if can else "en")
    assert ("no Chinese" in capsys.readouterr().err) != can


@pytest.mark.parametrize(
    ("arguments", "encoding", "lang", "seen"),
    [
        (["show", "--explain", "TIME_WAIT"], "ascii", "zh", "en"),
        (["show", "--explain", "TIME_WAIT"], "gbk", "zh", "zh"),
        (["glossary", "FIN_WAIT1"], "ascii", "en", "en"),
        (["glossary", "FIN_WAIT1"], "cp1252", "zh", "en"),
        (["glossary"], "gbk", "zh", "zh"),
        (["myth"], "ascii", "zh", "en"),
        (["myth"], "utf-8", "zh", "zh"),
    ],
)
def test_no_console_encoding_makes_a_command_fail(
    arguments: list[str], encoding: str, lang: str, seen: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lwipscope", *arguments, "--lang", lang],
        env=os.environ | {"LC_ALL": "C", "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding)
    assert ("等待" in text or "状态" in text) == (seen == "zh"), text
    assert "\\u" not in text
    assert (b"no Chinese" in done.stderr) == (lang != seen)


# The catalogue.


def test_english_is_the_text_itself_and_chinese_its_twin() -> None:
    english, chinese = translator("en"), translator("zh")
    assert english("in this run:") == "in this run:"
    assert chinese("in this run:") == "在这次运行中："  # noqa: RUF001
    assert chinese("this stack ({profile})", profile="x") == "本协议栈（x）"  # noqa: RUF001
    assert chinese("nobody has translated this {n}", n=3) == "nobody has translated this 3"


def test_a_text_without_fields_keeps_its_braces() -> None:
    assert translator("en")("a { brace") == "a { brace"


@pytest.mark.parametrize("content", ["[texts]\n1 = ", "[other]\n", '[texts]\n"a" = 1\n', "\udcff"])
def test_a_broken_catalogue_names_its_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "lab.toml"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadCatalogue, match=r"lab\.toml"):
        list(entries(tmp_path))


# The finder.


def test_the_finder_reads_python_javascript_and_html(tmp_path: Path) -> None:
    python = tmp_path / "a.py"
    python.write_text(
        'x = tr("one "\n  "two {n}", n=1)\ny = mark("three")\nself.tr(f"{x}")\ntr(T[1])\n'
    )
    found = [(use.text, use.line, use.literal) for use in python_uses(python)]
    assert found == [("one two {n}", 1, True), ("three", 3, True), ("f'{x}'", 4, False)]
    script = tmp_path / "a.js"
    script.write_text(
        "t(\"a \\\"b\\\"\"); x.t('no'); t('c ' +\n 'd', {n: 1}); t(`e ${f}`); at('g'); t(name);\n"
    )
    found = [(use.text, use.line, use.literal) for use in script_uses(script)]
    assert found == [('a "b"', 1, True), ("c d", 1, True), ("e ${f}", 2, False)]
    page = tmp_path / "a.html"
    page.write_text(
        "<p>no</p>\n<p data-t>Yes\n  &amp; no</p><b data-t>with <i>x</i></b><input data-t><p>no</p>"
    )
    found = [(use.text, use.line, use.literal) for use in page_uses(page)]
    assert found == [("Yes & no", 2, True), ("with x", 3, False)]


def test_a_source_file_has_its_topic() -> None:
    topics = {
        "lab/server.py": "lab",
        "cli/lab.py": "lab",
        "cli/lab_terminal.py": "lab",
        "cli/grade.py": "exercise",
        "cli/myth.py": "glossary",
        "cli/show.py": "report",
        "cli/run.py": "cli",
        "errors.py": "errors",
    }
    for path, topic in topics.items():
        assert topic_of(PACKAGE / path) == topic


def _faults(tmp_path: Path, source: str, catalogue: str) -> list[Fault]:
    folder, path = tmp_path / "zh", tmp_path / "lab" / "a.py"
    folder.mkdir()
    path.parent.mkdir()
    (folder / "lab.toml").write_text(f"[texts]\n{catalogue}")
    path.write_text(source)
    return short_faults(python_uses(path), folder)


@pytest.mark.parametrize(
    ("source", "catalogue", "kinds"),
    [
        ('tr("a")', '"a" = "甲"\n', []),
        ('tr("a {n}", n=1)', '"a {n}" = "{n} 甲"\n', []),
        ('tr("a")', "", [MISSING]),
        ("", '"a" = "甲"\n', [STALE]),
        ('tr("a {n}", n=1)', '"a {n}" = "甲"\n', [FIELDS]),
        ('tr("a {n}", n=1)', '"a {n}" = "{m} 甲"\n', [FIELDS]),
        ('tr(f"a {n}")', "", [NO_LITERAL]),
        ('tr("a" + b)', "", [NO_LITERAL]),
    ],
)
def test_each_fault_is_found(tmp_path: Path, source: str, catalogue: str, kinds: list[str]) -> None:
    assert [fault.kind for fault in _faults(tmp_path, source, catalogue)] == kinds


def test_a_missing_text_says_where_to_put_it(tmp_path: Path) -> None:
    (fault,) = _faults(tmp_path, '\n\ntr("say \\"a\\"")', "")
    assert str(fault).endswith('a.py:3: put into words/zh/lab.toml: "say \\"a\\"" = ')


def test_an_entry_in_two_files_is_found(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text('[texts]\n"x" = "甲"\n')
    assert {fault.kind for fault in short_faults([], tmp_path)} == {STALE, TWICE}


# The product's own texts.


@pytest.fixture(scope="module")
def faults() -> list[Fault]:
    return short_faults(all_uses())


@pytest.mark.parametrize("topic", FINISHED)
def test_every_text_has_its_chinese_twin(topic: str, faults: list[Fault]) -> None:
    assert [str(fault) for fault in faults if fault.topic == topic] == []


def test_no_entry_is_stale_or_has_other_fields(faults: list[Fault]) -> None:
    assert [str(fault) for fault in faults if fault.kind != MISSING] == []


def test_the_finder_finds_what_is_there() -> None:
    topics = {use.topic for use in all_uses()}
    assert set(FINISHED) <= topics


@pytest.mark.parametrize("topic", LONG)
def test_every_long_text_has_its_chinese_twin(topic: str) -> None:
    found = [fault for folder in long_folders() for fault in long_faults(folder)]
    mine = [fault for fault in found if fault.topic == topic]
    if topic not in LONG_FINISHED:
        mine = [fault for fault in mine if fault.kind != MISSING]
    assert [str(fault) for fault in mine] == []


def test_every_topic_is_either_finished_or_named_as_unfinished(faults: list[Fault]) -> None:
    missing = {fault.topic for fault in faults if fault.kind == MISSING}
    assert missing <= set(UNFINISHED)


_ENGLISH = 'title = "A"\nminutes = 10\n[[experiment]]\ndo = "run {folder}"\n'


@pytest.mark.parametrize(
    ("chinese", "kind"),
    [
        (_ENGLISH, None),
        (None, MISSING),
        (_ENGLISH.replace("10", "11"), FIELDS),
        (_ENGLISH.replace("minutes = 10\n", ""), None),
        (_ENGLISH.replace('title = "A"\n', ""), FIELDS),
        (_ENGLISH.replace("do =", "done ="), FIELDS),
        ('title = "A"\n', FIELDS),
        (_ENGLISH.replace("{folder}", "{file}"), FIELDS),
        (_ENGLISH + "more = 1\n", FIELDS),
        (_ENGLISH + "[[experiment]]\ndo = 'x'\n", FIELDS),
    ],
)
def test_long_texts_are_compared(tmp_path: Path, chinese: str | None, kind: str | None) -> None:
    folder = tmp_path / "lesson" / "texts"
    (folder / "en").mkdir(parents=True)
    (folder / "zh").mkdir()
    (folder / "en" / "x.toml").write_text(_ENGLISH)
    if chinese is not None:
        of = f'of = "{zlib.crc32(_ENGLISH.encode()):08x}"\n'
        (folder / "zh" / "x.toml").write_text(of + chinese)
    assert {fault.kind for fault in long_faults(folder)} == ({kind} if kind else set())
    (folder / "en" / "x.toml").write_text(_ENGLISH.replace('"A"', '"B"'))
    assert {fault.kind for fault in long_faults(folder)} == {STALE if chinese else MISSING}


# The layout.


def test_a_chinese_character_takes_two_columns() -> None:
    assert width("三次握手 SYN") == 12
    assert pad("状态", 6) + "|" == "状态  |"
    assert pad("状态", 6, "right") == "  状态"
    assert cut("状态A", 3) == "状"


def test_chinese_is_wrapped_by_character_and_words_stay_whole() -> None:
    lines = wrap("收到 FIN_WAIT_2 之后，等待对方。", 12)  # noqa: RUF001
    assert all(width(line) <= 12 for line in lines)
    assert "".join(lines).replace(" ", "") == "收到FIN_WAIT_2之后，等待对方。"  # noqa: RUF001
    assert not any(line[0] in "，。" for line in lines)  # noqa: RUF001
    assert any("FIN_WAIT_2" in line for line in lines)


@given(st.text(alphabet="状态机 ，。（a）bcdef GHI\n", max_size=80), st.integers(4, 40))  # noqa: RUF001
def test_wrapping_loses_nothing_and_keeps_to_the_width(text: str, columns: int) -> None:
    lines = wrap(text, columns, first="", rest="")
    assert "".join("".join(lines).split()) == "".join(text.split())
    longest = max((width(word) for word in text.split()), default=0)
    assert all(width(line) <= max(columns, longest) for line in lines)
