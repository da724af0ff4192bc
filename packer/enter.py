"""Stand-alone script: enter fresh namespaces, perhaps a new root, and become the given command.

    python enter.py [--root FOLDER [--writable]] [--no-network] [--fixed-addresses] -- COMMAND [ARGUMENT ...]

What it changes is gone with the process: no mount, no network namespace and no user namespace is left behind.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import os
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path

# From <sched.h>, <sys/mount.h> and <sys/personality.h>; the os module has unshare from Python 3.12 on, and no other.
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x1, 0x2, 0x4, 0x8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20, 0x1000, 0x4000, 0x40000
MS_NOATIME, MS_NODIRATIME, MS_RELATIME = 0x400, 0x800, 0x200000
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
ADDR_NO_RANDOMIZE = 0x0040000

_libc = ctypes.CDLL(None, use_errno=True)


def _call(function: Callable[..., int], *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _mount(source: str, target: Path, kind: str | None, flags: int) -> None:
    _call(_libc.mount, source.encode(), bytes(target), kind and kind.encode(), ctypes.c_ulong(flags), None)


def unshare(flags: int) -> None:
    """Leave the namespaces named by `flags`; without root in a user namespace, where the user stays who she is."""
    if not flags:
        return
    user, group = os.geteuid(), os.getegid()
    if user != 0:
        flags |= CLONE_NEWUSER
    _call(_libc.unshare, flags)
    if flags & CLONE_NEWUSER:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    if flags & CLONE_NEWNS:
        _mount("none", Path("/"), None, MS_REC | MS_PRIVATE)


def raise_loopback() -> None:
    """Bring `lo` up: a fresh network namespace has it, but down, and programs talk to themselves over it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


def change_root(root: Path, *, writable: bool) -> None:
    """Make `root` the root folder, with the host's /proc and /dev, and read-only with a /tmp in memory."""
    _mount(str(root), root, None, MS_BIND | MS_REC)
    if not writable:
        _mount("none", root, None, MS_REMOUNT | MS_BIND | MS_RDONLY | _kept_flags(root))
        _mount("tmpfs", root / "tmp", "tmpfs", MS_NOSUID | MS_NODEV)
    for name in ("proc", "dev"):
        _mount(f"/{name}", root / name, None, MS_BIND | MS_REC)
    os.chroot(root)
    os.chdir("/")


def _kept_flags(path: Path) -> int:
    """Return the flags that a remount in a user namespace must repeat: it may not take them away."""
    flags = os.statvfs(path).f_flag
    known = {
        os.ST_NOSUID: MS_NOSUID,
        os.ST_NODEV: MS_NODEV,
        os.ST_NOEXEC: MS_NOEXEC,
        os.ST_NOATIME: MS_NOATIME,
        os.ST_NODIRATIME: MS_NODIRATIME,
        os.ST_RELATIME: MS_RELATIME,
    }
    return sum(mount_flag for flag, mount_flag in known.items() if flags & flag)


def main(arguments: list[str]) -> None:
    """Parse `arguments`, enter, and execute the command; raises OSError where the kernel refuses."""
    parser = argparse.ArgumentParser(prog="enter.py")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--writable", action="store_true")
    parser.add_argument("--no-network", action="store_true")
    parser.add_argument("--fixed-addresses", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    unshare((CLONE_NEWNS if options.root else 0) | (CLONE_NEWNET if options.no_network else 0))
    if options.no_network:
        raise_loopback()
    if options.root:
        change_root(options.root, writable=options.writable)
    if options.fixed_addresses:
        _libc.personality(ctypes.c_ulong(ADDR_NO_RANDOMIZE))  # some containers refuse; addresses then vary
    os.execvp(options.command[0], options.command)


if __name__ == "__main__":
    main(sys.argv[1:])
