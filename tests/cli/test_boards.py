"""`boards`, `identify`, `flash`, `test` and `clean`, as a user types them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cli.harness import REPO, Desk, Program, one_message
from lwipscope.runfile.model import Run
from lwipscope.wire.pcapng import read_pcapng

NO_RAW = "server-peer-closes-first"
PLAYED = (
    NO_RAW,
    *("server-closes-first-nc-released", "server-closes-first-nc-left-open"),
    *("client-closes-first", "client-peer-closes-first", "client-refused"),
    *("server-closes-first-textbook", "http-request-nc", "listen-to-syn-sent-absent"),
    *("keepalive-absent", "syn-flood"),
)
NOT_PLAYED = ("address-lost-while-open", "board-reboots")


def started(desk: Desk, *options: str) -> tuple[Program, str]:
    program = desk.start("start", "--log-dir", desk.logs, *options)
    program.expect("^Ctrl-C ends it")
    return program, program.expect(r"^serial: +(\S+)")[1]


def test_boards_lists_files_ports_and_rack(desk: Desk) -> None:
    done = desk.run("boards")
    assert (done.code, done.err) == (0, "")
    assert re.search(r"^esp32-devkit .*tried on hardware: no", done.out, re.M)
    assert "serial ports on USB" in done.out and "lwip-rack.toml" in done.out
    (desk.work / "lwip-rack.toml").write_text(
        'schema = 1\n[[board]]\nname = "left"\ntype = "rpi-pico-w"\nusb_serial = "none-such"\n'
    )
    done = desk.run("boards")
    assert re.search(r"left +rpi-pico-w .*none-such +\[not plugged in\]", done.out), done.out
    assert "esptool, esp32 at 0x1000" in desk.run("boards", "esp32-devkit").out
    done = desk.run("boards", "--release", "left")
    assert done.code == 2 and "not in quarantine" in one_message(done)
    done = desk.run("identify", "left")
    assert done.code == 3 and "plugged in" in one_message(done)


def test_a_board_that_does_not_exist(desk: Desk) -> None:
    for command in ("identify", "test", "clean"):
        done = desk.run(command, "esp33")
        assert done.code == 2 and "there is no board 'esp33'" in one_message(done)
    assert desk.run("identify", "/dev/none-such").code == 3


def test_flash_dry_run_prints_the_exact_command(desk: Desk) -> None:
    image = desk.script(b"\xe9", "fw.bin")
    done = desk.run("flash", "esp32-s3@/dev/ttyACM7", image, "--dry-run")
    assert done.code == 0, done.err
    assert re.search(
        rf"--chip esp32s3 --port /dev/ttyACM7 --baud 460800 write_flash -z 0x0 {image}$",
        done.out,
        re.M,
    )
    done = desk.run("flash", "qemu", image, "--dry-run")
    assert done.code == 0 and f"-M mps2-an385 -kernel {image} " in done.out
    assert desk.run("flash", "qemu", desk.work / "none.elf", "--dry-run").code == 2
    # Boards that are not there: what they would need is named.
    done = desk.run("flash", "any:esp32-c3", image, "--dry-run", "--erase-all")
    assert done.code == 0, done.err
    assert "--port PORT --baud 460800 write_flash --erase-all -z 0x0" in done.out
    assert "PORT stands for the board's serial port" in done.out
    assert desk.run("flash", "esp32-c3", image).code == 3
    uf2 = desk.script(b"UF2\n", "fw.uf2")
    done = desk.run("flash", "rpi-pico-w", uf2, "--dry-run")
    assert done.code == 0 and f"cp {uf2} VOLUME/fw.uf2" in done.out, done
    assert "BOOTSEL" in one_message(desk.run("flash", "rpi-pico-w", uf2))


def test_a_board_on_a_serial_port(desk: Desk) -> None:
    program, serial = started(desk, "--port", "7777")
    done = desk.run("identify", serial)
    assert (done.code, done.err) == (0, "")
    assert "16 pcbs" in done.out and "viper" in done.out
    assert desk.run("identify", f"esp32-devkit@{serial}").code == 1
    done = desk.run("test", serial, "--only", NO_RAW)
    assert done.code == 4 and "nothing could be decided" in one_message(done)
    assert re.search(
        rf"^SKIP +{NO_RAW} +this machine has no address in 192.0.2.0/24", done.out, re.M
    )
    done = desk.run("test", serial, "--interface", "none-such")
    assert done.code == 2 and "interface none-such" in one_message(done)
    assert "nothing of ours" in desk.run("clean", serial).out
    program.interrupt()
    assert program.finish().code == 0
    desk.assert_nothing_left()


def test_flash_looks_what_runs_afterwards(desk: Desk) -> None:
    """The flash tool is a fake: `true` writes nothing, so the old firmware goes on running."""
    program, serial = started(desk)
    text = (REPO / "boards/nucleo-f767zi.toml").read_text()
    at = text.index("command = [")
    line = text[at : text.index("\n", at)]
    (desk.work / "own.toml").write_text(
        text.replace(line, 'command = ["true"]').replace('name = "nucleo-f767zi"', 'name = "own"')
    )
    right = desk.script(b"..v1.25.0 on 2025-04-15..", "right.bin")
    wrong = desk.script(b"..v1.26.0 on 2026-01-01..", "wrong.bin")
    done = desk.run("flash", f"own.toml@{serial}", right)
    assert done.code == 0 and "verified: the board runs" in done.out, done
    done = desk.run("flash", f"own.toml@{serial}", wrong)
    assert done.code == 1 and "NOT verified" in done.out, done
    program.interrupt()
    assert program.finish().code == 0
    desk.assert_nothing_left()


def test_identify_and_clean_do_not_interrupt(desk: Desk) -> None:
    program, serial = started(desk)
    source = desk.script("import time\nprint('busy')\nwhile True:\n    time.sleep(0.01)\n")
    mpremote = desk.start_other(
        *(sys.executable, "-m", "mpremote", "connect", serial, "run", "--no-follow", source)
    )
    assert mpremote.finish().code == 0
    done = desk.run("identify", serial)
    assert done.code == 0 and "--take-over would tell more" in done.out, done
    done = desk.run("clean", serial)
    assert done.code == 3 and "--take-over" in one_message(done)
    assert "--take-over would tell more" in desk.run("identify", serial).out
    assert "viper" in desk.run("identify", serial, "--take-over").out
    program.interrupt()
    assert program.finish().code == 0


@pytest.mark.usefixtures("need_tap")
@pytest.mark.timeout(120)
def test_the_scenarios_on_a_serial_port(desk: Desk) -> None:
    program, serial = started(desk, "--port", "7777")
    logs = desk.work / "test-logs"
    only = [word for name in (*PLAYED, *NOT_PLAYED) for word in ("--only", name)]
    test = (sys.executable, "-m", "lwipscope", "test", serial, *only, "--log-dir", logs)
    done = desk.start("shell", "--", *test).finish(90.0)
    assert done.code == 0, done
    assert "11 of 13 scenarios played: 11 PASS, 2 SKIP" in done.out, done.out
    assert re.search(r"^SKIP +address-lost-while-open +needs the board's wire", done.out, re.M)
    assert re.search(r"^SKIP +board-reboots +needs a reset without warning", done.out, re.M)
    _check_junit(logs / "junit.xml", played=11)
    assert "frames from and to 192.0.2.10 are seen at lwip0" in done.out
    assert {path.stem for path in logs.glob("*.lwiprun")} == set(PLAYED)
    about = Run.load(logs / f"{NO_RAW}.lwiprun").about
    assert {each.subject for each in about.judged} == {"path", "peer"}
    assert {each.verdict for each in about.judged} == {"PASS"} and about.board == "any-micropython"
    capture = read_pcapng(logs / f"{NO_RAW}.wire.pcapng")
    assert {packet.interface for packet in capture} == {"board", "lwip0"}
    assert any("ESTABLISHED" in text for packet in capture for text in packet.comments)
    program.interrupt()
    assert program.finish().code == 0


def test_the_scenarios_on_the_emulated_board(desk: Desk) -> None:
    junit = desk.work / "j.xml"
    names = (NO_RAW, "keepalive-absent")
    only = [word for name in names for word in ("--only", name)]
    done = desk.run("test", "qemu", *only, "--junit", junit, "--log-dir", desk.logs)
    assert done.code == 0, done
    assert "2 of 2 scenarios played: 2 PASS" in done.out
    _check_junit(junit, played=2)
    done = desk.run("test", "qemu", "--only", "no-such")
    assert done.code == 2 and "no-such" in one_message(done)
    desk.assert_nothing_left()


def _check_junit(path: Path, played: int) -> None:
    suite = ElementTree.parse(path).getroot()[0]
    skipped = int(suite.get("skipped", "0"))
    assert int(suite.get("tests", "0")) - skipped == played
    assert suite.get("failures") == suite.get("errors") == "0"
    properties = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert properties["lwip"] == "2.2.1"
