"""A run as a pcapng file: the wire's frames, and what the board made of them as comments.

Opens in Wireshark, tshark and tcpdump without a plug-in; the comments are the file's own
(draft-ietf-opsawg-pcapng 3.5), and `frame.comment contains "TIME_WAIT"` finds them. Nobody needs
the right to capture: the emulated board's wire is a switch of ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from lwipscope.errors import UsageError
from lwipscope.runfile.model import Run
from lwipscope.runfile.remarks import heading, remarks
from lwipscope.wire.pcapng import Writer


def pcapng(run: Run, lives: Sequence[int] | None = None) -> bytes:
    """The file's bytes; of all lives, unless some are chosen."""
    writer = Writer(f"wire of {run.about.board or 'the board'}, station ")
    made = [writer.head(heading(run), hardware=run.about.board_title)]
    for number, life in enumerate(run.lives):
        if lives is not None and number not in lives:
            continue
        said = remarks(life)
        again = [f"the board's life {number + 1} begins"] if number else []
        for place, frame in enumerate(life.wire):
            comments = again + said.get(place, [])
            again = []
            made.append(writer.packet(run.wall_ns(frame.at_s), frame.origin, frame.data, comments))
    return b"".join(made)


def write_pcapng(run: Run, path: Path, lives: Sequence[int] | None = None) -> None:
    """Write it beside its place and move it there."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        try:
            beside.write_bytes(pcapng(run, lives))
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{path}: can't be written: {error.strerror}") from error
