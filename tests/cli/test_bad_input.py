"""Mistakes and misfortunes: one clear message, the right exit code, nothing lost or left."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cli.harness import REPO, Desk, Done, one_message

BOARD = "qemu-mps2-an385"
# Not even root can make a folder or a file in here.
NO_FOLDER = "/dev/null/here"
QUICK = ("demo", "--only", "client-refused")


def refused(done: Done, code: int, *words: str) -> str:
    """It ended with that code and one message that has these words."""
    message = one_message(done)
    assert done.code == code, done
    for word in words:
        assert word in message, f"{word!r} is missing in: {message}"
    assert len(message.splitlines()) <= 3, message
    return message


# --- tools ---


def test_without_qemu_its_package_is_named(desk: Desk) -> None:
    for command in (QUICK, ("start",), ("run", str(desk.script("pass")))):
        done = desk.run(*command, "--log-dir", desk.logs, PATH=desk.path_with())
        refused(done, 3, "qemu-system-arm is not installed", "Debian: qemu-system-arm", "setup")
        shutil.rmtree(desk.work / "bin")


def test_without_a_compiler_finished_firmware_runs(desk: Desk, pack: Path) -> None:
    path = desk.path_with("qemu-system-arm")
    done = desk.run(*QUICK, "--log-dir", desk.logs, PATH=path)
    assert done.code == 0
    empty = desk.work / "empty"
    done = desk.run(
        *QUICK, *("--log-dir", desk.logs, "--firmware", pack), PATH=path, LWIPSCOPE_CACHE=str(empty)
    )
    assert done.code == 0


def test_without_a_compiler_and_firmware_it_says_what_is_missing(desk: Desk) -> None:
    path = desk.path_with("qemu-system-arm")
    empty = desk.work / "empty"
    done = desk.run(*QUICK, PATH=path, LWIPSCOPE_CACHE=str(empty))
    refused(done, 2, "arm-none-eabi-gcc", "gcc-arm-none-eabi", "make")


# --- firmware files ---


@pytest.fixture
def image(desk: Desk, pack: Path) -> Path:
    """The two files of a firmware image, to be damaged."""
    folder = desk.work / "image"
    with zipfile.ZipFile(pack) as archive:
        archive.extractall(folder)
    return folder


def run_with(desk: Desk, firmware: Path, *options: str) -> Done:
    return desk.run(*QUICK, "--log-dir", desk.logs, "--firmware", firmware, *options)


def test_the_image_of_the_next_tests_is_sound(desk: Desk, image: Path) -> None:
    for firmware in (image, image / "firmware.elf"):
        assert run_with(desk, firmware).code == 0


def test_firmware_that_is_none(desk: Desk, image: Path, pack: Path) -> None:
    text = desk.work / "text"
    text.write_text("not firmware at all, but a text\n")
    cut = desk.work / "cut"
    cut.write_bytes(pack.read_bytes()[:-5000])
    elsewhere = desk.work / "elsewhere"
    elsewhere.mkdir()
    lonely = elsewhere / "firmware.elf"
    shutil.copy(image / "firmware.elf", lonely)
    shutil.copy(sys.executable, elsewhere / "python")
    shutil.copy(image / "provenance.json", elsewhere / "kept.json")
    refused(run_with(desk, desk.work / "none"), 2, "none cannot be read", "No such file")
    refused(run_with(desk, elsewhere), 2, "provenance.json cannot be read")
    refused(run_with(desk, lonely), 2, "provenance.json cannot be read")
    refused(run_with(desk, text), 2, "text is no firmware", "expected an ELF")
    refused(run_with(desk, cut), 2, "cut is no intact firmware pack")
    refused(run_with(desk, elsewhere / "python"), 2, "python is no firmware", "32-bit Arm")
    refused(desk.run("firmware", "use", text), 2, "text is no intact firmware pack")
    refused(desk.run("firmware", "use", cut), 2, "cut is no intact firmware pack")
    refused(desk.run("firmware", "use", desk.work / "none"), 2, "none cannot be read")


def test_firmware_that_was_altered(desk: Desk, image: Path) -> None:
    elf = bytearray((image / "firmware.elf").read_bytes())
    elf[70_000] ^= 1
    (image / "firmware.elf").write_bytes(elf)
    refused(run_with(desk, image), 2, "was altered", "SHA-256")


def test_firmware_with_a_strange_provenance(desk: Desk, image: Path) -> None:
    provenance = image / "provenance.json"
    whole = provenance.read_text()
    for text, word in (
        ("{", "expected 1"),
        ("[]", "expected 1"),
        (whole.replace('"format": 1', '"format": 2'), "has format 2"),
        (whole.replace('"profile": "roomy"', '"profile": "huge"'), "no usable profile"),
        (whole.replace('"build":', '"built":'), "no usable build"),
    ):
        provenance.write_text(text)
        refused(run_with(desk, image), 2, "provenance.json", word)


def test_firmware_of_another_profile(desk: Desk, pack: Path) -> None:
    refused(run_with(desk, pack, "--profile", "rp2"), 2, "profile 'roomy'", "'rp2' was asked for")


# --- board files ---


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("schema = 1", "schema = 2", ("schema: expected 1, found 2",)),
        ("schema = 1", "", ("schema: the field is missing",)),
        ("schema = 1", 'schema = "1"', ("schema: expected int, found '1'",)),
        ("schema = 1", "schema = true", ("schema: expected int, found True",)),
        ('name = "qemu', 'name = "kemu', ("name: expected 'qemu-mps2-an385'",)),
        ("baud = 115200", "baud = 1.5", ("link.baud: expected int, found 1.5",)),
        ("baud = ", "boud = ", ("link.boud: unknown field", "did you mean link.baud?")),
        ("[link]", "[lnk]", ("lnk: unknown field", "did you mean link?")),
        ("[net]", "[net.net]", ("net",)),
        ('ip = "192.0.2.10"', 'ip = "192.0.2.256"', ("net.ip: expected an IPv4 address",)),
        ('ip = "192.0.2.10"', 'ip = "fe80::1"', ("net.ip: expected an IPv4 address",)),
        ('ip = "192.0.2.10"', "ip = 42", ("net.ip: expected an IPv4 address",)),
        ('"02:6c:77:00:00:0a"', '"02:6c:77:00:00"', ("net.mac: expected",)),
        ('"02:6c:77:00:00:0a"', '"03:6c:77:00:00:0a"', ("net.mac: expected",)),
        ('"02:6c:77:00:00:0a"', '"qq:6c:77:00:00:0a"', ("net.mac: expected",)),
        ('"02:6c:77:00:00:0a"', '"02:6c:77:00:00:0a,x=y"', ("net.mac: expected",)),
        ("dhcp = false", "dhcp = 0", ("net.dhcp: expected bool, found 0",)),
        ('machine = "mps2-an385"', 'machine = "mps3"', ("emulator.machine", "mps2-an385")),
        ('option_profile = "roomy"', 'option_profile = "big"', ("option_profile: 'big'", "rp2")),
        ("[emulator]", "[emulator", ("not a TOML file", "line")),
        ("[emulator]\n", "[[emulator]]\n", ("emulator: expected a table",)),
        ("baud = 115200", "baud = 0", ("link.baud: expected a positive number, found 0",)),
    ],
)
def test_a_wrong_field_of_a_board_file(
    desk: Desk, old: str, new: str, words: tuple[str, ...]
) -> None:
    text = (REPO / f"boards/{BOARD}.toml").read_text()
    assert text.count(old) == 1
    path = desk.work / f"{BOARD}.toml"
    path.write_text(text.replace(old, new))
    done = desk.run(*QUICK, "--board", path, "--log-dir", desk.logs)
    refused(done, 2, f"{BOARD}.toml: ", *words)
    assert not done.out


def test_a_board_file_that_can_not_be_read(desk: Desk) -> None:
    path = desk.work / "board.toml"
    refused(desk.run(*QUICK, "--board", path), 2, "board.toml", "No such file")
    path.write_bytes(b"\xff\xfe\x00schema")
    refused(desk.run("boards", path), 2, "board.toml: not a TOML file")
    refused(desk.run(*QUICK, "--board", "qemu-mps2-an386"), 2, f"did you mean {BOARD!r}?")
    refused(desk.run("boards", "esp32"), 2, "no board 'esp32'", "did you mean 'esp32-")
    refused(desk.run("boards", "toaster"), 2, "no board 'toaster'", "known: ", BOARD)


def test_a_board_file_of_ones_own(desk: Desk) -> None:
    path = desk.work / "mine.toml"
    text = (REPO / f"boards/{BOARD}.toml").read_text()
    path.write_text(text.replace(f'name = "{BOARD}"', 'name = "mine"').replace("2.10", "2.77"))
    done = desk.run("demo", "--only", "server-closes-first-textbook", "--board", path)
    assert done.code == 0, done
    assert "mine: Arm MPS2" in desk.run("boards", path).out


# --- QEMU that dies ---


def test_qemu_is_killed_while_a_program_runs(desk: Desk) -> None:
    program = desk.on_board("print('begun')\nwhile True: pass\n")
    program.expect("begun")
    desk.kill("qemu-system-arm")
    done = program.finish()
    refused(done, 4, "QEMU was ended by SIGKILL")
    assert "paths:" in done.out
    assert "begun" in done.out.splitlines()
    assert (desk.logs / "serial.log").stat().st_size > 0


@pytest.mark.parametrize("wanted", ["board: ", "^path ", "^4\\. "])
def test_qemu_is_killed_during_the_demo(desk: Desk, wanted: str) -> None:
    program = desk.start("demo", "--log-dir", desk.logs)
    program.expect(wanted)
    desk.kill("qemu-system-arm")
    done = program.finish()
    assert done.code == 4, done
    assert "QEMU was ended by SIGKILL" in done.err
    assert done.err.count("lwipscope: ") == 1
    assert "captures (pcapng) and logs" in done.out or wanted == "board: "


def test_qemu_is_killed_under_start_and_watch(desk: Desk) -> None:
    program = desk.start("start", "--log-dir", desk.logs)
    program.expect("^Ctrl-C ends it")
    watching = desk.start("watch")
    watching.expect("^watching ")
    desk.kill("qemu-system-arm")
    refused(program.finish(), 4, "QEMU was ended by SIGKILL")
    done = watching.finish()
    assert done.code == 4
    assert "the board is lost" in done.err


def test_a_qemu_that_does_not_start(desk: Desk) -> None:
    folder = desk.work / "bin"
    folder.mkdir()
    fake = folder / "qemu-system-arm"
    fake.write_text("#!/bin/sh\necho 'out of luck' >&2\nexit 1\n")
    fake.chmod(0o755)
    done = desk.run(*QUICK, "--log-dir", desk.logs, PATH=f"{folder}:/usr/bin:/bin")
    refused(done, 3, "QEMU did not start: out of luck")


# --- folders that can't be written ---


def test_a_log_folder_that_can_not_be_made(desk: Desk) -> None:
    script = desk.script("print('hello')")
    for command in (QUICK, ("run", str(script)), ("start",)):
        refused(desk.run(*command, "--log-dir", NO_FOLDER), 2, NO_FOLDER, "--log-dir")
    (desk.work / "lwipscope-logs").write_text("a file in its place")
    refused(desk.run(*QUICK), 2, "lwipscope-logs", "--log-dir")


def test_a_cache_that_can_not_be_written(desk: Desk, pack: Path) -> None:
    for command in (QUICK, ("firmware", "use", str(pack)), ("firmware", "build")):
        done = desk.run(*command, LWIPSCOPE_CACHE=NO_FOLDER)
        refused(done, 2, NO_FOLDER, "LWIPSCOPE_CACHE")


def test_a_temporary_folder_that_can_not_be_used(desk: Desk) -> None:
    long = desk.work / ("long" * 25)
    long.mkdir()
    done = desk.run(*QUICK, "--log-dir", desk.logs, TMPDIR=str(long))
    refused(done, 3, "TMPDIR")
    assert list(long.iterdir()) == []


def test_a_temporary_folder_with_a_strange_name(desk: Desk) -> None:
    strange = desk.work / "a, b=c 'd'"
    strange.mkdir()
    done = desk.run(*QUICK, "--log-dir", desk.logs, TMPDIR=str(strange))
    assert (done.code, done.err) == (0, "")
    assert list(strange.iterdir()) == []


def test_firmware_pack_to_nowhere(desk: Desk) -> None:
    refused(desk.run("firmware", "pack", f"{NO_FOLDER}/x.pack"), 2, NO_FOLDER)


# --- the rest ---


def test_a_port_that_is_named_twice(desk: Desk) -> None:
    done = desk.start("start", "--port", "7001", "--port", "7001", "--log-dir", desk.logs)
    done.expect("^Ctrl-C ends it")
    done.interrupt()
    assert done.finish().code == 0


def test_tap_that_can_not_be_had(desk: Desk) -> None:
    unprivileged = shutil.which("setpriv")
    if unprivileged is None:
        pytest.skip("setpriv is needed to give up privileges")
    drop = [unprivileged, "--bounding-set=-all", "--inh-caps=-all"]
    probe = subprocess.run([*drop, "unshare", "-Un", "true"], capture_output=True, timeout=20)
    if probe.returncode == 0:
        pytest.skip("user namespaces are allowed here")
    command = [*drop, sys.executable, "-m", "lwipscope", *QUICK, "--log-dir", str(desk.logs)]
    done = desk.start_other(*command, "--wire", "tap").finish()
    refused(done, 3, "no namespace", "root", "/dev/net/tun")
    done = desk.start_other(*command).finish()
    assert done.code == 0
    assert re.search("own TCP endpoint", done.out)


def test_background_jobs_ignore_ctrl_c_but_end_at_sigterm(desk: Desk) -> None:
    script = desk.script("print('begun')\nwhile True: pass\n")
    words = f"trap '' INT; exec {sys.executable} -m lwipscope run {script} --log-dir {desk.logs}"
    program = desk.start_other("/bin/sh", "-c", words)
    program.expect("begun")
    program.interrupt()
    assert not program.pause(0.5)
    program.signal_group(signal.SIGTERM)
    assert program.finish().code == 0
