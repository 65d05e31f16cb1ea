"""Which machine this is, and how a command is written for it: as root or not, apt or pacman.

Used by every check for its remedies. Package names: Debian's and Homebrew's are those of
`lwipscope.toolchain`; Fedora's and Arch's stand here.
"""

from __future__ import annotations

import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from lwipscope.doctor.asking import find, read
from lwipscope.errors import WireUnavailable
from lwipscope.platform_facts import is_root, pwd, user_name
from lwipscope.toolchain import TOOLS

Family: TypeAlias = Literal["debian", "fedora", "arch", "macos", "other"]

_FAMILIES: tuple[tuple[Family, tuple[str, ...]], ...] = (
    ("debian", ("debian", "ubuntu", "raspbian", "linuxmint")),
    ("fedora", ("fedora", "rhel", "centos")),
    ("arch", ("arch", "manjaro")),
)
_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")

# Program: Fedora's packages, Arch's packages. The programs are spelled as in toolchain.TOOLS.
_ELSEWHERE: dict[str, tuple[str, str]] = {
    "qemu-system-arm": ("qemu-system-arm", "qemu-system-arm"),
    "make": ("make", "make"),
    "gcc": ("gcc glibc-devel", "gcc"),
    "arm-none-eabi-gcc": ("arm-none-eabi-gcc-cs", "arm-none-eabi-gcc"),
    "arm-none-eabi-gcc (C headers)": ("arm-none-eabi-newlib", "arm-none-eabi-newlib"),
    "nc": ("netcat", "openbsd-netcat"),
    "ip": ("iproute", "iproute2"),
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What a remedy has to know."""

    system: str = "Linux"
    family: Family = "debian"
    name: str = ""
    user: str = "user"
    root: bool = False
    sudo: bool = True
    container: bool = False
    python: str = "python3"
    """As it was called, so that it is the virtual environment's."""
    interpreter: str = "/usr/bin/python3"
    """The file that runs."""
    python_version: tuple[int, int, int] = (3, 11, 0)

    def as_root(self, command: str) -> str:
        """The command with what makes it run as root."""
        if self.root:
            return command
        return f"sudo {command}" if self.sudo else f"as root: {command}"

    def install(self, *programs: str) -> str:
        """What brings programs of `toolchain.TOOLS`, or others whose packages have their names."""
        tools = {tool.name: tool for tool in TOOLS}
        debian = [" ".join(tools[one].packages) if one in tools else one for one in programs]
        fedora = [_ELSEWHERE.get(one, (one, one))[0] for one in programs]
        arch = [_ELSEWHERE.get(one, (one, one))[1] for one in programs]
        brewed = [tools[one].homebrew if one in tools else one for one in programs]
        match self.family:
            case "debian":
                return self.as_root(f"apt-get install {_once(debian)}")
            case "fedora":
                return self.as_root(f"dnf install {_once(fedora)}")
            case "arch":
                return self.as_root(f"pacman -S {_once(arch)}")
            case "macos":
                # --cask holds for the whole command, so each has its own.
                return " && ".join(f"brew install {one}" for one in dict.fromkeys(brewed))
        return f"install what Debian calls {_once(debian)}"

    def remove(self, package: str) -> str:
        """What removes a package that has the same name everywhere."""
        match self.family:
            case "fedora":
                return self.as_root(f"dnf remove {package}")
            case "arch":
                return self.as_root(f"pacman -R {package}")
            case "macos":
                return f"brew uninstall {package}"
        return self.as_root(f"apt-get remove {package}")

    def join_group(self, group: str) -> str:
        """What makes the user a member of a group."""
        return self.as_root(f"usermod -a -G {group} {shlex.quote(self.user)}")


def family_of(system: str, os_release: str) -> Family:
    """Whose packages, from platform.system() and os-release(5)."""
    if system == "Darwin":
        return "macos"
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    words = shlex.split(f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', ""))
    for family, ids in _FAMILIES:
        if any(word in ids for word in words):
            return family
    return "other"


def collect() -> Machine:
    """This machine."""
    system = platform.system()
    release = read("/etc/os-release") or read("/usr/lib/os-release") or ""
    fields = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    return Machine(
        system=system,
        family=family_of(system, release),
        name=fields.get("PRETTY_NAME", platform.platform()).strip('"'),
        user=_user(),
        root=is_root(),
        sudo=find("sudo") is not None,
        container=_in_container(),
        python=sys.executable,
        interpreter=str(Path(sys.executable).resolve()),
        python_version=(sys.version_info[0], sys.version_info[1], sys.version_info[2]),
    )


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name  # not the one of the environment
    except (KeyError, AttributeError, WireUnavailable):
        return user_name()


def _in_container() -> bool:
    if any(Path(path).exists() for path in _CONTAINER_MARKS):
        return True
    return "container=" in (read("/proc/1/environ") or "")


def _once(names: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(names))


def listed(words: Sequence[str], none: str = "none") -> str:
    """`a, b, c`, or `none`."""
    return ", ".join(words) if words else none
