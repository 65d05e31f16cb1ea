"""The built wheel in an empty folder: nothing of the checkout is needed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from lwipscope.paths import share_dir
from plugin.conftest import CACHE
from plugin.test_ten_lines import TEN_LINES

REPO = Path(__file__).parents[2]
STEP_S = 60.0


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment's python with our wheel in it, and our dependencies beside it."""
    top = tmp_path_factory.mktemp("wheel")
    # hatchling is a development dependency: nothing is fetched.
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(top), cwd=REPO)
    (wheel,) = top.glob("lwipscope-*.whl")
    call(sys.executable, "-m", "venv", "--without-pip", str(top / "venv"), cwd=top)
    python = top / "venv/bin/python"
    (where,) = (top / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(where)
    # Folders that come by a .pth file get no .pth files read: the editable install stays out.
    (where / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return python


def test_the_ten_lines_in_an_empty_folder(python: Path, tmp_path: Path) -> None:
    where = call(str(python), "-c", "import lwipscope; print(lwipscope.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(python.parents[1])
    made = call(
        str(python),
        "-c",
        "from lwipscope.paths import share_dir; print(share_dir('firmware'))",
        cwd=tmp_path,
    )
    shipped = Path(made.strip())
    assert shipped.is_relative_to(python.parents[1])
    (tmp_path / "examples").mkdir()
    echo = (shipped / "scripts/echo_server.py").read_bytes()
    (tmp_path / "examples/echo_server.py").write_bytes(echo)
    (tmp_path / "test_echo.py").write_text(TEN_LINES)
    # What it has is what is built from: the same firmware, from the same cache.
    said = call(str(python), "-m", "pytest", "--lwip-require-board", "-v", cwd=tmp_path)
    assert "1 passed" in said, said
    assert "making the firmware" not in said


def test_the_wheel_has_all_that_boards_run(python: Path) -> None:
    (shipped,) = python.parents[1].glob("lib/python*/site-packages/lwipscope/_share")
    for part in ("firmware", "boards"):
        ours = share_dir(part)
        names = {
            path.relative_to(ours)
            for path in ours.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert names
        missing = [name for name in names if not (shipped / part / name).is_file()]
        assert not missing


def call(*command: str, cwd: Path) -> str:
    """Its output; a failure shows it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST_", "LWIP_"))}
    env = kept | {"LWIPSCOPE_CACHE": str(CACHE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=STEP_S, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
