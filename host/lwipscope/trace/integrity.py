"""Whether a trace can be trusted: the bookkeeping of sequence numbers and damage.

`Trace` tells a `Ledger` of everything that arrives; `Integrity` is what it says at one moment.
Rules (DESIGN D3): every frame has the next sequence number, whatever its kind; evidence is
complete only up to the reply to a `sync`; a damaged frame is harmless only where the sequence
numbers prove that no frame is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from lwipscope.trace.frame import SEQ_MODULUS


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that never came: sequence numbers first to last, both included."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return (self.last - self.first) % SEQ_MODULUS + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class Integrity:
    """The state of the evidence. Counts are of frames unless the name says otherwise."""

    gaps: tuple[Gap, ...] = ()
    repeats: int = 0
    reordered: int = 0
    bad_frames: int = 0
    """Damaged, and a frame is missing there or nothing intact has followed yet."""
    noise_frames: int = 0
    """Began like a frame, but the sequence numbers prove that nothing is missing."""
    malformed: int = 0
    lost_records: int = 0
    reset: bool = False
    fault: str | None = None
    board_lost: str | None = None
    started: bool = True
    synced_through: int | None = None
    unsynced: int = 0
    """Events that came after the last sync's reply (heartbeats and answers not counted)."""
    noise_bytes: int = 0

    @property
    def complete(self) -> bool:
        """Whether a sync closed the stream and nothing was lost, altered or repeated before it."""
        return not self.problems()

    def problems(self) -> list[str]:
        """What is wrong with the evidence, in plain words; empty if nothing is."""
        found: list[str] = []
        if self.fault is not None:
            found.append(f"the board stopped with a fault: {self.fault}")
        if self.reset:
            found.append("the board restarted in the middle (its boot id changed)")
        if not self.started:
            found.append("the board has not said hello, so where its stream began is not known")
        for gap in self.gaps:
            found.append(f"{_count(gap.count, 'frame')} never arrived (number {gap})")
        if self.bad_frames:
            found.append(f"{_count(self.bad_frames, 'frame')} arrived damaged")
        if self.repeats:
            found.append(f"{_count(self.repeats, 'frame')} arrived twice")
        if self.reordered:
            found.append(f"{_count(self.reordered, 'frame')} arrived out of order")
        if self.malformed:
            found.append(f"{_count(self.malformed, 'frame')} could not be understood")
        if self.lost_records:
            found.append(
                f"the board lost {_count(self.lost_records, 'record')} because its ring was full"
            )
        if self.synced_through is None:
            end = f"; the board was lost: {self.board_lost}" if self.board_lost else ""
            found.append(f"no sync has been answered, so the end of the stream is not proven{end}")
        elif self.unsynced:
            found.append(f"{_count(self.unsynced, 'event')} came after the last answered sync")
        return found


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


class Ledger:
    """Keeps the books of one board life. Not thread-safe: `Trace` holds its lock around it."""

    def __init__(self, first_seq: int | None) -> None:
        self._next_seq = first_seq
        self._gaps: list[Gap] = []
        self._undecided: list[int] = []  # sizes of bad frames since the last intact frame
        self._bad_frames = 0
        self._noise_frames = 0
        self._noise_bytes = 0
        self._repeats = 0
        self._reordered = 0
        self._unsynced = 0
        self._synced_through: int | None = None
        self.malformed = 0
        self.lost_records = 0
        self.reset = False
        self.fault: str | None = None
        self.board_lost: str | None = None

    @property
    def started(self) -> bool:
        return self._next_seq is not None

    def start_at(self, seq: int) -> None:
        """The evidence begins with frame `seq`; what came before is not looked at."""
        self._next_seq = seq
        self._undecided.clear()

    def console(self, size_bytes: int) -> None:
        self._noise_bytes += size_bytes

    def bad_frame(self, size_bytes: int) -> None:
        if self._next_seq is None:
            self._noise_bytes += size_bytes
        else:
            self._undecided.append(size_bytes)

    def frame(self, seq: int) -> bool:
        """Enter an intact frame. False if it is a repetition or comes too late to be believed."""
        if self._next_seq is None:
            return False
        ahead = (seq - self._next_seq) % SEQ_MODULUS
        if ahead >= SEQ_MODULUS // 2:
            if self._missed(seq):
                self._reordered += 1
            else:
                self._repeats += 1
            return False
        if ahead:
            self._gaps.append(Gap(self._next_seq, (seq - 1) % SEQ_MODULUS))
            self._bad_frames += len(self._undecided)
        else:
            self._noise_frames += len(self._undecided)
            self._noise_bytes += sum(self._undecided)
        self._undecided.clear()
        self._next_seq = (seq + 1) % SEQ_MODULUS
        return True

    def synced(self, seq: int) -> None:
        self._synced_through = seq
        self._unsynced = 0

    def evidence(self) -> None:
        """An event that a verdict may depend on; the next sync will cover it."""
        self._unsynced += 1

    def integrity(self) -> Integrity:
        return Integrity(
            gaps=tuple(self._gaps),
            repeats=self._repeats,
            reordered=self._reordered,
            bad_frames=self._bad_frames + len(self._undecided),
            noise_frames=self._noise_frames,
            malformed=self.malformed,
            lost_records=self.lost_records,
            reset=self.reset,
            fault=self.fault,
            board_lost=self.board_lost,
            started=self.started,
            synced_through=self._synced_through,
            unsynced=self._unsynced,
            noise_bytes=self._noise_bytes,
        )

    def _missed(self, seq: int) -> bool:
        return any((seq - gap.first) % SEQ_MODULUS < gap.count for gap in self._gaps)
