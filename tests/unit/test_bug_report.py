"""Bug reports from runs made by hand: what goes in, what is escaped, what is admitted."""

from __future__ import annotations

import ast
import json
from dataclasses import replace
from pathlib import Path

import pytest
from run_examples import served_run

from lwipscope.cli.main import main
from lwipscope.report.bug_report import SHOWN_BY, write_bug_report
from lwipscope.report.reproducer import Group, Steps, Talk, steps_of
from lwipscope.report.reproducer_kernel import kernel_ops
from lwipscope.runfile.model import About, Run
from lwipscope.tcp.deviations import deviation
from lwipscope.trace.timeline import Note

FILES = {"README.md", "board.py", "ladder.txt", "peer.py", "peer_kernel.py", "run.pcapng"}
HOSTILE = 'a"""\nimport os #\\x27 @OPS@ <script>*\x1b]0;owned\x07 \u202e'


def test_all_files_are_there_and_the_scripts_are_python(tmp_path: Path) -> None:
    write_bug_report(served_run(1, 2), tmp_path / "report")
    made = {path.name for path in (tmp_path / "report").iterdir()}
    assert made == FILES
    for name in ("board.py", "peer.py", "peer_kernel.py"):
        text = (tmp_path / "report" / name).read_text()
        ast.parse(text)
        assert "import lwipscope" not in text and "from lwipscope" not in text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """Neither a statement of a script, nor markup, nor a control code."""
    run = served_run()
    about = replace(run.about, name=HOSTILE, title=HOSTILE, story=HOSTILE, verdict="")
    write_bug_report(replace(run, about=about), tmp_path)
    for name in ("board.py", "peer.py", "peer_kernel.py"):
        text = (tmp_path / name).read_text()
        names = {
            alias.name
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert "os" not in names
        assert "\x1b" not in text and "\u202e" not in text
    readme = (tmp_path / "README.md").read_text()
    assert "<script>" not in readme.replace("\\<script\\>", "")
    assert "\x1b" not in readme and "\u202e" not in readme


def test_an_empty_run_claims_nothing(tmp_path: Path) -> None:
    steps = write_bug_report(Run(About("nothing")), tmp_path)
    readme = (tmp_path / "README.md").read_text()
    assert steps.limits and "can't be repeated by the scripts" in readme
    assert not (tmp_path / "peer_kernel.py").exists()


def test_a_reset_of_the_board_is_not_repeated(tmp_path: Path) -> None:
    run = served_run()
    twice = replace(run, lives=(run.lives[0], replace(run.lives[0], number=1)))
    write_bug_report(twice, tmp_path)
    assert "**Not repeated**: the board was reset" in (tmp_path / "README.md").read_text()
    assert kernel_ops(steps_of(twice)) is None


def test_the_options_are_those_of_the_build_that_ran(tmp_path: Path) -> None:
    run = served_run()
    record = {"build": "0123456789ab", "workarounds": [], "lwip_options": {"TCP_MSS": 1460}}
    write_bug_report(run, tmp_path, record)
    assert "TCP_MSS = 1460" in (tmp_path / "README.md").read_text()
    write_bug_report(run, tmp_path, {**record, "build": "another"})
    readme = (tmp_path / "README.md").read_text()
    assert "TCP_MSS" not in readme and "was not at hand" in readme


def test_what_the_scripts_show_are_known_deviations() -> None:
    assert all(deviation(name).evidence == "run" for name in SHOWN_BY)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served_run().save(tmp_path / "a.lwiprun")
    folder = tmp_path / "report"
    assert main(["export", str(tmp_path / "a.lwiprun"), "--report", str(folder)]) == 0
    assert "begin with README.md" in capsys.readouterr().out
    assert {path.name for path in folder.iterdir()} == FILES
    occupied = tmp_path / "a file"
    occupied.write_text(json.dumps({}))
    assert main(["export", str(tmp_path / "a.lwiprun"), "--report", str(occupied)]) == 2
    assert "can't be written" in capsys.readouterr().err


def test_paths_and_names_of_users_stay_at_home(tmp_path: Path) -> None:
    run = served_run()
    said = "cut: /home/somebody/logs/a.lwiprun, C:\\Users\\somebody\\b.py, ~/somebody/c.py"
    life = replace(run.lives[0], notes=(Note(0.52, "raw", said),))
    about = replace(run.about, title=said, ended=said, remarks=(said,), command=said)
    write_bug_report(replace(run, about=about, lives=(life,)), tmp_path)
    for path in tmp_path.iterdir():
        assert b"somebody" not in path.read_bytes(), path
    assert "a.lwiprun" in (tmp_path / "README.md").read_text()


def test_a_kernel_would_have_acknowledged_at_once() -> None:
    """The same segments, with a call of the board before the handshake's last one, or behind it."""
    groups = (Group(1), Group(2))
    talks = (Talk(40000, 6666, False),)
    syn = ("send", 0, "S", 0, None, 8000, 1460, b"")
    syn_ack = ("want", 0, "S.", 0, 1, 0, 8760, 4.0)
    ack = ("send", 0, ".", 1, 1, 8000, None, b"")
    prompt = Steps(groups, (("go", 1), ("done", 1), syn, syn_ack, ack, ("go", 2)), talks, ())
    late = replace(prompt, ops=(("go", 1), ("done", 1), syn, syn_ack, ("go", 2), ack))
    assert kernel_ops(prompt) == (("go", 1), ("done", 1), ("connect", 0), ("go", 2))
    assert kernel_ops(late) is None
