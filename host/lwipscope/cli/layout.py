"""`lwipscope layout FIRMWARE.elf`: where a firmware keeps its pcbs, for the memory probe."""

from __future__ import annotations

import argparse
from pathlib import Path

from lwipscope.errors import UsageError
from lwipscope.firmware import elf_layout
from lwipscope.firmware.layout import Layout

_EPILOG = """\
The probe watches the TCP states of a board whose firmware has no tracer: it walks lwIP's lists of
pcbs in memory. For that it needs addresses and offsets, which this command takes from the ELF file
that belongs to the image on the board, with symbols and debug information. MicroPython publishes
the ELF files of its ESP32 images beside the .bin files; none for Pico W and STM32 boards.

  lwipscope layout firmware.elf                       say what was found
  lwipscope layout firmware.elf -o layout.json        and keep it

Needs pyelftools: pip install lwipscope[elf]
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "layout",
        help="read out of an ELF file where a stock firmware keeps its pcbs",
        description="Reads symbols and debug information of a firmware's ELF file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("elf", type=Path, metavar="FIRMWARE.elf", help="32-bit, any machine")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="write the layout here")
    parser.add_argument(
        "--ram",
        action="append",
        default=[],
        metavar="START-END",
        help="memory in which pcbs may lie, where the file does not tell (may be repeated)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Read, tell, write."""
    layout = elf_layout.read(options.elf, elf_layout.parse_ranges(options.ram))
    for line in describe(layout):
        print(line)
    if options.out is not None:
        try:
            options.out.write_text(layout.as_json() + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{options.out} can't be written: {error.strerror}") from error
        print(f"written:   {options.out}")
    return 0


def describe(layout: Layout) -> list[str]:
    """What was found, for people."""
    lines = [
        f"machine:   {layout.machine}",
        f"image:     SHA-256 of the ELF file {layout.sha256}",
        f"lists:     {', '.join(f'{name} {at:#x}' for name, at in layout.heads.items())}",
    ]
    for name, struct in layout.structs.items():
        places = [f"{field} {at}" for field, (at, _size) in struct.fields.items()]
        lines.append(f"struct:    {name}, {struct.size} bytes: {', '.join(places)}")
    ranges = ", ".join(f"{start:#x}-{end:#x}" for start, end in layout.ranges)
    lines.append(f"states:    {layout.structs['tcp_pcb'].fields['state'][1]} bytes each")
    lines.append(f"pcbs in:   {ranges}; at most {layout.most} in a list")
    return lines
