"""`lwipscope boards`: board files, serial ports, the rack, who uses what, what is in quarantine."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from lwipscope.board import quarantine
from lwipscope.board.board_file import BoardFile, names
from lwipscope.board.device_file import DeviceFile, is_device
from lwipscope.board.lock import holder
from lwipscope.board.rack import Instance, Rack
from lwipscope.board.serial_ports import listed
from lwipscope.cli.json_output import add_json_option, print_json


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "boards",
        help="list the boards, the serial ports and the rack",
        description="Lists the boards that can be used, the serial ports that are there and the "
        "boards of the rack file with who uses them, or shows one board file. No port is opened. "
        "boards/README.md tells what the fields mean; a file of your own can be named wherever a "
        "board is.",
    )
    parser.add_argument("name", nargs="?", help="show this board (name, or path of a .toml file)")
    parser.add_argument("--rack", type=Path, metavar="FILE", help="the rack file")
    parser.add_argument(
        "--release", metavar="NAME", help="take this board out of quarantine: it is used again"
    )
    add_json_option(parser, "boards", "board")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """All of it, or all of one."""
    if options.release is not None:
        print(f"released; it was: {quarantine.release(options.release).text()}")
        return 0
    if options.json:
        if options.name is not None:
            print_json("board", _board_data(options.name))
        else:
            print_json("boards", _data(Rack.load(options.rack)))
        return 0
    if options.name is not None:
        _show(options.name)
        return 0
    for name in names():
        if is_device(name):
            device = DeviceFile.load(name)
            tried = "" if device.tried_on_hardware else "  (tried on hardware: no)"
            print(f"{name:<20} {device.title}{tried}")
        else:
            print(f"{name:<20} {BoardFile.load(name).title}")
    _ports()
    _rack(Rack.load(options.rack))
    for entry in quarantine.everything():
        print(f"{entry.text()}\n  lwipscope boards --release {entry.name}")
    return 0


def _ports() -> None:
    types = _types()
    ports = [port for port in listed() if port.usb_id]
    print("\nserial ports on USB:" if ports else "\nserial ports on USB: none")
    for port in ports:
        guess = types.get(port.usb_id, "")
        told = (
            port.about,
            port.usb_id,
            f"serial number {port.serial_number}" if port.serial_number else "",
            f"USB port {port.usb_path}" if port.usb_path else "",
            f"perhaps {guess}" if guess else "",
            _in_use(port.device),
        )
        print(f"  {port.device:<14} {', '.join(filter(None, told))}")


def _types() -> dict[str, str]:
    """Board files by the USB ids that they name."""
    return {
        usb_id: name
        for name in reversed(names())
        if is_device(name)
        for usb_id in DeviceFile.load(name).usb.ids
    }


def _rack(rack: Rack) -> None:
    if rack.path is None:
        print("rack: no lwip-rack.toml here (lists boards by name; see boards/README.md)")
        return
    print(f"rack {rack.path}:")
    for each in rack.instances:
        state = _state(each, each.locate())
        print(f"  {each.name:<16} {each.type:<16} {each.where()}  [{state}]")


def _state(instance: Instance, port: str | None) -> str:
    if quarantine.of(instance.name):
        return "in quarantine"
    return (_in_use(port) or "free") if port else "not plugged in"


def _in_use(port: str) -> str:
    held = holder(port)
    return f"in use by {held.text()}" if held else ""


def _show(name: str) -> None:
    if not is_device(name):
        board = BoardFile.load(name)
        print(f"{board.name}: {board.title}")
        print(f"  emulator  {board.emulator.program} -M {board.emulator.machine}")
        print(f"  address   {board.net.ip}, netmask {board.net.netmask}, {board.net.mac}")
        print(f"  stack     {board.lwip.stack_profile}, options {board.lwip.option_profile}")
        return
    device = DeviceFile.load(name)
    link, flash = device.link, device.flash
    method = {
        "esptool": f"esptool, {flash.chip} at {flash.offset}",
        "uf2": f"UF2, copied to {' or '.join(flash.boards)}",
        "command": " ".join(flash.command),
    }.get(flash.method, "none known")
    print(f"{device.name}: {device.title}")
    print(f"  tried     on hardware: {'yes' if device.tried_on_hardware else 'no'}")
    print(f"  link      {link.baud} baud, {link.stdin_ring_bytes} bytes of input, DTR "
          f"{'on' if link.dtr else 'off'}, RTS {'on' if link.rts else 'off'}")  # fmt: skip
    print(f"  USB       {', '.join(device.usb.ids) or 'any'}")
    print(f"  resets    {', '.join(device.reset.ladder)}")
    print(f"  network   {device.network.kind}")
    print(f"  flash     {method}")
    print(f"  stack     {device.lwip.stack_profile}")


def _data(rack: Rack) -> dict[str, Any]:
    """All of it for programs."""
    types = _types()
    return {
        "boards": [_head(name) for name in names()],
        "ports": [
            {
                **dataclasses.asdict(port),
                "perhaps": types.get(port.usb_id, ""),
                "used_by": _in_use(port.device),
            }
            for port in listed()
            if port.usb_id
        ],
        "rack": None if rack.path is None else _rack_data(rack),
        "quarantine": [dataclasses.asdict(entry) for entry in quarantine.everything()],
    }


def _rack_data(rack: Rack) -> dict[str, Any]:
    boards = []
    for each in rack.instances:
        port = each.locate()
        boards.append(
            {
                "name": each.name,
                "type": each.type,
                "where": each.where(),
                "port": port,
                "state": _state(each, port),
            }
        )
    return {"path": str(rack.path), "boards": boards}


def _head(name: str) -> dict[str, Any]:
    if is_device(name):
        device = DeviceFile.load(name)
        kind, tried = "device", device.tried_on_hardware
        return {"name": name, "title": device.title, "kind": kind, "tried_on_hardware": tried}
    title = BoardFile.load(name).title
    return {"name": name, "title": title, "kind": "emulated", "tried_on_hardware": None}


def _board_data(name: str) -> dict[str, Any]:
    file: DeviceFile | BoardFile = (
        DeviceFile.load(name) if is_device(name) else BoardFile.load(name)
    )
    kind = "device" if isinstance(file, DeviceFile) else "emulated"
    # As the file has it: what JSON has no form for is told as text.
    told = json.loads(json.dumps(dataclasses.asdict(file), default=str))
    return {"name": file.name, "title": file.title, "kind": kind, "file": told}
