"""Are the hooks needed, and would their loss be noticed? `python -m oracle.mutants [NAME ...]`

Builds firmware with one of the tracer's hooks taken out, in a cache of its own, and lets the oracle
look: it has to find the difference in one of the situations. A mutant that survives means that a
hook is never reached, or that the oracle is blind. Not part of the tests: the first build takes
half a minute, each mutant some seconds. Exit status 1 if one survives that should not.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from lwipscope import paths
from lwipscope.firmware import build, generate
from lwipscope.firmware.firmware import Firmware
from lwipscope.wire.keeper import Keeper
from oracle.bench import Bench
from oracle.situations import SITUATIONS

# A hook that is missing makes a step wait in vain; the difference is seen all the same.
_STEP_S = 1.0
_HOOKS = "tcptrace/hooks.c"


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` becomes `new`, once, in a generated copy (src/...) or a file of firmware/."""

    name: str
    file: str
    old: str
    new: str
    reachable: bool = True

    def applied(self, text: str) -> str:
        """The altered text; a mutant that no longer fits is an error, not a survivor."""
        if text.count(self.old) != 1:
            raise SystemExit(f"{self.name}: {self.file} has not one {self.old!r}")
        return text.replace(self.old, self.new)


def mutants() -> list[Mutant]:
    """Each of lwIP's stores untold, and births, deaths and old states untold or wrong."""
    found = [
        Mutant(
            f"{name.rpartition('/')[2]}:{line}",
            name,
            f", {state}, {line});",
            f", {state}, 0);",
            reachable=(name, line) != ("src/core/tcp.c", 420),
        )
        for name, stores in generate.STORES.items()
        for line, state in stores.items()
    ]
    return [
        *found,
        Mutant(
            *("born", _HOOKS, "if (memory != NULL && is_pcb_pool(type)) {"),
            "if (memory != NULL && is_pcb_pool(type) && pcbs_add(memory, false) == NULL) {",
        ),
        Mutant(
            *("born-listener", _HOOKS, "if (memory != NULL && is_pcb_pool(type)) {"),
            "if (memory != NULL && type == MEMP_TCP_PCB) {",
        ),
        Mutant(
            *("died", _HOOKS, "ring_new(RECORD_DIED, entry->conn);"),
            "entry->conn ? NULL : ring_new(RECORD_DIED, entry->conn);",
        ),
        Mutant("old-state", _HOOKS, "    entry->state = to;\n", ""),
        Mutant("used", _HOOKS, "pcbs_in_use(type == MEMP_TCP_PCB_LISTEN);", "0;"),
    ]


@contextmanager
def private_cache() -> Iterator[Path]:
    """A cache with the sources and tools of the usual one, and nothing else."""
    build.build("roomy")
    usual = paths.cache_dir().resolve()
    with tempfile.TemporaryDirectory(prefix="lwipscope-mutants-") as folder:
        for name in ("sources", "tools"):
            (Path(folder) / name).symlink_to(usual / name)
        with mock.patch.dict(os.environ, LWIPSCOPE_CACHE=folder):
            yield Path(folder)


def built(mutant: Mutant, cache: Path) -> Firmware:
    """The firmware with this mutation; the work folder of the one before is used again."""
    for old in (cache / "firmware").glob("*/*"):
        old.unlink()
    copy, files = generate.traced_copy, build._files

    def altered_copy(lwip: Path, name: str) -> str:
        text = copy(lwip, name)
        if name != mutant.file:
            return text
        told = mutant.applied(text)
        # Line 0: no hook is called, the store stays.
        return told.replace(
            '#include "tcptrace.h"',
            '#include "tcptrace.h"\n#undef TCPTRACE_SET_STATE\n'
            "#define TCPTRACE_SET_STATE(pcb, to, line) do { if (line) tcptrace_state((pcb), "
            "(uint8_t)(to), TCPTRACE_FILE, (line)); (pcb)->state = (to); } while (0)",
            1,
        )

    def altered_files(folder: Path) -> dict[str, bytes]:
        found = files(folder)
        if mutant.file in found:
            found[mutant.file] = mutant.applied(found[mutant.file].decode()).encode()
        return found

    with (
        mock.patch.object(generate, "traced_copy", altered_copy),
        mock.patch.object(build, "_files", altered_files),
    ):
        return build.build("roomy")


def noticed(firmware: Firmware, keeper: Keeper) -> str:
    """The situation in which the oracle finds the mutant, and the first difference; or nothing."""
    with Bench(firmware.elf, keeper) as bench:
        for situation in SITUATIONS:
            found = bench.situation(situation, _STEP_S)
            if found.problems:
                raise SystemExit(f"{situation.__name__}: {found.problems}")
            difference = found.difference()
            if difference:
                return f"{situation.__name__}\n{difference}"
    return ""


def main(names: Sequence[str]) -> int:
    """Run the mutants of these names, or all."""
    chosen = [mutant for mutant in mutants() if not names or mutant.name in names]
    unknown = set(names) - {mutant.name for mutant in chosen}
    if unknown or not chosen:
        sys.stderr.write(f"no such mutant: {', '.join(sorted(unknown))}\n")
        return 2
    wrong = 0
    with private_cache() as cache, Keeper.start("none") as keeper:
        for mutant in chosen:
            begin_s = time.monotonic()
            how = noticed(built(mutant, cache), keeper)
            wrong += bool(how) != mutant.reachable
            word = "noticed in" if how else "SURVIVED" if mutant.reachable else "not reachable"
            text = f"{mutant.name}: {word} {how}".rstrip().replace("\n", "\n    ")
            sys.stdout.write(f"{text}\n    {time.monotonic() - begin_s:.1f} s\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(chosen)} mutants, {wrong} not as expected\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
