"""The rights: a network namespace, a TAP, raw packets on a real network. Each really tried.

`collect` starts a keeper for a moment, as every run does, and makes a packet socket without a
protocol, which neither sends nor receives. `missing` tells which right is missing and what to
type. Sources: user_namespaces(7), capabilities(7), packet(7), setpriv(1), Linux
Documentation/networking/tuntap.rst; kernel.apparmor_restrict_unprivileged_userns is Ubuntu's
(since 23.10), kernel.unprivileged_userns_clone Debian's.
"""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lwipscope.doctor.asking import read
from lwipscope.doctor.finding import Finding, Mark, good, unseen, warning
from lwipscope.doctor.machine import Machine
from lwipscope.errors import LwipscopeError
from lwipscope.wire.keeper import Keeper

CAP_NET_RAW = 13
_TUN = "/dev/net/tun"
_AF_PACKET = 17
_SYSCTLS = (
    "user.max_user_namespaces",
    "kernel.unprivileged_userns_clone",
    "kernel.apparmor_restrict_unprivileged_userns",
)
_GATE = "boards speak with lwipscope's own TCP through the gate instead"


@dataclass(frozen=True, slots=True)
class RightsFacts:
    """What was tried, and what the system says about it. An empty `why` means that it worked."""

    namespace: bool = False
    namespace_why: str = ""
    tap: bool = False
    tap_why: str = ""
    raw: bool = False
    raw_why: str = ""
    raw_in_namespace: bool | None = None
    """None: no namespace to try it in."""
    tun_there: bool = True
    effective: int = 0
    bounding: int = 0
    sysctls: tuple[tuple[str, str], ...] = ()


def collect() -> RightsFacts:
    """Try them."""
    facts = _system()
    try:
        with Keeper.start("auto") as keeper:
            return replace(_with(facts, keeper), raw_in_namespace=_raw_in(keeper))
    except (LwipscopeError, OSError) as error:
        return replace(facts, namespace_why=str(error), tap_why="no namespace")


def of_keeper(keeper: Keeper) -> RightsFacts:
    """The same from a keeper that runs already."""
    return _with(_system(), keeper)


def check(facts: RightsFacts, machine: Machine) -> Iterator[Finding]:
    """Namespace, TAP, raw packets."""
    if machine.system != "Linux":
        why = f"{machine.system} has no network namespaces; {_GATE}"
        yield unseen("namespace", why)
        yield unseen("TAP", why)
    else:
        yield _namespace(facts, machine)
        yield _tap(facts, machine)
    yield raw(facts, machine)


def raw(facts: RightsFacts, machine: Machine) -> Finding:
    """Raw packets on a real network: for the raw peer beside a real board."""
    name = "raw packets"
    if machine.system != "Linux":
        seen = f"packet sockets are Linux's; with {machine.system}, real boards get no raw peer"
        return warning(name, seen)
    if facts.raw:
        return good(name, "packet sockets can be had: a raw peer for real boards, too")
    seen = f"no packet socket: {facts.raw_why}"
    if facts.raw_in_namespace:
        seen += " (in a namespace of our own the kernel gives them: only the right is missing)"
    return warning(name, seen, raw_remedy(facts, machine))


def raw_remedy(facts: RightsFacts, machine: Machine) -> str:
    """The command that gives CAP_NET_RAW; empty where nothing does."""
    if machine.system != "Linux":
        return ""
    in_bounds = facts.bounding >> CAP_NET_RAW & 1
    if not in_bounds or (machine.root and not facts.effective >> CAP_NET_RAW & 1):
        return "start the container with --cap-add=NET_RAW (here no process can have the right)"
    if facts.effective >> CAP_NET_RAW & 1:
        return "this kernel or its seccomp filter refuses packet sockets: use another machine"
    file = shlex.quote(machine.interpreter)
    command = machine.as_root(f"setcap cap_net_raw+ep {file}")
    return f"{command}   (for every program of that Python; undo: setcap -r {file})"


def missing(need: str, facts: RightsFacts, machine: Machine) -> str:
    """Why `tap` or `raw` can't be had and what to type, in one line; empty if it can."""
    finding = raw(facts, machine) if need == "raw" else _tap(facts, machine)
    if finding.mark is Mark.OK:
        return ""
    if machine.system != "Linux" and need != "raw":
        return f"{machine.system} has no network namespaces"
    return finding.seen + (f"; type: {finding.remedy}" if finding.remedy else "")


def _namespace(facts: RightsFacts, machine: Machine) -> Finding:
    if facts.namespace:
        return good("namespace", facts.namespace_why)
    seen = f"no private network: {facts.namespace_why}; {_GATE}"
    return warning("namespace", seen, _namespace_remedy(facts, machine))


def _namespace_remedy(facts: RightsFacts, machine: Machine) -> str:
    values = dict(facts.sysctls)
    for key, bad, better in (
        ("user.max_user_namespaces", "0", "15000"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
    ):
        if values.get(key) == bad:
            return machine.as_root(f"sysctl -w {key}={better}")
    if machine.container:
        return "start the container with --cap-add=SYS_ADMIN --security-opt seccomp=unconfined"
    return "" if machine.root else "run lwipscope as root once, to see whether the kernel can"


def _tap(facts: RightsFacts, machine: Machine) -> Finding:
    if facts.tap:
        return good("TAP", facts.tap_why)
    if not facts.namespace:
        seen = f"no TAP without a namespace: {facts.namespace_why}"
        return warning("TAP", seen, _namespace_remedy(facts, machine))
    seen = f"no TAP: {facts.tap_why}; {_GATE}"
    if not facts.tun_there:
        if machine.container:
            remedy = f"start the container with --device {_TUN}"
        else:
            remedy = machine.as_root("modprobe tun")
    elif "ermission" in facts.tap_why:
        remedy = machine.as_root(f"chmod 0666 {_TUN}")
    else:
        remedy = machine.as_root("modprobe tun")
    return warning("TAP", seen, remedy)


def _system() -> RightsFacts:
    status = read("/proc/self/status") or ""
    caps = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith("Cap"))
    sysctls = [(key, read(f"/proc/sys/{key.replace('.', '/', 1)}")) for key in _SYSCTLS]
    why = _raw_here()
    return RightsFacts(
        raw=not why,
        raw_why=why,
        tun_there=Path(_TUN).exists(),
        effective=int(caps.get("CapEff", "0"), 16),
        bounding=int(caps.get("CapBnd", "0"), 16),
        sysctls=tuple((key, value) for key, value in sysctls if value is not None),
    )


def _raw_here() -> str:
    """Why no packet socket can be had; protocol 0 lets nothing in and nothing is sent."""
    try:
        socket.socket(_AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _raw_in(keeper: Keeper) -> bool | None:
    if not keeper.has_namespace:
        return None
    try:
        keeper.socket(_AF_PACKET, socket.SOCK_RAW, 0).close()
    except (LwipscopeError, OSError):
        return False
    return True


def _with(facts: RightsFacts, keeper: Keeper) -> RightsFacts:
    """The keeper's notes say what was had and why not, one for each."""
    notes = [note.partition(": ")[2] for note in keeper.notes]
    return replace(
        facts,
        namespace=keeper.has_namespace,
        namespace_why=notes[0] if notes else "",
        tap=keeper.tap is not None,
        tap_why=notes[1] if len(notes) > 1 else "no namespace",
    )
