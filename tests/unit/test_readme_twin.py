"""README.md and its Chinese twin say the same, as far as a test can tell: blocks and commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]
ENGLISH = (REPO / "README.md").read_text(encoding="utf-8")
CHINESE = (REPO / "README.zh.md").read_text(encoding="utf-8")


def fenced(text: str) -> list[str]:
    return re.findall(r"^```.*?^```$", text, re.M | re.S)


def commands(text: str) -> list[str]:
    """Of the indented blocks, without what is said of them."""
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    lines = re.findall(r"^    (\S.*)$", outside, re.M)
    return [re.sub(r"\s+#.*", "", line) for line in lines]


def quoted(text: str) -> set[str]:
    """What is in back quotes outside of blocks: commands, options, names."""
    outside = re.sub(r"^(```.*?^```|    .*?)$", "", text, flags=re.M | re.S)
    return {re.sub(r"\s+", " ", each) for each in re.findall(r"`([^`]+)`", outside)}


def headings(text: str) -> list[str]:
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return [line.split(" ")[0] for line in outside.splitlines() if re.match(r"#+ ", line)]


@pytest.mark.parametrize("part", [fenced, commands, quoted, headings], ids=lambda f: f.__name__)
def test_both_readmes_have_the_same(part: object) -> None:
    assert callable(part)
    assert part(CHINESE) == part(ENGLISH)


def test_the_chinese_one_is_chinese() -> None:
    """Whole paragraphs that were left in English would show."""
    for line in CHINESE.splitlines():
        prose = re.sub(r"`[^`]*`", "", line)
        if line.startswith(("    ", "```")) or len(re.findall(r"[A-Za-z]{3,}", prose)) < 12:
            continue
        in_block = any(line in block for block in fenced(CHINESE))
        assert in_block or re.search(r"[\u4e00-\u9fff]", line), line
