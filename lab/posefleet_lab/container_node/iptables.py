"""The node's rules in the machine's packet filter, and their removal."""

import shlex

from ..system_path import is_there
from .commands import run, succeeds

_PROGRAMS = ("iptables", "ip6tables")
_TABLES = ("filter", "nat", "mangle")
_PROXY_PREFIX = "KUBE-"


def accept(bridge: str) -> None:
    """Let pods reach each other and this machine, whatever the policies of FORWARD and INPUT are."""
    for chain, direction in (("INPUT", "-i"), ("FORWARD", "-i"), ("FORWARD", "-o")):
        run("iptables", "-w", "-I", chain, direction, bridge, "-j", "ACCEPT")


def has_proxy_rules() -> bool:
    """Tell whether a kube-proxy has rules on this machine."""
    return any(rule.startswith("-N KUBE-SERVICES") for rule in _rules("iptables", "nat"))


def remove_all(bridge: str) -> None:
    """Remove the rules of ``accept``, of kube-proxy and of the kubelet."""
    for program in _PROGRAMS:
        for table in _TABLES:
            _remove_from(program, table, bridge)


def _remove_from(program: str, table: str, bridge: str) -> None:
    rules = _rules(program, table)
    chains = [rule.split()[1] for rule in rules if rule.startswith(f"-N {_PROXY_PREFIX}")]
    for rule in rules:
        words = shlex.split(rule)
        if words[0] == "-A" and words[1] not in chains and _is_ours(words, bridge):
            run(program, "-w", "-t", table, "-D", *words[1:])
    for option in ("-F", "-X"):  # a chain can go when no rule names it
        for chain in chains:
            run(program, "-w", "-t", table, option, chain)


def _is_ours(words: list[str], bridge: str) -> bool:
    target = words[words.index("-j") + 1] if "-j" in words else ""
    return target.startswith(_PROXY_PREFIX) or (target == "ACCEPT" and bridge in words)


def _rules(program: str, table: str) -> list[str]:
    """Return a table's rules, none where the kernel does not have it."""
    listing = (program, "-w", "-t", table, "-S")
    return run(*listing).splitlines() if is_there(program) and succeeds(*listing) else []
