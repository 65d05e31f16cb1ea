"""Is a run with the manual clock the same each time, byte for byte (DESIGN D7)?

Used by `lwipscope bench` and tests/board/test_manual.py. A scenario is played on boards with the
same number and seed, each in a process of its own. Compared are all bytes of the serial line, from
the reset on (frames with their numbers, and console), and the frames that board and raw peers put
on the wire: those of each sender, in their order. In which order frames of *different* senders
passed the switch is not compared: while board and peer both send, neither waits for the other. In
which order the board took and sent them is in its trace, and that is compared.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lwipscope.board.board_file import DEFAULT_BOARD, BoardFile
from lwipscope.board.emulated import EmulatedBoard, StartOptions
from lwipscope.errors import Inconclusive
from lwipscope.firmware.selection import choose
from lwipscope.scenario.library import scenario_named
from lwipscope.scenario.play import play
from lwipscope.scenario.scenario import Scenario
from lwipscope.wire.keeper import Keeper

FIXED = StartOptions(number=7, clock="manual", random_seed=42)
_KERNEL = frozenset({"nc", "kernel"})
# A few that together have both roles, ways to close, timers to their ends, and much data.
REPEATED = (
    "close-four-segments",
    "close-crossing-client",
    "syn-rcvd-timeout",
    "zero-window",
    "fin-wait-2-idle",
    "time-wait-recycled",
    "mss-small",
)


@dataclass(frozen=True, slots=True)
class Recording:
    """What one run said and sent: the serial line's bytes, the frames of each sender."""

    serial: bytes
    frames: tuple[tuple[str, tuple[bytes, ...]], ...]
    failure: str

    def digest(self) -> str:
        """Equal if and only if all bytes are, as far as SHA-256 goes."""
        made = hashlib.sha256(self.serial)
        for sender, frames in self.frames:
            for frame in frames:
                made.update(b"%b %d " % (sender.encode(), len(frame)) + frame)
        return made.hexdigest()


def repeatable(scenario: Scenario) -> bool:
    """True if it can be played with the manual clock: no peer has a clock of its own."""
    return not scenario.needs & _KERNEL


def record(scenario: Scenario, board: EmulatedBoard, keeper: Keeper) -> Recording:
    """Reset the board, play, and keep every byte and frame."""
    serial = bytearray()
    frames: dict[str, list[bytes]] = {}

    def keep_bytes(data: bytes, _at_s: float) -> None:
        serial.extend(data)

    def keep_frame(_at_s: float, sender: str, frame: bytes) -> None:
        # What the kernel behind a TAP says by itself is no part of the run.
        if sender != "tap":
            frames.setdefault(sender, []).append(frame)

    # play() resets the board; the old life's bytes are not to be read.
    board.reset()
    board.port.sync()
    stops = [board.link.on_bytes(keep_bytes), board.switch.on_frame(keep_frame)]
    try:
        played = play(scenario, board, keeper)
    finally:
        for stop in stops:
            stop()
    return Recording(
        bytes(serial),
        tuple((sender, tuple(frames[sender])) for sender in sorted(frames)),
        played.failure,
    )


def recordings(scenarios: Sequence[Scenario], elf: Path, keeper: Keeper) -> Iterator[Recording]:
    """Each scenario on a new board of the fixed number and seed."""
    board_file = BoardFile.load(DEFAULT_BOARD)
    for scenario in scenarios:
        with EmulatedBoard(board_file, elf, keeper, FIXED) as board:
            yield record(scenario, board, keeper)


def identical_repeats(
    count: int = 20, scenarios: Sequence[Scenario] | None = None, elf: Path | None = None
) -> tuple[int, int]:
    """Play the scenarios (left out: those of REPEATED) `count` times: how many of the `count`
    rounds are equal to the most frequent one in every byte, and `count`. (20, 20) is right.

    Inconclusive if a scenario could not be played to its end: then nothing was compared.
    """
    chosen = scenarios if scenarios is not None else [scenario_named(name) for name in REPEATED]
    image = elf if elf is not None else choose("roomy").elf
    rounds: list[tuple[str, ...]] = []
    with Keeper.start("none") as keeper:
        for _ in range(count):
            digests = []
            for scenario, made in zip(chosen, recordings(chosen, image, keeper), strict=True):
                if made.failure:
                    raise Inconclusive(f"{scenario.name} with the manual clock: {made.failure}")
                digests.append(made.digest())
            rounds.append(tuple(digests))
    return Counter(rounds).most_common(1)[0][1], count
