"""The keeper's system calls: step into a network namespace, make a TAP in it, set it up.

Runs inside the keeper only (see keeper_main.py) and therefore imports little and nothing of ours.
Everything is done by ioctl and netlink, so that no iproute2 is needed. Sources: namespaces(7),
user_namespaces(7), netdevice(7), rtnetlink(7), Linux Documentation/networking/tuntap.rst and
ip-sysctl.rst (disable_ipv6).
"""

from __future__ import annotations

import array
import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

IFF_TAP = 0x0002
IFF_NO_PI = 0x1000
TUNSETIFF = 0x400454CA
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
SIOCSIFADDR = 0x8916
SIOCSIFNETMASK = 0x891C
SIOCSIFHWADDR = 0x8924
IFF_UP = 0x1
ARPHRD_ETHER = 1
# tun's own default (500) drops frames in a burst of many connections while the host is busy.
TX_QUEUE_FRAMES = 1000

RTM_NEWLINK = 16
NLM_F_REQUEST_ACK = 0x1 | 0x4
IFLA_TXQLEN = 13
IFLA_AF_SPEC = 26
IFLA_INET6_ADDR_GEN_MODE = 8
IN6_ADDR_GEN_MODE_NONE = 1


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument."""
    if _libc().prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _unshare(flags: int) -> None:
    if _libc().unshare(flags) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def enter_namespace() -> str:
    """Move this process into a network namespace of its own with `lo` up; say how it was done.

    A process without privileges makes a user namespace first, in which it is root. May leave
    the process halfway when it raises OSError: the caller is a child made for the attempt.
    """
    why_not_root = ""
    how = "own network namespace (root)"
    try:
        _unshare(CLONE_NEWNET)
    except OSError as error:
        why_not_root = error.strerror or str(error)
        _enter_user_namespace()
        try:
            _unshare(CLONE_NEWNET)
        except OSError as inner:
            raise OSError(
                inner.errno,
                f"unshare(CLONE_NEWNET) in a user namespace: {inner.strerror}; see sysctl "
                "kernel.apparmor_restrict_unprivileged_userns",
            ) from error
        how = f"own network namespace in a user namespace (without one: {why_not_root})"
    with _control_socket() as sock:
        _set_up(sock, "lo")
    return how


def _enter_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    try:
        _unshare(CLONE_NEWUSER)
        # Without "deny" the kernel refuses an unprivileged gid_map: user_namespaces(7).
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"0 {uid} 1")
        _write("/proc/self/gid_map", f"0 {gid} 1")
    except OSError as error:
        raise OSError(
            error.errno,
            f"no user namespace: {error.strerror}; see sysctl user.max_user_namespaces and "
            "kernel.unprivileged_userns_clone",
        ) from error


def open_tap(name: str, ip: str, prefix: int, mac: str) -> int:
    """Make the TAP interface `name` in this namespace, configured and up; its descriptor.

    Frames carry no packet information header. The interface lives as long as the descriptor.
    """
    try:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise OSError(error.errno, f"/dev/net/tun: {error.strerror}") from error
    try:
        try:
            fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        except OSError as error:
            raise OSError(error.errno, f"TUNSETIFF {name}: {error.strerror}") from error
        with _control_socket() as sock:
            hardware = bytes.fromhex(mac.replace(":", ""))
            mask = (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
            _ifreq(sock, SIOCSIFHWADDR, name, struct.pack("H14s", ARPHRD_ETHER, hardware))
            # By netlink: SIOCSIFTXQLEN wants the machine's CAP_NET_ADMIN, not the namespace's.
            _set_link(name, _attribute(IFLA_TXQLEN, struct.pack("I", TX_QUEUE_FRAMES)))
            # Before "up": afterwards the kernel would already be sending MLD reports and DAD.
            disable_ipv6(name)
            _ifreq(sock, SIOCSIFADDR, name, _sockaddr(socket.inet_aton(ip)))
            _ifreq(sock, SIOCSIFNETMASK, name, _sockaddr(mask.to_bytes(4, "big")))
            _set_up(sock, name)
    except BaseException:
        os.close(fd)
        raise
    return fd


def disable_ipv6(name: str) -> None:
    """Keep IPv6 (router solicitations, DAD, MLD) off the interface, so that captures are clean."""
    if not os.path.exists("/proc/sys/net/ipv6/conf"):  # noqa: PTH110  (pathlib costs 4 ms here)
        return
    try:
        _write(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "1")
    except OSError:
        # Containers mount /proc/sys read-only. An interface that never gets a link-local
        # address sends nothing either: what `ip link set dev X addrgenmode none` does.
        mode = _attribute(IFLA_INET6_ADDR_GEN_MODE, bytes([IN6_ADDR_GEN_MODE_NONE]))
        _set_link(name, _attribute(IFLA_AF_SPEC, _attribute(socket.AF_INET6, mode)))


def _attribute(kind: int, payload: bytes) -> bytes:
    return struct.pack("HH", 4 + len(payload), kind) + payload + bytes(-len(payload) % 4)


def _set_link(name: str, attributes: bytes) -> None:
    """Change an interface as rtnetlink(7) describes: RTM_NEWLINK, acknowledged."""
    index = socket.if_nametoindex(name)
    body = struct.pack("BxHiII", socket.AF_UNSPEC, 0, index, 0, 0) + attributes
    head = struct.pack("IHHII", 16 + len(body), RTM_NEWLINK, NLM_F_REQUEST_ACK, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.send(head + body)
        number = -struct.unpack_from("i", sock.recv(4096), 16)[0]
    if number:
        raise OSError(number, f"interface {name} can't be set up: {os.strerror(number)}")


def _control_socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _sockaddr(address: bytes) -> bytes:
    return struct.pack("HH4s8x", socket.AF_INET, 0, address)


def _ifreq(sock: socket.socket, request: int, name: str, value: bytes) -> bytes:
    buffer = array.array("B", struct.pack("16s24s", name.encode(), value))
    try:
        fcntl.ioctl(sock, request, buffer)
    except OSError as error:
        raise OSError(error.errno, f"ioctl {request:#x} on {name}: {error.strerror}") from error
    return buffer.tobytes()[16:]


def _set_up(sock: socket.socket, name: str) -> None:
    (flags,) = struct.unpack_from("H", _ifreq(sock, SIOCGIFFLAGS, name, b""))
    _ifreq(sock, SIOCSIFFLAGS, name, struct.pack("H", flags | IFF_UP))
