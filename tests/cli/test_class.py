"""The bundle for a class: made here, installed where there is no network and no compiler."""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from cli.harness import Desk
from lwipscope.classroom import wheels
from lwipscope.classroom.bundle import INSTALLER, TOP, Bundle, write_bundle
from lwipscope.wire.keeper import PIPE, STDOUT, Keeper

INSTALL_S = 50.0
RUN_S = 30.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bundle(tmp_path_factory.mktemp("class") / "class.zip")


class Student:
    """A machine with Python and QEMU, no network, no compiler, no nc, nothing in its caches."""

    def __init__(self, keeper: Keeper, home: Path) -> None:
        self.home = home
        self._keeper = keeper
        programs = home / "programs"
        programs.mkdir()
        emulator = shutil.which("qemu-system-arm")
        assert emulator is not None
        # Of an environment, the Python below it: a student has no environment yet.
        python = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
        for name, target in (("python3", python), ("qemu-system-arm", Path(emulator))):
            (programs / name).symlink_to(target)
        self._env = {"PATH": str(programs), "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": "/tmp"}

    def types(self, *command: str, timeout_s: float = RUN_S) -> tuple[int, str]:
        """Exit code and output; a word with a slash is a file below the home."""
        first = command[0]
        program = self.home / first if "/" in first else self.home / "programs" / first
        argv = [str(program), *command[1:]]
        with self._keeper.spawn(
            argv, stdout=PIPE, stderr=STDOUT, env=self._env, cwd=self.home
        ) as process:
            said = b""
            while data := process.read(65536, timeout_s):
                said += data
            return process.wait(timeout_s), said.decode()


@pytest.fixture
def student(tmp_path: Path) -> Iterator[Student]:
    with Keeper.start("auto") as keeper:
        if keeper.tap is None:
            pytest.skip(f"no network namespace here: {'; '.join(keeper.notes)}")
        yield Student(keeper, tmp_path)


def test_a_student_needs_only_python_and_qemu(bundle: Bundle, student: Student) -> None:
    code, interfaces = student.types(
        "python3", "-c", "import socket; print(sorted(n for _, n in socket.if_nameindex()))"
    )
    assert (code, interfaces) == (0, "['lo', 'lwip0']\n"), "the student must have no network"
    with zipfile.ZipFile(bundle.file) as archive:
        archive.extractall(student.home)
    code, said = student.types("python3", f"{TOP}/{INSTALLER}", timeout_s=INSTALL_S)
    assert code == 0, said
    assert "lesson list" in said
    code, said = student.types(f"{TOP}/lwipscope/bin/lwipscope", "run-scenario", "close-crossing")
    assert code == 0, said
    assert "building" not in said
    assert "✓ PASS" in said
    lwipscope = f"{TOP}/lwipscope/bin/lwipscope"
    code, said = student.types(lwipscope, "lesson", "start", "1", "--lang", "zh")
    assert code == 0, said
    assert (student.home / "lwipscope-lessons").is_dir()
    code, said = student.types(lwipscope, "exercise", "list")
    assert code == 0, said
    code, said = student.types(lwipscope, "lab", "--terminal", "board", "listen", "6666")
    assert code == 0, said
    assert "CLOSED > LISTEN" in said
    # It is the wheel that runs, not this checkout.
    code, where = student.types(
        f"{TOP}/lwipscope/bin/python", "-c", "import lwipscope; print(lwipscope.__file__)"
    )
    assert Path(where.strip()).is_relative_to(student.home / TOP)


def test_an_installation_does_not_touch_a_folder_in_use(bundle: Bundle, student: Student) -> None:
    with zipfile.ZipFile(bundle.file) as archive:
        archive.extractall(student.home)
    (student.home / "mine").mkdir()
    (student.home / "mine/notes.txt").write_text("mine")
    code, said = student.types("python3", f"{TOP}/{INSTALLER}", "mine")
    assert code == 1
    assert "has other things in it" in said
    assert [path.name for path in (student.home / "mine").iterdir()] == ["notes.txt"]


def test_the_bundle_has_each_requirement_once(bundle: Bundle) -> None:
    names = [name.split("-")[0] for name in bundle.wheels]
    assert len(set(names)) == len(names)
    assert {"lwipscope", "mpremote", "pyserial", "pytest", "pytest_timeout", "pip"} <= set(names)


def test_what_is_for_this_machine_only_is_not_packed(tmp_path: Path) -> None:
    information = tmp_path / "native-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: native\nVersion: 1.0\n")
    (information / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: false\n")
    with pytest.raises(wheels.NotPackable, match=r"native 1\.0 has parts for this machine only"):
        wheels.repack(Distribution.at(information), tmp_path)


def test_a_folder_is_no_bundle(desk: Desk) -> None:
    done = desk.run("class", "pack", str(desk.home))
    assert done.code == 2
    assert "is a folder" in done.err
