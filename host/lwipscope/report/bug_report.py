"""A folder that maintainers of MicroPython or lwIP can work with, without lwipscope.

Called by `lwipscope export RUN --report DIR`. README.md says what RFC 9293 or a user expects and
what was seen, with the versions and lwIP's options; run.pcapng and ladder.txt show it; board.py and
peer.py repeat it. Whether the scripts can show a deviation is said for each. Nothing of the machine
or its user goes in, and text from a run is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lwipscope.errors import UsageError
from lwipscope.report.reproducer import Steps, steps_of
from lwipscope.report.reproducer_kernel import kernel_ops, kernel_script
from lwipscope.report.reproducer_scripts import PEER_IP, board_script, peer_script
from lwipscope.report.run_text import run_text
from lwipscope.report.style import Style, safe
from lwipscope.runfile.export import write_pcapng
from lwipscope.runfile.model import Run
from lwipscope.scenario.library import scenario_named
from lwipscope.tcp.deviation import Deviation
from lwipscope.tcp.deviations import deviations
from lwipscope.tcp.state import State
from lwipscope.trace.deviation_signs import signs_in
from lwipscope.trace.event import Event, Transition

# How the scripts show a deviation; each was tried on an emulated board. Of others nothing is said.
SHOWN_BY: Mapping[str, str] = {
    "accept-queue-full-resets": "the board's RST",
    "bad-ack-in-syn-sent-burns-retries": "the board's SYNs",
    "close-abort-10s": "the board's RST about 10 s after close()",
    "fin-before-accept-lost": "recv() that times out instead of returning b''",
    "listener-close-resets-half-open-late": "the board's RST",
    "no-half-close": "the board's RST",
    "refused-is-econnreset": "what connect() raises",
    "rst-always-with-ack": "the flags of the board's RST",
    "rst-ignored-in-time-wait": "the ACK of a FIN that is sent once more behind the RST",
    "rst-window-byte-swapped": "the window of the board's RST",
    "rst-without-ack-in-syn-sent": "what connect() raises",
    "simultaneous-open-absent": "the board's segments",
    "syn-rcvd-duplicate-syn-counts": "the board's SYN+ACKs, and their end",
    "time-wait-refuses-syn": "the board's RST",
}
_PROBES = {"fin-before-accept-lost": "recv", "rst-ignored-in-time-wait": "time-wait"}


@dataclass(frozen=True, slots=True)
class _Found:
    """Deviations of a run: those that it is about, and those that its trace shows besides."""

    named: tuple[Deviation, ...]
    beside: tuple[Deviation, ...]


def write_bug_report(run: Run, folder: Path, provenance: Mapping[str, Any] | None = None) -> Steps:
    """Make the folder; `provenance` is that of the board's firmware, if it is at hand."""
    run = _without_paths(run)
    found = _deviations(run)
    probes = frozenset(_PROBES[each.name] for each in found.named if each.name in _PROBES)
    steps = steps_of(run, probes)
    title = _plain(run.about.title or run.about.name or "a run")
    shown = [each.name for each in found.named if _shows(each, steps)]
    shows = f"shown: {', '.join(shown)}" if shown else "nothing is claimed beyond that"
    ops = kernel_ops(steps)
    files = {
        "README.md": _readme(run, found, steps, provenance, ops is not None),
        "ladder.txt": run_text(run, Style()) + "\n",
        "board.py": board_script(steps, title),
        "peer.py": peer_script(steps, title, shows),
    }
    if ops is not None:
        files["peer_kernel.py"] = kernel_script(steps, ops, title, shows)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: the report can't be written: {error.strerror}") from error
    write_pcapng(run, folder / "run.pcapng")
    return steps


def _without_paths(run: Run) -> Run:
    """Where files lay on somebody's machine, and so the names of users, is nobody's business."""
    about = run.about
    judged = tuple(
        replace(each, text=_bare(each.text), seen=_bare(each.seen)) for each in about.judged
    )
    remarks = tuple(_bare(each) for each in about.remarks)
    lives = tuple(
        replace(life, notes=tuple(replace(n, text=_bare(n.text)) for n in life.notes))
        for life in run.lives
    )
    about = replace(
        about,
        command="",
        name=_bare(about.name),
        title=_bare(about.title),
        story=_bare(about.story),
        source=_bare(about.source),
        ended=_bare(about.ended),
        judged=judged,
        remarks=remarks,
    )
    return replace(run, about=about, lives=lives, cut=_bare(run.cut))


def _bare(text: str) -> str:
    """Without the folders of absolute paths."""
    return re.sub(r"(?<![\w.:/>])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\]+[/\\])+", "", text)


def _deviations(run: Run) -> _Found:
    profile = run.lives[0].profile if run.lives else "unknown"
    known = {each.name: each for each in deviations(profile)}
    signs: set[str] = set()
    for life in run.lives:
        signs |= signs_in(life.plain_events)
        if any(_refused(each) for each in life.plain_events):
            # connect() of a socket that does not wait says so late; the scripts' one waits.
            signs.add("refused-is-econnreset")
    try:
        claimed = scenario_named(run.about.name).deviations if run.about.verdict == "PASS" else ()
    except UsageError:
        claimed = ()
    named = [known[name] for name in claimed if name in known]
    beside = [each for name, each in sorted(known.items()) if name in signs and each not in named]
    return _Found(tuple(named), tuple(beside)) if named else _Found(tuple(beside), ())


def _shows(each: Deviation, steps: Steps) -> bool:
    """Nothing is claimed of scripts that leave out a part of the run."""
    return each.name in SHOWN_BY and not steps.limits


def _refused(event: Event) -> bool:
    return (
        isinstance(event, Transition)
        and (event.before, event.after) == (State.SYN_SENT, State.CLOSED)
        and str(event.cause).startswith("rx:R")
    )


def _readme(
    run: Run, found: _Found, steps: Steps, provenance: Mapping[str, Any] | None, kernel: bool
) -> str:
    about = run.about
    lines = [f"# {_text(about.title or about.name or 'A run')}", ""]
    lines += [_text(about.story), ""] if about.story else []
    lines += ["## Expected, and seen", ""]
    lines += [f"The exchange stands on: {_text(about.source)}", ""] if about.source else []
    for each in found.named:
        lines += [
            f"### {each.name}",
            "",
            f"- Expected by: {_text(each.breaks)}",
            f"- Seen: {_text(each.explanation)}",
            f"- Source: `{each.source}`",
            f"- The scripts show it by: {SHOWN_BY[each.name]}"
            if _shows(each, steps)
            else "- **The scripts do not claim to show this one**: they repeat the exchange as far "
            "as they can; the evidence is the board's own record, in ladder.txt and run.pcapng.",
            "",
        ]
    if not found.named:
        lines += ["No known deviation shows in this run.", ""]
    if found.beside:
        names = ", ".join(each.name for each in found.beside)
        lines += [f"Known deviations that show in it, too: {names}.", ""]
    for judged in about.judged:
        lines.append(
            f"- {_text(judged.subject)}: expected {_text(judged.expected) or '-'}; "
            f"seen {_text(judged.seen) or '-'} ({_text(judged.verdict)})"
        )
    lines += [f"- verdict of the run: {_text(about.verdict) or 'not judged'}", ""]
    lines += [f"- the evidence is incomplete: {_text(each)}" for each in run.problems()]
    lines += _versions(run, provenance)
    lines += _how(steps, kernel)
    return "\n".join(lines) + "\n"


def _versions(run: Run, provenance: Mapping[str, Any] | None) -> list[str]:
    fields = run.lives[0].fields if run.lives else {}
    lines = ["", "## Versions", ""]
    lines.append(f"- board: {_text(run.about.board_title or run.about.board) or 'not known'}")
    for key, name in (("mp", "MicroPython"), ("lwip", "lwIP"), ("build", "firmware build")):
        lines.append(f"- {name}: {_text(fields.get(key, '')) or 'not known'}")
    lines += [f"- {_text(name)}: {_text(said)}" for name, said in run.about.versions.items()]
    if "QEMU" in run.about.board_title and "qemu" not in {k.lower() for k in run.about.versions}:
        lines.append("- QEMU: its version was not recorded")
    if run.about.whose_tcp:
        lines.append(f"- the other end's TCP: {_text(run.about.whose_tcp)}")
    told = ", ".join(f"{_text(key)}={_text(said)}" for key, said in fields.items() if key != "re")
    lines += [f"- the board says of itself: {told}", ""]
    if provenance is None or provenance.get("build") != fields.get("build"):
        return [*lines, "The firmware's record of its build was not at hand.", ""]
    lines += ["## Firmware", "", f"- compiler: {_text(str(provenance.get('compiler', '')))}"]
    for source in provenance.get("sources", ()):
        shown = {key: said for key, said in source.items() if said not in (None, False)}
        lines.append("- " + ", ".join(f"{key} {_text(str(said))}" for key, said in shown.items()))
    lines += [f"- changed by the build: {_text(each)}" for each in provenance["workarounds"]]
    lines.append(f"- ELF file: SHA-256 {_text(str(provenance.get('elf_sha256', '')))}")
    lines += ["", "lwIP's options in force:", ""]
    lines += [f"    {key} = {said}" for key, said in provenance.get("lwip_options", {}).items()]
    return [*lines, ""]


def _how(steps: Steps, kernel: bool) -> list[str]:
    lines = ["## How to repeat it, without lwipscope", ""]
    if not steps.groups:
        lines.append("**This run can't be repeated by the scripts.**")
    lines += [f"- **Not repeated**: {_text(each)}." for each in steps.limits]
    return [
        *lines,
        "",
        "board.py is plain MicroPython, peer.py needs Linux, Python 3 and root (a packet socket).",
        "Both must be on one Ethernet or Wi-Fi network. peer.py uses an address that nobody has",
        f"there ({PEER_IP}, or its --peer) and cues the board by",
        "UDP on port 6667. It prints every segment, then AS RECORDED or what differs.",
        "",
        "    mpremote connect PORT run --no-follow board.py",
        "    sudo python3 peer.py --interface eth0 --board ADDRESS --peer UNUSED_ADDRESS",
        "",
        *(_KERNEL if kernel else _PACKET_ONLY),
        "",
        "Waits in peer.py are those that the board's clock showed. Start the board afresh before",
        "each try: connections of the last one may still be closing.",
        "On the emulated board of lwipscope: `lwipscope start --port 9` (its doors keep off the",
        "scripts' ports), mpremote as above, and then `lwipscope shell -- python3 peer.py`.",
        "Bytes that the board sends are replaced by as many x.",
        "The scripts were made from the run; whether they show the same on your board is what",
        "peer.py's last lines say, not this page.",
        "",
        "run.pcapng opens in Wireshark; the board's transitions are comments on its packets.",
        "ladder.txt has each connection's segments beside the states of both ends.",
    ]


_KERNEL = (
    "Here the other end did only what any kernel's TCP does, so this works, too, without root:",
    "",
    "    python3 peer_kernel.py --board ADDRESS",
)
_PACKET_ONLY = (
    "No kernel's TCP behaves like the other end of this run, so there is no script with sockets.",
)


def _plain(text: str) -> str:
    """For a comment or a docstring of a script: no quotes, no escapes, one line."""
    return re.sub(r"[\\\"@\t]", " ", safe(text)).encode("ascii", "replace").decode()


def _text(text: str) -> str:
    """For Markdown: no control codes, no markup."""
    return re.sub(r"([\\`*\[\]<>#|&])", r"\\\1", safe(text)).strip()
