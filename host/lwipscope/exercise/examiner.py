"""Plays the tests of an exercise against a program, each on a fresh board, and says what was seen.

Called by `lwipscope exercise check` and, in a process of its own, for each submission of a grading.
A test ends within its limits whatever the program does (`guard`); a board that was lost is replaced
by a new one. What the board told must agree with the wire's record (`agreement`). A test whose
evidence has a hole, or in which the host itself had trouble, is played once more.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard
from lwipscope.errors import LwipscopeError
from lwipscope.exercise.board_files import BoardFiles
from lwipscope.exercise.exercise import CONFIG, Exercise, Settings, Test, config_text
from lwipscope.exercise.failure import Failed, NeverReady
from lwipscope.exercise.finding import breach, judged, trouble
from lwipscope.exercise.firmware import must_be_grading
from lwipscope.exercise.guard import Guard, Limits
from lwipscope.exercise.recording import save_recording
from lwipscope.exercise.result import Kind, TestResult, shortened
from lwipscope.exercise.seeds import test_random
from lwipscope.exercise.trial import Trial
from lwipscope.firmware.firmware import Firmware
from lwipscope.scenario.network import Network
from lwipscope.scenario.other_end import OtherEnd
from lwipscope.scenario.program import Program
from lwipscope.trace.event import Hello
from lwipscope.wire.keeper import Keeper
from lwipscope.words.catalogue import Translator

_TRIES = 2
_SYNC_S = 5.0
_HELLO_S = 2.0
# A program that never got ready, or harmed its board, this often, will do it in the next test too.
_MOST_HOPELESS = 2
_HARM: tuple[Kind, ...] = ("hung", "flooded", "crashed", "reset")


class Examiner:
    """One board at a time, kept from test to test. The keeper stays the caller's."""

    def __init__(
        self,
        firmware: Firmware,
        keeper: Keeper,
        tr: Translator,
        *,
        limits: Limits | None = None,
        recordings: Path | None = None,
    ) -> None:
        """`recordings`: where a run file of each test goes that was not passed."""
        self._firmware = firmware
        self._keeper = keeper
        self._tr = tr
        self._limits = limits or Limits()
        self._recordings = recordings
        self._board: EmulatedBoard | None = None
        self._guard: Guard | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._dismiss()

    def examine(
        self,
        exercise: Exercise,
        files: BoardFiles,
        seed: int,
        tests: Sequence[Test] | None = None,
    ) -> Iterator[TestResult]:
        """The result of each test, or of some of them, as it comes."""
        hopeless = 0
        for test in exercise.tests if tests is None else tests:
            if hopeless == _MOST_HOPELESS:
                text = self._tr("not played, since the program did not get through former tests")
                yield TestResult(test.name, "not played", text)
                continue
            result, was_ready = self._test(exercise, test, files, seed)
            hopeless += not was_ready or result.kind in _HARM
            yield result

    def _test(
        self, exercise: Exercise, test: Test, files: BoardFiles, seed: int
    ) -> tuple[TestResult, bool]:
        for remaining in reversed(range(_TRIES)):
            rng = test_random(seed, exercise.name, test.name)
            settings = exercise.settings(test, rng)
            begun_s = time.monotonic()
            kind, text, was_ready = self._play(exercise, test, files, settings, rng)
            if kind not in ("inconclusive", "evidence") or not remaining:
                break
        lasted_s = time.monotonic() - begun_s
        text = shortened(text)
        return TestResult(test.name, kind, text, round(lasted_s, 3), settings), was_ready

    def _play(
        self,
        exercise: Exercise,
        test: Test,
        files: BoardFiles,
        settings: Settings,
        rng: random.Random,
    ) -> tuple[Kind, str, bool]:
        """What became of it, the words for that, and whether the program became ready at all."""
        board, guard = self._fresh()
        program = program_of(files, settings)
        was_ready = True
        with ExitStack() as stack:
            network = stack.enter_context(
                Network(self._keeper, board.switch, board.ip, board.port.clock_mode)
            )
            stack.enter_context(guard.watching())
            trial = Trial(board, network, OtherEnd(self._keeper), settings, rng, self._tr)
            stack.callback(trial.end)
            kind: Kind = "passed"
            text = ""
            try:
                if test.before is not None:
                    test.before(trial)
                trial.start(program)
                if exercise.serves:
                    trial.must_listen()
                trial.play(test.play)
            except NeverReady as error:
                kind, text, was_ready = error.kind, str(error), False
            except Failed as error:
                kind, text = "failed", str(error)
            except (LwipscopeError, AssertionError, OSError) as error:
                kind, text = trouble(board, error, self._tr)
            if guard.breach is not None:
                kind, text = breach(guard, board, self._tr)
            else:
                kind, text = judged(board, guard, kind, text, self._tr)
            if kind != "passed" and self._recordings is not None:
                save_recording(
                    self._recordings / f"{test.name}.lwiprun",
                    board,
                    guard.frames,
                    name=f"{exercise.name}/{test.name}",
                    whose_tcp=network.whose_tcp,
                    found=text,
                )
        return kind, text, was_ready

    def _fresh(self) -> tuple[EmulatedBoard, Guard]:
        board, guard = self._board, self._guard
        if board is not None and guard is not None:
            with suppress(LwipscopeError):
                if board.alive() and board.trace.integrity.board_lost is None:
                    guard.begin()
                    self._checked(board.reset())
                    return board, guard
            self._dismiss()
        file = BoardFile.load(DEFAULT_BOARD)
        self._board = board = EmulatedBoard(file, self._firmware.elf, self._keeper)
        self._guard = guard = Guard(board, self._limits)
        self._checked(board.port.hello())
        return board, guard

    def _checked(self, hello: Hello) -> None:
        if self._firmware.grading:
            must_be_grading(hello, self._firmware)

    def _dismiss(self) -> None:
        if self._guard is not None:
            self._guard.close()
            self._guard = None
        if self._board is not None:
            self._board.close()
            self._board = None


def program_of(files: BoardFiles, settings: Settings) -> Program:
    """The learner's files with this test's config.py."""
    config = config_text(settings, "made anew for each test").encode()
    kept = {name: data for name, data in files.files.items() if name != CONFIG}
    made = {**kept, CONFIG: config}
    return Program(files.name, kept[files.entry], tuple(sorted(made.items())), files.entry)
