"""What of a learner's folder goes to the board, and what is refused, with the reason."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lwipscope.errors import UsageError
from lwipscope.exercise.board_files import MOST_BYTES, MOST_DEPTH, MOST_FILES, Refused, read
from lwipscope.exercise.examiner import program_of

MAIN = "# lwipscope exercise: echo-server\nprint(1)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "anna"
    made.mkdir()
    (made / "main.py").write_text(MAIN)
    return made


def test_board_files_are_read_and_what_is_for_people_is_left_out(folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "lib/helper.py").write_text("x = 1\n")
    (folder / "page.html").write_text("<p>")
    for name in ("README.md", "README.zh.md", "LICENSE", "licence.txt", "notes.md"):
        (folder / name).write_text("mine")
    (folder / "readme.py").write_text("x = 1\n")
    (folder / ".git").mkdir()
    (folder / ".git/config").write_text("[core]")
    (folder / "__pycache__").mkdir()
    files = read(folder, "anna")
    assert sorted(files.files) == ["lib/helper.py", "main.py", "page.html", "readme.py"]
    assert files.exercise == "echo-server" and files.name == "anna"


def test_the_tests_make_config_and_a_single_file_is_a_program(folder: Path) -> None:
    (folder / "config.py").write_text("PORT = 1\n")
    program = program_of(read(folder), {"PORT": 7777})
    assert b"PORT = 7777" in dict(program.files)["config.py"]
    alone = read(folder / "main.py")
    assert alone.entry == "main.py" and program_of(alone, {}).source == MAIN.encode()
    (folder / "bert.py").write_text(MAIN)
    assert program_of(read(folder / "bert.py"), {"PORT": 1}).entry == "bert.py"


@pytest.mark.parametrize("name", ["Anna Smith_12_main.py", "李雷.py", f"{'x' * 90}.py", "a.PY"])
def test_a_single_file_may_be_called_as_its_student_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(MAIN)
    program = program_of(read(tmp_path / name), {"PORT": 1})
    assert program.entry == ("a.PY" if name == "a.PY" else "main.py")
    assert sorted(where for where, _ in program.files) == sorted([program.entry, "config.py"])


def test_a_byte_order_mark_does_not_come_to_the_board(folder: Path) -> None:
    (folder / "main.py").write_bytes(b"\xef\xbb\xbf" + MAIN.encode())
    files = read(folder)
    assert files.exercise == "echo-server" and files.files["main.py"] == MAIN.encode()


def _link(folder: Path) -> None:
    (folder / "data.txt").symlink_to("/etc/hostname")


def _hidden_link(folder: Path) -> None:
    (folder / ".data").symlink_to("/etc")


def _folder_link(folder: Path) -> None:
    (folder / "lib").symlink_to("/etc")


def _hard_link(folder: Path) -> None:
    (folder.parent / "secret.txt").write_text("secret")
    os.link(folder.parent / "secret.txt", folder / "mine.txt")


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "data.txt")


def _unix_socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(folder / "s.txt"))


def _file(name: str, data: bytes = b"") -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    return make


def _many(folder: Path) -> None:
    for number in range(MOST_FILES):
        (folder / f"m{number}.py").write_text("")


def _remove_main(folder: Path) -> None:
    (folder / "main.py").unlink()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_link, "data.txt: expected a file, seen a link"),
        (_hidden_link, ".data: expected a file, seen a link"),
        (_folder_link, "lib: expected a file, seen a link"),
        (_hard_link, "mine.txt: expected a file of its own, seen a hard link"),
        (_pipe, "data.txt: expected a file, seen a pipe"),
        (_unix_socket, "s.txt: expected a file, seen a socket"),
        (_file("conftest.py"), "is for the host's Python"),
        (_file("lib/conftest.py"), "lib/conftest.py: is for the host's Python"),
        (_file("test_mine.py"), "is for the host's Python"),
        (_file("sitecustomize.py"), "is for the host's Python"),
        (_file("tox.ini"), "is for the host's tools"),
        (_file("pyproject.toml"), "is for the host's tools"),
        (_file("evil.pth"), "is for the host's tools"),
        (_file("fast.mpy", b"M\x06\x1f\x1f"), "compiled code"),
        (_file("tool.exe"), "expected files of the kinds"),
        (_file("a..py"), "a name that no board's file needs"),
        (_file("a\nb.py"), "a name that no board's file needs"),
        (_file("big.bin", b"x" * (MOST_BYTES + 1)), "kB of files"),
        (_file("latin.py", b"# \xe9"), "no MicroPython program"),
        (_file("rs.py", b"x = '\x1e'"), "control code"),
        (_file("/".join("abcdef"[: MOST_DEPTH + 1]) + "/x.py"), "folders deep"),
        (_many, "files for the board"),
        (_remove_main, "expected a main.py"),
    ],
)
def test_a_refusal_says_which_file_and_why(
    folder: Path, make: Callable[[Path], None], said: str
) -> None:
    make(folder)
    with pytest.raises(Refused) as caught:
        read(folder)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_link_or_a_device_is_no_submission(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(Refused, match="seen a link"):
        read(tmp_path / "link")
    with pytest.raises(Refused, match="seen a device"):
        read(Path("/dev/null"))
    with pytest.raises(UsageError, match="can't be read"):
        read(tmp_path / "nobody")
