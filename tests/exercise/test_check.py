"""The learner's side: `exercise new`, `check`, and the exercise that needs few pcbs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.harness import Desk
from exercise.class_of_students import HOSTILE, PROGRAMS
from lwipscope.exercise.agreement import disagreements
from lwipscope.exercise.grading import Conditions, Grading
from lwipscope.exercise.library import EXERCISES
from lwipscope.exercise.submissions import submissions
from lwipscope.firmware.selection import choose
from lwipscope.paths import cache_dir
from lwipscope.runfile.model import Run, RunLife
from lwipscope.wire.packet import parse_frame


@pytest.fixture
def place() -> Iterator[Desk]:
    home = Path(tempfile.mkdtemp(prefix="lx-", dir="/tmp"))
    desk = Desk(home, cache_dir())
    try:
        yield desk
        desk.assert_nothing_left()
    finally:
        desk.close()
        shutil.rmtree(home)


def _checked(place: Desk, path: Path, *options: str) -> tuple[int, str]:
    done = place.run("exercise", "check", path, *options)
    assert not done.err, done
    return done.code, done.out


def test_a_folder_is_made_once_and_its_starter_fails(place: Desk) -> None:
    for each in EXERCISES:
        done = place.run("exercise", "new", each.name)
        assert done.code == 0, done
        folder = place.work / each.name
        assert f"lwipscope exercise: {each.name}" in (folder / "main.py").read_text()
        assert all(f"`{test.name}`" in (folder / "README.md").read_text() for test in each.tests)
        assert "PORT = 6666" in (folder / "config.py").read_text()
    again = place.run("exercise", "new", "pool")
    assert again.code == 2 and "nothing was changed" in again.err
    code, out = _checked(place, Path("echo-server"), "--only", "greeting")
    assert code == 1 and "0 of 1 tests passed" in out, out


def test_the_same_seed_repeats_a_check(place: Desk) -> None:
    path = PROGRAMS / "wrong/echo_one_recv.py"
    first, second, third = (
        _checked(place, path, "--only", "conversation", "--seed", seed) for seed in ("1", "1", "2")
    )
    ports = [[x for x in out.splitlines() if "PORT =" in x] for _, out in (first, second, third)]
    assert ports[0] == ports[1] != ports[2]
    assert first[0] == 1 and "--seed 1" in first[1]


def test_a_run_file_of_a_failed_test_is_kept_and_agrees_with_the_wire(place: Desk) -> None:
    path = PROGRAMS / "wrong/echo_leaky.py"
    code, out = _checked(place, path, "--only", "in-turn", "--log-dir", str(place.logs))
    assert code == 1 and "CLOSE_WAIT" in out, out
    run = Run.load(place.logs / "in-turn.lwiprun")
    life = run.lives[0]
    frames = [(frame.at_s, frame.origin, frame.data) for frame in life.wire]
    end_s = max(frame[0] for frame in frames) + 1
    assert disagreements(life.plain_events, frames, "192.0.2.10", (0.0, end_s)) == []
    # One frame less, one record less: both are noticed.
    sent = next(f for f in frames if f[1] == "board" and _is_tcp(f[2]))
    without = [frame for frame in frames if frame is not sent]
    assert disagreements(life.plain_events, without, "192.0.2.10", (0.0, end_s))
    hidden = [e for e in life.plain_events if e.text() != _text_of(life, sent)]
    assert disagreements(hidden, frames, "192.0.2.10", (0.0, end_s))


def test_an_interrupted_check_leaves_nothing(place: Desk) -> None:
    program = place.start("exercise", "check", place.script(HOSTILE["hangs"]), terminal=True)
    program.expect("exercise echo-server, seed")
    while not place.processes("qemu-system-arm"):
        assert not program.pause(0.05), program
    program.interrupt()
    assert program.finish().code == 130


def test_a_submission_that_takes_too_long_is_killed(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in place.env.items():
        monkeypatch.setenv(name, value)  # with the mark by which processes are found
    place.script(HOSTILE["hangs_board"])
    (submission,) = submissions(place.work, 1, None)
    conditions = Conditions({"roomy": choose("roomy")}, most_s=3.0)
    with Grading([submission], conditions, 1) as grading:
        (grade,) = grading.grades()
    assert grade.status == "killed" and grade.points == 0, grade
    assert "killed" in grade.reason and grade.lasted_s < 10, grade
    monkeypatch.undo()  # this process has the mark no more


def test_pool_good_and_wrong(place: Desk) -> None:
    code, out = _checked(place, PROGRAMS / "good/pool.py", "--seed", "3")
    assert code == 0 and "5 of 5 tests passed" in out, out
    code, out = _checked(place, PROGRAMS / "wrong/pool_one_at_a_time.py", "--only", "together")
    assert code == 1 and "nothing came" in out, out
    code, out = _checked(place, PROGRAMS / "wrong/pool_never_closes.py", "--only", "all-leave")
    assert code == 1 and "close() is missing" in out, out
    code, out = _checked(place, PROGRAMS / "wrong/pool_forgets_reset.py", "--seed", "3")
    assert code == 1 and "✗ one-resets" in out and "✓ together" in out and "✓ all-leave" in out, out


def test_a_fixed_seed_gives_the_good_ones_their_points_without_a_tap(place: Desk) -> None:
    for name in ("echo_server", "survives"):
        code, out = _checked(place, PROGRAMS / f"good/{name}.py", "--seed", "5", "--wire", "gate")
        assert code == 0, out


def _is_tcp(data: bytes) -> bool:
    return parse_frame(data).tcp is not None


def _text_of(life: RunLife, sent: tuple[float, str, bytes]) -> str:
    frame = next(f for f in life.wire if f.data == sent[2] and f.event_seq is not None)
    return next(e.text() for e in life.plain_events if e.seq == frame.event_seq)
