"""The oracle: a record of every store to any pcb's state, made by watchpoints.

Used by the tests beside it. One watchpoint on the state byte of each slot of both pools, one on the
head of each pool's free list: memory is taken and given back there and nowhere else. The firmware
takes no part in it. Each stop costs about 4 ms of host time, in which board time stands still.
"""

from __future__ import annotations

import re
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from oracle.elf import Layout, Pool
from oracle.rsp import Rsp, StubError

_CLOSE_TIMEOUT_S = 30.0
_WATCHED = re.compile(r"watch:([0-9a-fA-F]+);")
_STEPPED = re.compile(r"T05")


@dataclass(frozen=True, slots=True)
class Seen:
    """Something happened to a slot. `before` and `after` are a store's; a death has `before`."""

    what: Literal["born", "store", "died"]
    slot: int
    pool: str
    used: int  # slots of this pool, afterwards
    before: str = ""
    after: str = ""
    function: str = ""
    file: str = ""  # of lwIP's, with the instruction that stored


@dataclass(slots=True)
class _Slot:
    pool: Pool
    taken: bool = False
    # lwIP clears the memory of a new pcb, but not that of a listener: until its first store a
    # listener's state is what was left there by the one before.
    written: bool = False
    value: int = 0


class Watcher:
    """Watches a board from now until `close`. Nothing may live on the board yet.

    `problems` must be empty: what the oracle can't explain, it does not hide.
    """

    def __init__(self, stub: Path, layout: Layout) -> None:
        self._layout = layout
        self.seen: list[Seen] = []
        self.problems: list[str] = []
        self.stops = 0
        self.cleared = 0  # memory of a new pcb, cleared
        self._slots = {at: _Slot(pool) for pool in layout.pools for at in pool.slots}
        self._free: dict[str, list[int]] = {}
        self._places = {at + s.pool.state_offset: at for at, s in self._slots.items()}
        self._heads = {pool.head: pool for pool in layout.pools}
        self._rsp = Rsp(stub)
        try:
            self._begin()
        except BaseException:
            self._let_go()
            self._rsp.close()
            raise
        self._thread = threading.Thread(target=self._run, name="oracle")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Watch no longer; the board goes on. Idempotent."""
        if self._thread.is_alive():
            try:
                self._rsp.interrupt()
            except OSError as error:
                self.problems.append(f"QEMU's stub is gone: {error}")
            self._thread.join(_CLOSE_TIMEOUT_S)
            if self._thread.is_alive():
                self.problems.append("the stub did not stop the board")
                self._rsp.cut()
                self._thread.join()
        self._rsp.close()

    def _begin(self) -> None:
        for pool in self._layout.pools:
            self._free[pool.name] = free = self._walk(pool)
            if sorted(free) != pool.slots:
                raise StubError(f"{pool.name}: of {pool.count} slots {len(free)} are free")
        for at in self._places:
            self._rsp.watch(at, 1)
        for at in self._heads:
            self._rsp.watch(at, 4)

    def _run(self) -> None:
        try:
            while (stop := self._rsp.resume()) is not None:
                watched = _WATCHED.search(stop)
                while watched is not None:
                    watched = self._take(int(watched[1], 16))
            self._check()
        except (StubError, OSError) as error:
            self.problems.append(str(error))
        finally:
            self._let_go()

    def _take(self, address: int) -> re.Match[str] | None:
        """A store is about to be made here: what it is. Another one, if the step met it."""
        self.stops += 1
        size = 4 if address in self._heads else 1
        pc = self._rsp.pc()
        # With the watchpoint in place QEMU would stop before the same store for ever.
        self._rsp.watch(address, size, on=False)
        stepped = self._rsp.ask("s")
        if not _STEPPED.match(stepped):
            raise StubError(f"a step ended with {stepped!r}")
        value = int.from_bytes(self._rsp.read(address, size), "little")
        self._rsp.watch(address, size)
        if size == 4:
            self._moved(self._heads[address], value)
        else:
            self._stored(self._places[address], value, pc)
        return _WATCHED.search(stepped)

    def _moved(self, pool: Pool, head: int) -> None:
        """A free list is a stack: its head moves down when a slot is taken, up when one comes."""
        free = self._free[pool.name]
        if free and head == (free[1] if len(free) > 1 else 0):
            at = free.pop(0)
            self._slots[at].taken, self._slots[at].written = True, False
            self.seen.append(Seen("born", at, pool.name, self._used(pool)))
        elif head in pool.slots and head not in free:
            slot = self._slots[head]
            value = self._rsp.read(head + pool.state_offset, 1)[0]
            if slot.written and value != slot.value:
                self.problems.append(f"a store was missed: {head:#x} has state {value}")
            before = self._state(value) if slot.written else "CLOSED"
            slot.taken = False
            free.insert(0, head)
            self.seen.append(Seen("died", head, pool.name, self._used(pool), before))
        else:
            self.problems.append(f"the free list of {pool.name} became {head:#x}")

    def _stored(self, at: int, value: int, pc: int) -> None:
        slot, function = self._slots[at], self._layout.function(pc)
        if not slot.taken:
            self.problems.append(f"{function} stored {value} in a free slot")
        first, before = not slot.written, slot.value
        slot.written, slot.value = True, value
        if first and function == "memset" and self._state(value) == "CLOSED":
            self.cleared += 1
            return
        if function == "memset" or (first and slot.pool.name == "pcb"):
            self.problems.append(f"{function} stored {value}: the memory was not cleared first")
        was = "CLOSED" if first else self._state(before)
        self.seen.append(
            Seen(
                *("store", at, slot.pool.name, self._used(slot.pool), was, self._state(value)),
                *(function, self._layout.file(pc)),
            )
        )

    def _check(self) -> None:
        """The board stands still: it must be as the record says."""
        for pool in self._layout.pools:
            if self._walk(pool) != self._free[pool.name]:
                self.problems.append(f"the free list of {pool.name} was changed unseen")
        for place, at in self._places.items():
            slot = self._slots[at]
            value = self._rsp.read(place, 1)[0]
            if slot.taken and slot.written and value != slot.value:
                self.problems.append(f"{at:#x} has state {value}, seen was {slot.value}")

    def _let_go(self) -> None:
        """The board goes on, without watchpoints. If QEMU has ended, that was told before."""
        with suppress(StubError, OSError):
            self._rsp.detach()

    def _walk(self, pool: Pool) -> list[int]:
        found: list[int] = []
        at = self._word(pool.head)
        while at:
            if at not in pool.slots or at in found:
                raise StubError(f"the free list of {pool.name} is broken: {at:#x}")
            found.append(at)
            at = self._word(at)
        return found

    def _word(self, address: int) -> int:
        return int.from_bytes(self._rsp.read(address, 4), "little")

    def _used(self, pool: Pool) -> int:
        return pool.count - len(self._free[pool.name])

    def _state(self, value: int) -> str:
        states = self._layout.states
        return states[value] if value < len(states) else f"state-{value}"
