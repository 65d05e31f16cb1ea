"""`lwipscope myth` and `lwipscope glossary` from the outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def _lwipscope(folder: Path, *words: str, code: int = 0, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lwipscope", *words],
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def test_a_myth_is_settled_with_its_lines_in_chinese_by_the_locale(tmp_path: Path) -> None:
    said = _lwipscope(tmp_path, "myth", "closing-lost-ack", LC_ALL="zh_CN.UTF-8")
    assert "不成立" in said and "事实是" in said
    assert "FIN_WAIT_1 > CLOSING (rx FIN+ACK) at tcp_in.c:" in said
    [folder] = (tmp_path / "lwipscope-logs").iterdir()
    assert list(folder.glob("*.lwiprun"))


def test_what_a_wire_cannot_show_is_not_settled(tmp_path: Path) -> None:
    words = ("myth", "win-342-bytes", "--wire", "gate", "--json")
    document = json.loads(_lwipscope(tmp_path, *words, code=4))
    [one] = document["myths"]
    assert one["outcome"] == "not settled" and "TAP" in one["why_not"] and not one["evidence"]


def test_the_list_gives_no_truth_away(tmp_path: Path) -> None:
    document = json.loads(_lwipscope(tmp_path, "myth", "--json"))
    assert len(document["myths"]) == 19
    assert {(each["outcome"], each["truth"]) for each in document["myths"]} == {(None, "")}
    assert not any(tmp_path.iterdir())


def test_mistakes_are_told_before_anything_is_started(tmp_path: Path) -> None:
    assert "did you mean psh-hands-over" in _lwipscope(tmp_path, "myth", "push-hands", code=2)
    assert "choose one" in _lwipscope(tmp_path, "myth", "isn-random", "--all", code=2)
    assert "did you mean" in _lwipscope(tmp_path, "glossary", "half", "cloze", code=2)
    assert not any(tmp_path.iterdir())


def test_a_word_may_be_several(tmp_path: Path) -> None:
    assert "3.6 (case 2)" in _lwipscope(tmp_path, "glossary", "half", "close")
