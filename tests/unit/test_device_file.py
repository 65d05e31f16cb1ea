"""Files of real boards, and how an image would get onto them. No board is involved."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lwipscope.board import flash, opening
from lwipscope.board.board_file import BoardFile
from lwipscope.board.device_file import ANY, DeviceFile, device_names
from lwipscope.board.lock import BoardLock, BoardTaken, holder
from lwipscope.board.opening import resolve
from lwipscope.board.rack import Instance, Rack
from lwipscope.board.serial_ports import Port
from lwipscope.errors import LwipscopeError, NoBoard, UsageError
from lwipscope.paths import share_dir
from lwipscope.report.junit import Case, write_junit

WANTED = {ANY, "esp32-devkit", "esp32-s3", "esp32-c3", "rpi-pico-w", "nucleo-f767zi"}


def test_all_files_load_and_claim_no_trial() -> None:
    assert set(device_names()) == WANTED
    for name in device_names():
        file = DeviceFile.load(name)
        assert not file.tried_on_hardware
        assert "power" in file.reset.ladder and file.link.stdin_ring_bytes >= 128
    with pytest.raises(UsageError, match="lwipscope test rpi-pico-w"):
        BoardFile.load("rpi-pico-w")
    with pytest.raises(UsageError, match="emulated"):
        DeviceFile.load("qemu-mps2-an385")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("stdin_ring_bytes = 260", "", "link.stdin_ring_bytes: the field is missing"),
        ("baud = 115200", "baud = 0", "link.baud: expected a positive number, found 0"),
        ('["soft", "lines"', '["soft", "lever"', r"reset.ladder\[1\]: expected one of 'soft'"),
        ('lines = "rts-pulse"', "", "reset.lines: expected 'rts-pulse'"),
        ("10c4:ea60", "10C4-EA60", r"usb.ids\[0\]: expected vendor:product"),
        ("[network]", "[netwrok]", "netwrok: unknown field; did you mean network"),
        ('kind = "wlan"', 'kind = "wifi"', "network.kind: expected one of 'wlan', 'lan', 'up'"),
        ("schema = 1", "schema = 2", "schema: expected 1, found 2"),
        ("tried_on_hardware = false", "tried_on_hardware = 0", "expected bool, found 0"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (share_dir("boards") / "esp32-devkit.toml").read_text()
    assert old in text
    path = tmp_path / "esp32-devkit.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(UsageError, match=message):
        DeviceFile.load(str(path))


@pytest.mark.parametrize("device", ["/dev/ttyUSB9", "rfc2217://127.0.0.1:2217"])
def test_the_command_of_esptool(tmp_path: Path, device: str) -> None:
    image = tmp_path / "fw.bin"
    image.write_bytes(b"\xe9firmware")
    plan = flash.plan(DeviceFile.load("esp32-c3"), device, image)
    assert f"--chip esp32c3 --port {device} --baud 460800 write_flash -z 0x0 {image}" in plan.text()
    assert "erase" not in plan.text()
    assert (
        "--erase-all"
        in flash.plan(DeviceFile.load("esp32-devkit"), device, image, erase_all=True).text()
    )
    with pytest.raises(UsageError, match="no such image"):
        flash.plan(DeviceFile.load("esp32-c3"), device, tmp_path / "none.bin")


def test_uf2_is_copied_to_the_right_volume(tmp_path: Path) -> None:
    """The volumes are fakes: folders with the file that a bootloader shows."""
    board = DeviceFile.load("rpi-pico-w")
    image = tmp_path / "fw.uf2"
    block = b"UF2\n" + bytes(12) + (256).to_bytes(4, "little") + bytes(12)
    image.write_bytes((block + b"v1.25.0 on 2025" + bytes(512))[:512])
    volume, other = tmp_path / "RPI", tmp_path / "OTHER"
    for folder, name in ((volume, "RPI-RP2"), (other, "SAMD21G18A-v1")):
        folder.mkdir()
        (folder / "INFO_UF2.TXT").write_text(f"UF2 Bootloader v3.0\r\nBoard-ID: {name}\r\n")
    plan = flash.plan(board, "", image, volume=volume)
    assert plan.text() == f"cp {image} {volume / 'fw.uf2'}"
    plan.do()
    assert (volume / "fw.uf2").read_bytes() == image.read_bytes()
    assert b"v1.25.0 on 2025" in flash.content(image)
    with pytest.raises(UsageError, match="SAMD21"):
        flash.plan(board, "", image, volume=other)
    with pytest.raises(NoBoard, match="BOOTSEL"):
        flash.plan(board, "", image, volume=tmp_path)
    wrong = tmp_path / "fw.bin"
    wrong.write_bytes(b"ELF")
    with pytest.raises(UsageError, match="expected a UF2 file"):
        flash.plan(board, "", wrong, volume=volume)
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 {volume} vfat rw 0 0\n/dev/sdb1 {other} vfat rw 0 0\n")
    assert flash.uf2_volumes(board.flash.boards, mounts) == [volume]


def test_a_flash_command_is_run_without_a_shell(tmp_path: Path) -> None:
    """The tool is a fake that writes down what it was called with."""
    tool, image = tmp_path / "fake-tool", tmp_path / "a b; rm.hex"
    tool.write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {tmp_path}/called\ntest "$1" != fail\n')
    tool.chmod(0o755)
    image.write_bytes(b"x")
    text = (share_dir("boards") / "nucleo-f767zi.toml").read_text()
    at = text.index("command = [")
    line = text[at : text.index("\n", at)]
    path = tmp_path / "nucleo-f767zi.toml"
    for words, called in (
        ('"go", "{image}", "{port}"', f"go|{image}|/dev/x|"),
        ('"fail", "{elf}"', None),
    ):
        path.write_text(text.replace(line, f'command = ["{tool}", {words}]'))
        file = DeviceFile.load(str(path))
        if called is None:
            with pytest.raises(UsageError, match="--elf FILE"):
                flash.plan(file, "/dev/x", image)
            with pytest.raises(flash.FlashFailed, match="ended with 1"):
                flash.plan(file, "/dev/x", image, elf=image).do()
        else:
            flash.plan(file, "/dev/x", image).do()
            assert (tmp_path / "called").read_text() == called


def test_what_a_name_means(tmp_path: Path) -> None:
    rack = Rack((Instance("left", "esp32-devkit", port="/dev/x"),))
    assert resolve("qemu", rack).kind == "emulated"
    assert resolve("any:qemu-mps2-an500", rack).type == "qemu-mps2-an500"
    assert resolve("/dev/ttyACM0", rack).type == ANY
    url = "socket://127.0.0.1:1"
    assert resolve(url, rack).type == ANY
    assert resolve(f"rpi-pico-w@{url}", rack).places[0].name == url
    assert resolve("left", rack).type == resolve("esp32-devkit", rack).type == "esp32-devkit"
    for spec, message in (
        ("lfet", "there is no board 'lfet'"),
        ("esp32-devkit@ttyUSB0", "expected TYPE@PORT"),
        ("rpi-pico-w", "2e8a:0005|2 boards|Say where"),
        ("qemu-mps2-an385@/dev/x", "emulated"),
    ):
        with pytest.raises(LwipscopeError, match=message):
            resolve(spec, rack)
    assert tmp_path.is_dir()


def test_dtr_of_a_port_whose_type_was_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of ports is a fake."""
    ports = [Port("/dev/p", usb_id="2e8a:0005"), Port("/dev/e", usb_id="10c4:ea60")]
    monkeypatch.setattr(opening, "listed", lambda: ports)
    file = DeviceFile.load(ANY)
    for device, dtr in (("/dev/p", True), ("/dev/e", False), ("/dev/pts/0", False)):
        found = opening._with_lines_of(file, [opening.Place.at(device)])
        assert found.link.dtr is dtr


def test_a_lock_tells_its_holder_and_survives_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with BoardLock("/dev/x"):
        found = holder("/dev/x")
        assert found is not None and found.pid == os.getpid()
        with pytest.raises(BoardTaken, match=f"process {os.getpid()}"):
            BoardLock("/dev/x")
    assert holder("/dev/x") is None and not list(tmp_path.iterdir())
    script = "from lwipscope.board.lock import *; import os; x = BoardLock('/dev/x'); os._exit(1)"
    subprocess.run([sys.executable, "-c", script], check=False)
    assert list(tmp_path.iterdir()), "the crash left nothing to recognise"
    assert holder("/dev/x") is None
    with BoardLock("/dev/x"):
        assert holder("/dev/x") is not None


def test_junit(tmp_path: Path) -> None:
    cases = [
        Case("a", "PASS", "", 0.5),
        Case("b", "FAIL", "expected X\nseen <Y>\x1e"),
        Case("c", "SKIP", "needs raw"),
        Case("d", "INCONCLUSIVE", "gap"),
    ]
    write_junit(tmp_path / "new" / "j.xml", "lwipscope.x", cases, {"board": "x", "can": "y"})
    suite = ElementTree.parse(tmp_path / "new" / "j.xml").getroot()[0]
    counts = [suite.get(key) for key in ("tests", "failures", "errors", "skipped")]
    assert counts == ["4", "1", "1", "1"]
    failure = suite.find("testcase[@name='b']/failure")
    assert failure is not None and failure.text == "expected X\nseen <Y>?"
