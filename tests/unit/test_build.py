"""What decides about a build, and how make is run: progress, errors, environment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lwipscope import paths, toolchain
from lwipscope.errors import BuildError
from lwipscope.firmware import build, pins, provenance
from lwipscope.firmware.make import Make
from lwipscope.firmware.progress import Step, quiet

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def made(tmp_path: Path, recipe: str) -> Make:
    (tmp_path / "Makefile").write_text(
        "all:\n" + "".join(f"\t@{line}\n" for line in recipe.splitlines())
    )
    shown_as = {str(tmp_path / "copy"): "/home/me/firmware"}
    return Make(tmp_path, {"BUILD": "/b"}, "cafe", tmp_path / "logs/make.log", shown_as)


@needs_make
def test_steps_are_counted_and_named_briefly(tmp_path: Path) -> None:
    steps: list[Step] = []
    make = made(tmp_path, f"echo CC ../../py/gc.c\necho noise\necho CC {tmp_path}/copy/port/a.c")
    assert make.run(steps.append, total=4, prefix="roomy: ") == 2
    assert [str(step) for step in steps] == [
        "[ 25%] roomy: CC py/gc.c",
        "[ 50%] roomy: CC port/a.c",
    ]
    assert "noise" in make.log.read_text()


@needs_make
def test_failure_shows_the_end_of_the_output_and_where_the_log_is(tmp_path: Path) -> None:
    lines = "\n".join(f"echo line-{number}-" for number in range(50))
    make = made(tmp_path, f"{lines}\necho {tmp_path}/copy/a.c:1: error: no\nfalse")
    with pytest.raises(BuildError) as caught:
        make.run(quiet)
    message = str(caught.value)
    assert "/home/me/firmware/a.c:1: error: no" in message, "people know the original, not the copy"
    assert "line-49-" in message and "line-10-" not in message
    assert str(make.log) in message and "line-0-" in make.log.read_text()


@needs_make
def test_variables_of_the_users_shell_dont_reach_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG", "1")
    monkeypatch.setenv("MAKEFLAGS", "-n")
    make = made(tmp_path, "echo CC debug=$(DEBUG) hash=$$MICROPY_GIT_HASH lc=$$LC_ALL")
    steps: list[Step] = []
    make.run(steps.append)
    assert [step.text for step in steps] == ["CC debug= hash=cafe lc=C"]


def test_step_never_promises_the_end_before_it() -> None:
    assert str(Step("x", 399, 400)) == "[ 99%] x"
    assert str(Step("x", 400, 400)) == "[100%] x"
    assert str(Step("x", 7)) == "x"


def test_files_that_get_into_the_image(tmp_path: Path) -> None:
    wanted = ["agent/a.py", "agent/pkg/__init__.py", "port/arch/cc.h", "port/mpconfigboard.mk"]
    noise = ["README.md", "port/notes.md", "port/a.c~", "port/.a.c.swp", "scripts/tcp_server.py"]
    for name in [*wanted, *noise, "agent/__pycache__/a.pyc"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert sorted(build._files(tmp_path)) == wanted


def test_folder_without_a_board_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"has no port/mpconfigboard\.mk"):
        build._files(tmp_path)


@pytest.mark.parametrize("name", ["my cache", "a$b", "a:b", "x#y"])
def test_places_that_make_cannot_work_in_are_refused(tmp_path: Path, name: str) -> None:
    build._without_spaces(tmp_path)
    with pytest.raises(BuildError, match="LWIPSCOPE_CACHE"):
        build._without_spaces(tmp_path / name)


def test_missing_compiler_is_named_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LWIPSCOPE_CACHE", str(tmp_path / "cache"))
    absent = toolchain.Tool("no-such-gcc", "compiles the firmware", ("gcc-nowhere",), "gcc")
    monkeypatch.setattr(toolchain, "BUILD_TOOLS", (absent,))
    with pytest.raises(BuildError, match=r"no-such-gcc \(compiles the firmware\).*gcc-nowhere"):
        build.build("roomy")
    assert build.built("roomy") is None
    assert not paths.cache_dir().exists()


def test_what_make_can_not_follow_begins_anew() -> None:
    """An edited C file costs a second; a list of modules that make has collected stays as it is."""
    files = {"port/a.c": b"1", "port/lwipscope_mpconfig.h": b"1", "port/mps2.ld": b"1"}

    def inputs(**changed: bytes) -> provenance.Inputs:
        of = {"code": "port/a.c", "config": "port/lwipscope_mpconfig.h", "script": "port/mps2.ld"}
        now = files | {of[name]: content for name, content in changed.items()}
        return provenance.Inputs(pins.load(), "roomy", "gcc", "recipe", now)

    assert inputs(code=b"2").shape() == inputs().shape()
    assert inputs(code=b"2").key() != inputs().key()
    assert inputs(config=b"2").shape() != inputs().shape() != inputs(script=b"2").shape()


def test_each_kind_is_kept_apart() -> None:
    def kind(**unusual: bool) -> str:
        return provenance.Inputs(pins.load(), "rp2", "gcc", "recipe", {}, **unusual).kind

    assert kind() == "rp2"
    assert kind(grading=True) == "grading-rp2"
    assert kind(grading=True, workarounds=False) == "no-workarounds-grading-rp2"
    assert kind(tracer=False) == "no-tracer-rp2"
