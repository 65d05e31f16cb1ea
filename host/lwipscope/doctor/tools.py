"""The programs and Python packages that lwipscope uses: which are there, and of which version."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata

from lwipscope import toolchain
from lwipscope.doctor.asking import ask
from lwipscope.doctor.finding import Finding, good, problem, warning
from lwipscope.doctor.machine import Machine, listed
from lwipscope.peer.nc import NAMES, Variant, variant_of

MACHINES = ("mps2-an385", "mps2-an500")
_PYTHON = (3, 11)
# Package: lowest version that will do, and the first that will not; pyproject.toml.
_LIBRARIES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "mpremote": ((1, 24), (2,)),
    "pyserial": ((3, 5), (4,)),
}
# Both bring a module that is called `serial` too, and hide pyserial's.
_NAMESAKES = ("pyserial-labgrid", "serial")
_BUILDING = ("arm-none-eabi-gcc", "arm-none-eabi-gcc (C headers)", "make", "gcc")
_NC_MEANS = {
    Variant.TRADITIONAL: "it can't be told to send its FIN (no -N), so lessons with nc differ",
    Variant.NCAT: "Nmap's; it has no -N and closes in its own way, so lessons with nc differ",
    Variant.BUSYBOX: "it has few flags and no -N, so lessons with nc differ",
    Variant.UNKNOWN: "nobody has tried how it closes",
}


@dataclass(frozen=True, slots=True)
class ToolFacts:
    """What was found. A version is empty if the program would not tell it."""

    qemu: str | None = None
    qemu_program: str = "qemu-system-arm"
    qemu_machines: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()
    """Names of toolchain.TOOLS that can't be used."""
    compiler: str = ""
    nc: tuple[str, Variant] | None = None
    tcpdump: str | None = None
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Python packages by name, with version."""


def collect(qemu_program: str = "qemu-system-arm") -> ToolFacts:
    """Ask them. QEMU is started twice, for its version and its list of machines."""
    version = ask([qemu_program, "--version"])
    listing = ask([qemu_program, "-M", "help"])
    dump = ask(["tcpdump", "--version"])
    compiler = ask(["arm-none-eabi-gcc", "--version"])
    names = [line.split()[0] for line in (listing.out if listing else "").splitlines() if line]
    return ToolFacts(
        qemu=_first_line(version.out) if version else None,
        qemu_program=qemu_program,
        qemu_machines=frozenset(names) & frozenset(MACHINES),
        absent=frozenset(
            tool.name for tool in toolchain.TOOLS if tool.name in _BUILDING and not tool.there()
        ),
        compiler=_first_line(compiler.out) if compiler else "",
        nc=best_nc(),
        tcpdump=_first_line(dump.err + dump.out) if dump else None,
        libraries=_installed(),
    )


def check(facts: ToolFacts, machine: Machine) -> Iterator[Finding]:
    """One finding for each."""
    yield _python(machine)
    yield from (_library(name, facts, machine) for name in _LIBRARIES)
    yield _namesakes(facts, machine)
    yield qemu(facts, machine)
    yield _builders(facts, machine)
    yield _nc(facts, machine)
    if facts.tcpdump is None:
        remedy = machine.install("tcpdump")
        yield warning("tcpdump", "absent: no second window on the wire", remedy)
    else:
        yield good("tcpdump", facts.tcpdump)


def can_emulate(facts: ToolFacts, machine_name: str | None = None) -> bool:
    """Whether QEMU has the machine (any of ours, if none is named)."""
    wanted = {machine_name} if machine_name else set(MACHINES)
    return facts.qemu is not None and bool(wanted & facts.qemu_machines)


def can_build(facts: ToolFacts) -> bool:
    """Whether the firmware could be compiled."""
    return not facts.absent


def best_nc() -> tuple[str, Variant] | None:
    """As peer.nc.find_nc, but a netcat that hangs is none."""
    best: tuple[str, Variant] | None = None
    for name in NAMES:
        path, said = shutil.which(name), ask([name, "-h"])
        if path is None or said is None:
            continue
        variant = variant_of(said.out + said.err)
        if variant is Variant.OPENBSD:
            return path, variant
        best = best or (path, variant)
    return best


def qemu(facts: ToolFacts, machine: Machine) -> Finding:
    """QEMU and its boards."""
    if facts.qemu is None:
        seen = f"{facts.qemu_program} is absent: no emulated board"
        return problem("QEMU", seen, machine.install("qemu-system-arm"))
    lacking = [name for name in MACHINES if name not in facts.qemu_machines]
    if lacking:
        seen = f"{facts.qemu} has no machine {listed(lacking)}"
        return problem("QEMU", seen, machine.install("qemu-system-arm"))
    return good("QEMU", f"{facts.qemu}; {', '.join(MACHINES)}")


def _python(machine: Machine) -> Finding:
    text = ".".join(map(str, machine.python_version))
    if machine.python_version[:2] < _PYTHON:
        wanted = ".".join(map(str, _PYTHON))
        return problem("Python", f"{text}; {wanted} or newer is needed", "uv venv --python 3.12")
    return good("Python", f"{text}, {machine.python}")


def _library(name: str, facts: ToolFacts, machine: Machine) -> Finding:
    least, limit = _LIBRARIES[name]
    wanted = f"{name}>={_dotted(least)},<{_dotted(limit)}"
    remedy = f"{machine.python} -m pip install '{wanted}'"
    version = facts.libraries.get(name)
    if version is None:
        return problem(name, "not installed", remedy)
    numbers = tuple(int(number) for number in re.findall(r"\d+", version))
    if not least <= numbers < limit:
        return warning(name, f"{version}, tried with {wanted} only", remedy)
    return good(name, version)


def _namesakes(facts: ToolFacts, machine: Machine) -> Finding:
    found = [name for name in _NAMESAKES if name in facts.libraries]
    if not found:
        return good("module serial", "pyserial's, and nobody else's")
    pip = f"{machine.python} -m pip"
    return problem(
        "module serial",
        f"{listed(found)} is installed too: its module serial takes the place of pyserial's",
        f"{pip} uninstall -y {' '.join(found)} pyserial && {pip} install pyserial",
    )


def _builders(facts: ToolFacts, machine: Machine) -> Finding:
    absent = [name for name in _BUILDING if name in facts.absent]
    if not absent:
        return good("compilers", f"{facts.compiler}; make, gcc")
    seen = f"absent: {listed(absent)}; no firmware can be built"
    return warning("compilers", seen, machine.install(*absent))


def _nc(facts: ToolFacts, machine: Machine) -> Finding:
    install = "" if machine.family == "macos" else machine.install("nc")
    instead = "`lwipscope nc` needs nothing"
    if facts.nc is None:
        return warning("nc", f"absent; {instead}", install)
    path, variant = facts.nc
    if variant is Variant.OPENBSD:
        return good("nc", f"{path}: OpenBSD's, -N sends its FIN at the end of input")
    return warning("nc", f"{path}: {variant.value}: {_NC_MEANS[variant]}; {instead}", install)


def _installed() -> dict[str, str]:
    found = {}
    for name in (*_LIBRARIES, *_NAMESAKES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else ""
