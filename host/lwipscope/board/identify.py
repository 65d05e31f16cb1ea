"""What a board says of itself, and how that differs from its board file.

One program at the REPL, which changes nothing; for a board on which a program runs, what its
command port tells. Sizes in bytes.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field

from lwipscope.board.device_file import DeviceFile
from lwipscope.board.repl import Repl
from lwipscope.errors import Inconclusive
from lwipscope.firmware.published import where_elf
from lwipscope.trace.event import Hello

ASK_S = 15.0
_MODULES = ("tcptrace", "lwip", "network", "socket", "ssl", "asyncio", "vfs", "_thread")
_PROGRAM = """\
import sys, os, gc
_i = {}
_i['implementation'] = sys.implementation[0]
_i['version'] = '.'.join(str(n) for n in sys.implementation[1][:3])
_i['platform'] = sys.platform
_i['build'] = getattr(sys.implementation, '_build', '')
try:
    _u = os.uname()
    _i['machine'], _i['release'] = _u.machine, _u.version
except AttributeError:
    _i['machine'] = getattr(sys.implementation, '_machine', '')
gc.collect()
_i['free_bytes'] = gc.mem_free() if hasattr(gc, 'mem_free') else 0
_m = []
for _n in %r:
    try:
        __import__(_n)
        _m.append(_n)
    except ImportError:
        pass
try:
    exec('import micropython\\n@micropython.viper\\ndef _f(a: int) -> int:\\n    return a')
    _m.append('viper')
except Exception:
    pass
_i['modules'] = _m
try:
    _s = os.statvfs('/')
    _i['fs_bytes'], _i['fs_free_bytes'] = _s[0] * _s[2], _s[0] * _s[3]
    _i['files'] = sorted(os.listdir('/'))
except (OSError, AttributeError):
    pass
try:
    import network, binascii
    _w = getattr(network, 'WLAN', None)
    _n = _w(getattr(network, 'STA_IF', 0)) if _w else network.LAN()
    _i['mac'] = binascii.hexlify(_n.config('mac'), ':').decode()
    _i['ip'] = _n.ifconfig()[0]
except Exception:
    pass
print(repr(_i))
"""


@dataclass(frozen=True, slots=True)
class Identity:
    """What was found; `told` has everything, by name."""

    told: Mapping[str, object] = field(hash=False)
    hello: Hello | None = field(default=None, hash=False)

    def text(self, key: str) -> str:
        """One thing as text; empty if the board did not tell it."""
        value = self.told.get(key)
        return "" if value is None else str(value)

    @property
    def modules(self) -> tuple[str, ...]:
        found = self.told.get("modules", ())
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def lines(self) -> list[str]:
        """For people, one thing a line."""
        hello = self.hello.fields if self.hello is not None else {}
        size, free = self.text("fs_bytes"), self.text("fs_free_bytes")
        files = self.told.get("files")
        listed = ", ".join(map(str, files)) if isinstance(files, list) and files else "no files"
        version = f"{self.text('version')} {self.text('release')}".strip()
        told = (
            ("firmware", f"{self.text('implementation')} {version}".strip() or hello.get("mp")),
            ("machine", self.text("machine") or hello.get("board")),
            ("platform", self.text("platform")),
            ("lwIP", f"{hello.get('lwip', 'unknown')}" + _options(hello)),
            ("tracer", "yes" if "ring" in hello else "no"),
            ("probe", self._probe() if "ring" not in hello else ""),
            ("MAC", self.text("mac")),
            ("IP", self.text("ip") or hello.get("ip")),
            ("memory", f"{self.text('free_bytes')} bytes free" if self.text("free_bytes") else ""),
            ("modules", ", ".join(self.modules)),
            ("files", f"{listed}; {free} of {size} bytes free" if size else "no filesystem"),
        )
        return [f"{name:<9} {value}" for name, value in told if value]

    def _probe(self) -> str:
        """How its TCP states could be sampled; empty if that isn't known."""
        where = where_elf(self.text("platform"), self.text("build"), self.text("release"))
        if not where or where.startswith("no "):
            return where
        return f"its TCP states can be sampled (lwipscope layout, lwipscope probe); {where}"

    def differences(self, file: DeviceFile) -> list[str]:
        """What the board file says otherwise."""
        found = []
        expected = file.identity
        if expected.platform and self.text("platform") not in ("", expected.platform):
            found.append(
                f"platform: {file.name}.toml expects {expected.platform!r}, the board says "
                f"{self.text('platform')!r}"
            )
        machine = self.text("machine")
        if expected.machine and machine and expected.machine not in machine:
            found.append(
                f"machine: {file.name}.toml expects {expected.machine!r} in it, the board says "
                f"{machine!r}"
            )
        if file.lwip.stack_profile != "unknown" and self.hello is not None:
            lwip = self.hello.fields.get("lwip", "unknown")
            if lwip != "unknown" and not file.lwip.stack_profile.endswith(f"-{lwip}"):
                found.append(
                    f"lwIP: {file.name}.toml expects {file.lwip.stack_profile}, the board says "
                    f"{lwip}"
                )
        if file.network.kind == "wlan" and self.modules and "network" not in self.modules:
            found.append("network: the firmware has no module network, so no Wi-Fi")
        return found


def identify(repl: Repl, hello: Hello | None = None) -> Identity:
    """Ask at the prompt."""
    said = repl.run(_PROGRAM % (_MODULES,), ASK_S).decode("utf-8", "replace")
    try:
        told = ast.literal_eval(said.strip().splitlines()[-1])
    except (ValueError, SyntaxError, IndexError) as error:
        raise Inconclusive(
            f"the board was expected to say what it is, and said: {said[-200:]!r}"
        ) from error
    return Identity(told, hello)


def _options(hello: Mapping[str, str]) -> str:
    if "pcb" not in hello:
        return ""
    return f" (profile {hello.get('profile')}: {hello['pcb']} pcbs, MSS {hello.get('mss')})"
