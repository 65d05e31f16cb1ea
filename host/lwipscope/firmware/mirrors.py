"""Finds the Debian mirror that this machine is configured for, and asks it for source packages.

Called by sources.py. No host is named here: the mirrors are those of /etc/apt/sources.list and
/etc/apt/sources.list.d (formats: sources.list(5), one-line and deb822). apt does the download and
checks the signatures, with state and cache of its own, so that root is not needed and nothing of
the machine's changes; the machine's apt.conf.d (proxies, certificates) stays in force.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lwipscope.errors import BuildError

SUITE = "trixie"
_RELEASES = ("bullseye", "bookworm", "trixie", "forky", "duke", "sid")
_ALIASES = ("oldoldstable", "oldstable", "stable", "testing", "unstable")
_DEBIAN_SUITES = frozenset({*_RELEASES, *_ALIASES})
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_ONE_LINE = re.compile(r"(?:deb|deb-src)\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<rest>\S.*)")
_SWITCHED_OFF = frozenset({"no", "false", "without", "off", "disable", "0"})
_APT_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Mirror:
    """One URI with suites of Debian's main archive; `signed_by` as apt wants it, or empty."""

    uri: str
    suites: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False

    def likelihood(self) -> int:
        """How surely this is Debian's archive, not a vendor's that borrows Debian's suite names."""
        return (
            4 * any(suite.endswith("-updates") for suite in self.suites)
            + 2 * ("debian-archive" in self.signed_by)
            + 1 * bool(re.search(r"/debian(/|\.list|$)", self.uri))
        )

    def stanza(self) -> str:
        """The deb822 stanza that gives the source packages of `SUITE` from this mirror."""
        lines = ["Types: deb-src", f"URIs: {self.uri}", f"Suites: {SUITE}", "Components: main"]
        if self.signed_by or Path(_KEYRING).exists():
            lines.append(f"Signed-By: {self.signed_by or _KEYRING}")
        if self.trusted:
            lines.append("Trusted: yes")
        return "\n".join(lines) + "\n"


def find(etc: Path = Path("/etc/apt")) -> list[Mirror]:
    """The Debian mirrors of the machine's configuration, the most likely one first."""
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*.list"))]
    entries: list[Mirror] = []
    for path in files:
        entries += _one_line_entries(_text(path))
    for path in sorted((etc / "sources.list.d").glob("*.sources")):
        entries += _deb822_entries(_text(path))
    merged: dict[str, Mirror] = {}
    for entry in entries:
        known = merged.get(entry.uri)
        merged[entry.uri] = Mirror(
            entry.uri,
            (known.suites if known else ()) + entry.suites,
            (known.signed_by if known else "") or entry.signed_by,
            (known.trusted if known else False) or entry.trusted,
        )
    usable = [m for m in merged.values() if _DEBIAN_SUITES.intersection(m.suites)]
    return sorted(usable, key=Mirror.likelihood, reverse=True)


def download(mirror: Mirror, packages: tuple[str, ...], folder: Path) -> None:
    """Put the files of source `packages` of `SUITE` into `folder`; BuildError with apt's words."""
    private = folder / "apt"
    for name in ("lists/partial", "cache/archives/partial", "state", "none"):
        (private / name).mkdir(parents=True, exist_ok=True)
    (private / "debian.sources").write_text(mirror.stanza(), encoding="utf-8")
    (private / "apt.conf").write_text(_configuration(private), encoding="utf-8")
    try:
        _apt(private, "update")
        _apt(private, "source", "--download-only", "--only-source", "-t", SUITE, *packages)
    finally:
        # 20 MB of package lists that nobody needs again: the tarballs are kept.
        shutil.rmtree(private, ignore_errors=True)


def _configuration(private: Path) -> str:
    settings = {
        "Dir::State": private / "state",
        "Dir::State::lists": private / "lists",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": private / "cache",
        "Dir::Cache::archives": private / "cache/archives",
        "Dir::Etc::sourcelist": private / "debian.sources",
        "Dir::Etc::sourceparts": private / "none",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": private / "none",
        # The folder may be under /root, where apt's own user could not read.
        "APT::Sandbox::User": "root",
        # The content is pinned by SHA-256, so the age of a mirror's index says nothing.
        "Acquire::Check-Valid-Until": "false",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "Acquire::http::Timeout": "30",
        "Acquire::https::Timeout": "30",
    }
    lines = [f'{key} "{value}";' for key, value in settings.items()]
    # The machine's own after-update hooks are about the machine's own lists.
    lines += ["#clear APT::Update::Post-Invoke;", "#clear APT::Update::Post-Invoke-Success;"]
    return "\n".join(lines) + "\n"


def _apt(private: Path, *arguments: str) -> None:
    # "-c" is read after the machine's configuration, APT_CONFIG before it: ours must win.
    command = ["apt-get", "-q", "-c", str(private / "apt.conf"), *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=private.parent,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_APT_TIMEOUT_S,
        )
    except FileNotFoundError:
        raise BuildError("apt-get is not installed on this machine") from None
    except subprocess.TimeoutExpired:
        raise BuildError(f"apt-get {arguments[0]} took more than {_APT_TIMEOUT_S:.0f} s") from None
    said = [line for line in (done.stdout + done.stderr).splitlines() if re.match("[EW]:", line)]
    # A failed index is only a warning to `apt-get update`.
    if done.returncode or (arguments[0] == "update" and said and not _lists(private)):
        raise BuildError(_explain(arguments[0], said or [f"exit code {done.returncode}"]))


def _lists(private: Path) -> list[Path]:
    return list((private / "lists").glob("*_Sources*"))


def _explain(action: str, said: list[str]) -> str:
    text = f"apt-get {action} said: " + " / ".join(said[-4:])
    if re.search(r"NO_PUBKEY|not signed|EXPKEYSIG|signatures? (couldn't|were invalid)", text):
        text += (
            "; the keyring of this machine is older than the archive: "
            "install or update the package debian-archive-keyring"
        )
    return text


# --- the two formats ---------------------------------------------------------------------------


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _one_line_entries(text: str) -> Iterator[Mirror]:
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.split("#", 1)[0].strip())
        # An installer's disc, "cdrom:[Debian ...]/", is no mirror, and its name has spaces.
        if not match or match["rest"].startswith("cdrom:"):
            continue
        uri, *words = match["rest"].split()
        options = dict(
            option.split("=", 1) for option in (match["options"] or "").split() if "=" in option
        )
        if words and _is_main(uri, words[:1], words[1:]):
            trusted = options.get("trusted") == "yes"
            yield Mirror(uri, (words[0],), options.get("signed-by", ""), trusted)


def _deb822_entries(text: str) -> Iterator[Mirror]:
    for stanza in _stanzas(text):
        suites, components = stanza.get("suites", "").split(), stanza.get("components", "").split()
        if stanza.get("enabled", "yes").strip().lower() in _SWITCHED_OFF:
            continue
        trusted = stanza.get("trusted", "").strip().lower() == "yes"
        for uri in stanza.get("uris", "").split():
            if _is_main(uri, suites, components):
                yield Mirror(uri, tuple(suites), stanza.get("signed-by", "").rstrip(), trusted)


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    name = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, name = {}, ""
        elif line[0] in " \t":
            # Kept as they are: an inline key is only valid with its line ends and indents.
            fields[name] = fields.get(name, "") + "\n" + line.rstrip()
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()


def _is_main(uri: str, suites: list[str], components: list[str]) -> bool:
    security = "security" in uri or any("security" in suite for suite in suites)
    return "main" in components and not security
