"""The list of commands imports none of them, and still says what each says of itself."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys

from lwipscope.cli.main import COMMANDS


def test_the_list_says_what_the_commands_say() -> None:
    commands = argparse.ArgumentParser().add_subparsers()
    for module, _ in COMMANDS.values():
        importlib.import_module(f"lwipscope.cli.{module}").add(commands)
    said = {action.dest: action.help for action in commands._get_subactions()}
    assert said == {name: about for name, (_, about) in COMMANDS.items()}


def test_the_list_imports_none_of_them() -> None:
    script = (
        "import contextlib, sys\n"
        "from lwipscope.cli.main import _run\n"
        "with contextlib.suppress(SystemExit):\n _run(['--help'])\n"
        "print([name for name in sys.modules if name.startswith('lwipscope.')], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30
    )
    assert "run-scenario" in done.stdout
    for heavy in ("lwipscope.board", "lwipscope.scenario", "lwipscope.wire"):
        assert heavy not in done.stderr
