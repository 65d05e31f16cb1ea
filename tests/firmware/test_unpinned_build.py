"""An lwIP tree that somebody works on: built, run, judged; and what one can't build is told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lwipscope import toolchain
from lwipscope.firmware import sources as upstream

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(
        bool(toolchain.missing(toolchain.BUILD_TOOLS)), reason="no cross compiler on this machine"
    ),
]

# The peer's FIN in ESTABLISHED, then its RST: one of lwIP's transitions each.
SCENARIO = "rst-in-close-wait"
MOVED_BY = 7
REBUILD_S = 20.0  # some 2 s on a quiet machine; a whole build takes 15 s there


def lwipscope(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lwipscope", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def build(sources: Path, out: Path) -> subprocess.CompletedProcess[str]:
    words = ("--unpinned", "--sources", sources, "--profile", "rp2", "--out", out)
    return lwipscope("firmware", "build", *words)


def play(firmware: Path, logs: Path) -> subprocess.CompletedProcess[str]:
    words = ("--bisect", "--profile", "rp2", "--firmware", firmware, "--log-dir", logs)
    return lwipscope("run-scenario", SCENARIO, *words)


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file.name} has {text.count(old)} times {old!r}"
    file.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def pinned() -> Path:
    return upstream.get().lwip


def test_edited_trees_are_built_and_judged(tmp_path: Path, pinned: Path) -> None:
    """Moved code with one store more passes at its new lines; a broken transition fails; what does
    not compile is told by its own name, also in a folder that make could not work in."""
    lwip = tmp_path / "my trees" / "lwip"
    shutil.copytree(pinned, lwip)
    tcp_in = lwip / "src/core/tcp_in.c"
    if shutil.which("git"):
        for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "x"]):
            identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
            command = ["git", *identity, "-c", "commit.gpgsign=no", "-C", str(lwip), *words]
            subprocess.run(command, check=True, timeout=60)
    known = tcp_in.read_text().split("\n").index("        pcb->state = CLOSE_WAIT;") + 1
    more = "      if (pcb->state == ESTABLISHED)\n        pcb->state =\n          ESTABLISHED;\n"
    text = tcp_in.read_text()
    assert text.startswith("/**")
    processed = "    case CLOSE_WAIT:\n    /* FALLTHROUGH */\n    case ESTABLISHED:\n"
    assert text.count(processed) == 1
    tcp_in.write_text("\n" * MOVED_BY + text.replace(processed, processed + more))

    moved = tmp_path / "moved"
    built = build(tmp_path / "my trees", moved)
    assert built.returncode == 0, built.stderr
    assert "unpinned sources: MicroPython 1.25.0 as pinned; lwIP 2.2.1" in built.stdout
    record = (moved / "provenance.json").read_text()
    assert str(tmp_path) not in record
    tree = json.loads(record)["sources"][1]
    assert (tree["unpinned"], bool(tree["git_revision"]), tree["dirty"]) == (
        *(True, shutil.which("git") is not None),
        True if shutil.which("git") else None,
    )
    assert str(tmp_path).encode() not in (moved / "firmware.elf").read_bytes()

    played = play(moved / "firmware.elf", tmp_path / "moved-logs")
    assert played.returncode == 0, played.stdout + played.stderr
    assert "lwIP 2.2.1+unpinned" in played.stdout
    assert "unpinned sources" in played.stdout
    sites = re.findall(
        r"(\w+ > \w+) .* at (\S+)", next((tmp_path / "moved-logs").glob("*.log")).read_text()
    )
    line = known + MOVED_BY + more.count("\n")
    assert ("ESTABLISHED > CLOSE_WAIT", f"tcp_in.c:{line}") in sites
    same = [site for change, site in sites if change == "ESTABLISHED > ESTABLISHED"]
    first = tcp_in.read_text().split("\n").index("        pcb->state =") + 1
    assert set(same) == {f"tcp_in.c:{first}"}

    broken = tcp_in.read_text().replace(
        "\n        pcb->state = CLOSE_WAIT;", "\n        recv_flags |= TF_CLOSED;", 1
    )
    assert broken != tcp_in.read_text()
    tcp_in.write_text(broken)
    started_s = time.monotonic()
    built = build(tmp_path / "my trees", tmp_path / "broken")
    assert built.returncode == 0, built.stderr
    assert time.monotonic() - started_s < REBUILD_S, "an edit of one file costs seconds"
    played = play(tmp_path / "broken" / "firmware.elf", tmp_path / "broken-logs")
    assert played.returncode == 1, played.stdout + played.stderr
    assert "ESTABLISHED > CLOSED" in played.stdout

    edit(lwip / "src/core/udp.c", "#if LWIP_UDP /*", "#error mine\n#if LWIP_UDP /*")
    built = build(tmp_path / "my trees", tmp_path / "out")
    assert built.returncode == 2
    assert f"{lwip}/src/core/udp.c" in built.stderr
    assert "#error mine" in built.stderr


def test_a_store_that_can_t_be_read_ends_the_build_with_its_place(
    tmp_path: Path, pinned: Path
) -> None:
    lwip = tmp_path / "lwip"
    shutil.copytree(pinned, lwip)
    edit(lwip / "src/core/tcp.c", "  lpcb->state = LISTEN;", "  (*lpcb).state = LISTEN;")
    built = build(lwip, tmp_path / "out")
    assert built.returncode == 2
    assert f"{lwip}/src/core/tcp.c:890: " in built.stderr
    assert "(*lpcb).state = LISTEN;" in built.stderr
    assert "NAME->state = VALUE;" in built.stderr
    assert "Traceback" not in built.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [(), ("--sources", "/nowhere")])
def test_unpinned_needs_sources(words: tuple[str, ...]) -> None:
    built = lwipscope("firmware", "build", "--unpinned", *words)
    assert built.returncode == 2
    assert "--sources" in built.stderr
    assert "Traceback" not in built.stderr
