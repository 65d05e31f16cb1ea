"""Whether the host's firewall lets a board connect to `nc -l`, as far as this user may see.

Reads rules (nft, iptables), ufw's and firewalld's state, macOS's application firewall. Rules are
only judged by what is plain in them: an input chain that drops what nothing accepts. Sources:
nft(8), iptables(8), ufw(8), firewall-cmd(1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lwipscope.doctor.asking import ask, read
from lwipscope.doctor.finding import Finding, good, unseen, warning
from lwipscope.doctor.machine import Machine, listed

PORT = 6666
_NAME = "firewall"
_MAC = "/usr/libexec/ApplicationFirewall/socketfilterfw"


@dataclass(frozen=True, slots=True)
class FirewallFacts:
    """What each said. None: it is absent; for rules also: this user may not read them."""

    nft: str | None = None
    """`nft -j list ruleset`."""
    iptables: str | None = None
    """`iptables -S INPUT`."""
    rules_refused: bool = False
    """There is nft or iptables, and it wants root."""
    ufw: bool = False
    """It is switched on."""
    firewalld: bool = False
    """It runs."""
    macos: bool | None = None
    """macOS's application firewall is on."""


def collect(system: str) -> FirewallFacts:
    """This machine's."""
    if system == "Darwin":
        said = ask([_MAC, "--getglobalstate"])
        return FirewallFacts(macos=None if said is None else "enabled" in said.out)
    nft, iptables = ask(["nft", "-j", "list", "ruleset"]), ask(["iptables", "-S", "INPUT"])
    refused = [one for one in (nft, iptables) if one is not None and one.code != 0]
    zone = ask(["firewall-cmd", "--state"])
    return FirewallFacts(
        nft=nft.out if nft and nft.code == 0 else None,
        iptables=iptables.out if iptables and iptables.code == 0 else None,
        rules_refused=bool(refused),
        ufw=bool(re.search(r"^ENABLED=yes", read("/etc/ufw/ufw.conf") or "", re.M)),
        firewalld=bool(zone and zone.out.strip() == "running"),
    )


def check(facts: FirewallFacts, machine: Machine, subnet: str = "") -> Iterator[Finding]:
    """One finding; `subnet` is the board's, so that the remedy opens no more than that."""
    if machine.system == "Darwin":
        yield _macos(facts)
        return
    near = f"from {subnet} " if subnet else ""
    blocked = f"may keep a board from `nc -l {PORT}` on this host"
    if facts.ufw:
        remedy = machine.as_root(f"ufw allow {near}".strip() + f" to any port {PORT} proto tcp")
        if not subnet:
            remedy = machine.as_root(f"ufw allow {PORT}/tcp")
        yield warning(_NAME, f"ufw is on and {blocked}", remedy)
    elif facts.firewalld:
        remedy = machine.as_root(f"firewall-cmd --add-port={PORT}/tcp")
        yield warning(_NAME, f"firewalld runs and {blocked}", f"{remedy}   (until it restarts)")
    else:
        yield _rules(facts, machine, blocked, subnet)


def _rules(facts: FirewallFacts, machine: Machine, blocked: str, subnet: str) -> Finding:
    closed = dropping_chains(facts.nft or "")
    if closed:
        family, table, chain = closed[0]
        source = f"ip saddr {subnet} " if subnet else ""
        remedy = f"nft insert rule {family} {table} {chain} {source}tcp dport {PORT} accept"
        seen = f"nft chain {listed([' '.join(one) for one in closed])} drops, and {blocked}"
        return warning(_NAME, seen, machine.as_root(remedy))
    if iptables_drops(facts.iptables or ""):
        source = f"-s {subnet} " if subnet else ""
        remedy = machine.as_root(f"iptables -I INPUT {source}-p tcp --dport {PORT} -j ACCEPT")
        return warning(_NAME, f"iptables INPUT drops, and {blocked}", remedy)
    if facts.rules_refused and not machine.root:
        remedy = machine.as_root("nft list ruleset")
        return unseen(_NAME, "the rules can't be looked at without root", remedy)
    if facts.rules_refused and facts.nft is None and facts.iptables is None:
        return unseen(_NAME, "the rules can't be looked at in this container or kernel")
    if facts.nft is None and facts.iptables is None:
        seen = "neither nft, iptables, ufw nor firewalld here; one outside can't be looked at"
        return unseen(_NAME, seen)
    return good(_NAME, f"no rule keeps boards from `nc -l {PORT}` on this host")


def dropping_chains(ruleset: str) -> list[tuple[str, str, str]]:
    """Family, table and chain of nft's input chains that drop what no rule accepts."""
    try:
        things = json.loads(ruleset or "{}").get("nftables", [])
    except (ValueError, AttributeError):
        return []
    rules = [thing["rule"] for thing in things if "rule" in thing]
    found = []
    for chain in (thing["chain"] for thing in things if "chain" in thing):
        if chain.get("hook") != "input" or chain.get("family") not in ("ip", "inet"):
            continue
        key = (chain["family"], chain["table"], chain["name"])
        mine = [
            rule.get("expr", [])
            for rule in rules
            if (rule["family"], rule["table"], rule["chain"]) == key
        ]
        # A rule that is nothing but a verdict ends the chain for everything that comes to it.
        ends = [expr for expr in mine if expr and ("drop" in expr[0] or "reject" in expr[0])]
        if (chain.get("policy") == "drop" or ends) and not any(map(_opens_port, mine)):
            found.append(key)
    return found


def iptables_drops(rules: str) -> bool:
    """`iptables -S INPUT`: by policy or by a rule without conditions, and no rule for the port."""
    drops = re.search(r"^-P INPUT (DROP|REJECT)|^-A INPUT -j (DROP|REJECT)", rules, re.M)
    opened = re.search(rf"^-A INPUT .*--dports? (\S*,)?{PORT}\b.*-j ACCEPT", rules, re.M)
    return bool(drops) and not opened


def _opens_port(expressions: list[dict[str, object]]) -> bool:
    accepts = any("accept" in one for one in expressions)
    return accepts and re.search(rf'"dport".*\b{PORT}\b', json.dumps(expressions)) is not None


def _macos(facts: FirewallFacts) -> Finding:
    if facts.macos is None:
        return unseen(_NAME, f"{_MAC} did not answer")
    if facts.macos:
        remedy = "System Settings > Network > Firewall: allow nc and this Python"
        return warning(_NAME, "the application firewall is on; it asks for each program", remedy)
    return good(_NAME, "the application firewall is off")
