"""Programs as they lie on the host: a file, or a folder with something to start with."""

from __future__ import annotations

from pathlib import Path

import pytest

from lwipscope.errors import UsageError
from lwipscope.scenario.program import Program


def test_a_file_is_sent_as_it_is(tmp_path: Path) -> None:
    script = tmp_path / "server.py"
    script.write_bytes(b"print('\xc3\xa4')\r\n")
    program = Program.load(script)
    assert program.source == b"print('\xc3\xa4')\r\n"
    assert program.files == ()
    assert program.name == str(script)


def test_a_folder_takes_its_files_along(tmp_path: Path) -> None:
    (tmp_path / "lib" / "__pycache__").mkdir(parents=True)
    (tmp_path / "main.py").write_text("import lib.a")
    (tmp_path / "lib" / "a.py").write_text("x = 1")
    (tmp_path / "lib" / "__pycache__" / "a.pyc").write_bytes(b"\0")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref")
    (tmp_path / "page.bin").write_bytes(bytes(range(256)))
    program = Program.load(tmp_path)
    assert [name for name, _ in program.files] == ["lib/a.py", "main.py", "page.bin"]
    assert program.source == b"import lib.a"
    assert Program.load(tmp_path, "lib/a.py").source == b"x = 1"


def test_a_folder_without_a_beginning_is_refused(tmp_path: Path) -> None:
    (tmp_path / "server.py").write_text("")
    with pytest.raises(UsageError, match=r"needs a main\.py to start with; it has server"):
        Program.load(tmp_path)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")
    (tmp_path / "video.bin").write_bytes(bytes(600 * 1024))
    with pytest.raises(UsageError, match="more than 512 kB"):
        Program.load(tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"\xff\xfe", "no MicroPython program"), (b"print('\x04')", r"control code '\\x04'")],
)
def test_what_a_serial_line_can_not_carry(tmp_path: Path, content: bytes, why: str) -> None:
    script = tmp_path / "app.py"
    script.write_bytes(content)
    with pytest.raises(UsageError, match=why):
        Program.load(script)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.py: can't be read: No such file"):
        Program.load(tmp_path / "nowhere.py")


def test_tracebacks_get_the_name_of_the_file() -> None:
    program = Program.text("1/0", "app.py")
    told = program.blamed('Traceback:\n  File "<stdin>", line 1, in <module>\nZeroDivisionError\n')
    assert told == 'Traceback:\n  File "app.py", line 1, in <module>\nZeroDivisionError'


def test_tracebacks_of_a_folder_name_its_files(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("import lib")
    (tmp_path / "lib.py").write_text("1/0")
    told = Program.load(tmp_path).blamed(
        'Traceback:\n  File "<stdin>", line 4, in <module>\n  File "main.py", line 1, in <module>\n'
        '  File "/lib.py", line 1, in <module>\n  File "asyncio/core.py", line 9, in run\nError\n'
    )
    assert told.split("\n") == [
        "Traceback:",
        f'  File "{tmp_path}/main.py", line 1, in <module>',
        f'  File "{tmp_path}/lib.py", line 1, in <module>',
        '  File "asyncio/core.py", line 9, in run',
        "Error",
    ]
