"""Files of a program on the board: a filesystem in RAM, written through the REPL.

Nothing of the board's own storage is touched. The filesystem is littlefs, as on most boards with
flash (firmware/agent/lwip_files.py); it goes with the next reset. Sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Iterable

from lwipscope.board.repl import Repl

# Small enough for the board's memory, large enough that the REPL's handshake does not count.
_PIECE_BYTES = 4096
_TIMEOUT_S = 30.0


class Files:
    """The files of one program."""

    def __init__(self, repl: Repl) -> None:
        self._repl = repl

    def install(self, files: Iterable[tuple[str, bytes]]) -> None:
        """Make a filesystem that holds these files and nothing else; names are below `/`."""
        kept = list(files)
        size = sum(len(data) for _, data in kept)
        self._repl.run(f"import lwip_files\nlwip_files.mount({size})", _TIMEOUT_S)
        for name, data in kept:
            self._write(name, data)

    def runner(self, entry: str) -> str:
        """Source that runs one of them as a board runs main.py: as `__main__`, with its name."""
        return (
            f"with open({entry!r}) as _f:\n _source = _f.read()\n"
            f"_source = compile(_source, {entry!r}, 'exec')\n"
            "exec(_source, {'__name__': '__main__'})"
        )

    def _write(self, name: str, data: bytes) -> None:
        lines = [f"lwip_files.make_folders({name!r})", f"_f = open({name!r}, 'wb')"]
        for at in range(0, len(data), _PIECE_BYTES):
            lines.append(f"_f.write({data[at : at + _PIECE_BYTES]!r})")
            self._repl.run("\n".join(lines), _TIMEOUT_S)
            lines = []
        self._repl.run("\n".join([*lines, "_f.close()"]), _TIMEOUT_S)
