"""The programs of the machine that lwipscope needs: which are there, and how to get the others.

Called by `lwipscope setup` and by firmware/build.py. Programs are looked for, not packages, so
that any way of installing them is fine; package names are Debian's (Ubuntu's are the same) and
Homebrew's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from lwipscope.errors import BuildError
from lwipscope.firmware.progress import Progress, Step, quiet
from lwipscope.platform_facts import is_root

_QUICK_S = 30.0
_INSTALL_S = 1800.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A program (or a set of headers), what for, and the packages that bring it."""

    name: str
    purpose: str
    packages: tuple[str, ...]
    homebrew: str
    optional: bool = False
    # A further test where finding the program says too little.
    works: Callable[[], bool] = field(default=lambda: True)

    def there(self) -> bool:
        """Whether it can be used now."""
        # A user's PATH often lacks the folders of ip and tcpdump.
        places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
        return shutil.which(self.name.split()[0], path=places) is not None and self.works()


def _arm_headers() -> bool:
    # Firmware links no C library, but MicroPython and lwIP include <string.h> and the like.
    text = "#include <string.h>\n#include <math.h>"
    return _runs(["arm-none-eabi-gcc", "-E", "-x", "c", "-"], text)


def _host_headers() -> bool:
    return _runs(["gcc", "-E", "-x", "c", "-"], "#include <stdio.h>")


TOOLS: tuple[Tool, ...] = (
    Tool("qemu-system-arm", "runs the emulated board", ("qemu-system-arm",), "qemu"),
    Tool("make", "builds the firmware", ("make",), "make"),
    Tool(
        "gcc",
        "builds MicroPython's cross-compiler",
        ("gcc", "libc6-dev"),
        "gcc",
        works=_host_headers,
    ),
    Tool(
        "arm-none-eabi-gcc",
        "compiles the firmware",
        ("gcc-arm-none-eabi",),
        "--cask gcc-arm-embedded",
    ),
    Tool(
        "arm-none-eabi-gcc (C headers)",
        "lets the firmware compile (headers only)",
        ("libnewlib-dev",),
        "--cask gcc-arm-embedded",
        works=_arm_headers,
    ),
    Tool("nc", "is the peer of the first lesson", ("netcat-openbsd",), "netcat"),
    Tool("ip", "gives a wire to the kernel's TCP", ("iproute2",), "iproute2mac", optional=True),
    Tool("tcpdump", "shows the wire in a second window", ("tcpdump",), "tcpdump", optional=True),
)
# What build.py needs; the others are for running.
BUILD_TOOLS: tuple[Tool, ...] = TOOLS[1:5]


def missing(tools: Iterable[Tool] = TOOLS, *, optional: bool = False) -> list[Tool]:
    """Those of `tools` that cannot be used on this machine; optional ones only if asked for."""
    return [tool for tool in tools if (optional or not tool.optional) and not tool.there()]


def packages(tools: Iterable[Tool]) -> list[str]:
    """The Debian packages that bring these tools, each once, in a stable order."""
    return list(dict.fromkeys(name for tool in tools for name in tool.packages))


def require(tools: Iterable[Tool]) -> None:
    """BuildError unless all of `tools` are there, saying what is missing and how to get it."""
    absent = missing(tools)
    if absent:
        raise BuildError(f"{_what(absent)}; {_how(absent)}")


def install_missing(progress: Progress = quiet, *, optional: bool = False) -> list[str]:
    """Install what is missing through apt-get, as root or by sudo without a password.

    Returns the packages that were installed: none on the second run. Where that cannot be done,
    BuildError names the command to type.
    """
    absent = missing(optional=optional)
    if not absent:
        return []
    names = packages(absent)
    prefix = root_prefix()
    if shutil.which("apt-get") is None or prefix is None:
        raise BuildError(f"{_what(absent)}; {_how(absent)}")
    install = [*prefix, "apt-get", "install", "-y", "--no-install-recommends", *names]
    # Fresh package lists cost time and network: only when apt cannot do without.
    if not _runs([*install, "--simulate"]):
        progress(Step("apt-get update"))
        _apt([*prefix, "apt-get", "update"], absent)
    progress(Step(f"apt-get install {' '.join(names)}"))
    try:
        _apt(install, absent)
    except BuildError:
        # Lists can be there and too old: the mirror has dropped the files that they name.
        progress(Step("apt-get update"))
        _apt([*prefix, "apt-get", "update"], absent)
        _apt(install, absent)
    require(absent)
    return names


def root_prefix() -> list[str] | None:
    """The words that make a command run as root without asking, or None."""
    if is_root():
        return []
    sudo = ["sudo", "-n"]
    return sudo if _runs([*sudo, "true"]) else None


def _apt(command: list[str], absent: list[Tool]) -> None:
    try:
        done = subprocess.run(
            # sudo drops the environment, so the settings go behind it.
            [*_with_settings(command)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_INSTALL_S,
        )
    except subprocess.TimeoutExpired:
        raise BuildError(f"apt-get took more than {_INSTALL_S:.0f} s; {_how(absent)}") from None
    if done.returncode:
        tail = " / ".join((done.stderr or done.stdout).strip().splitlines()[-4:])
        raise BuildError(f"`{' '.join(command)}` failed: {tail}; {_what(absent)}; {_how(absent)}")


def _with_settings(command: list[str]) -> list[str]:
    at = command.index("apt-get")
    return [*command[:at], "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", *command[at:]]


def _what(absent: list[Tool]) -> str:
    return "missing: " + ", ".join(f"{tool.name} ({tool.purpose})" for tool in absent)


def _how(absent: list[Tool]) -> str:
    if shutil.which("apt-get"):
        sudo = "" if is_root() else "sudo "
        names = " ".join(packages(absent))
        return f"type: {sudo}apt-get install --no-install-recommends {names}"
    if shutil.which("brew"):
        names = " && ".join(dict.fromkeys(f"brew install {tool.homebrew}" for tool in absent))
        return f"type: {names}"
    return f"install what Debian calls {' '.join(packages(absent))}"


def _runs(command: list[str], text: str = "") -> bool:
    try:
        done = subprocess.run(
            command,
            input=text,
            text=True,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C"},
            timeout=_QUICK_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
