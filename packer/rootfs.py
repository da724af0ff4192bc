"""Lays what every process expects of a root file system, however small."""

from __future__ import annotations

import os
from pathlib import Path

from nbslim.packer.libraries import HOST, inside

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

BUNDLES = (CERTIFICATES, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem")
"""Where systems keep their bundle of CA certificates: Debian and Alpine, Fedora, openSUSE, the BSD way."""

_FOLDERS = ("dev", "etc", "proc", "run", "sys", "tmp", "usr/bin", "usr/lib", "var/tmp")

# Every loader, whatever distribution it is from, searches one of these by itself: no cache and no settings needed.
_LINKS = {"bin": "usr/bin", "lib": "usr/lib", "lib64": "usr/lib", "usr/lib64": "lib"}

_FILES = {
    "etc/passwd": "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n",
    "etc/group": "root:x:0:\nnobody:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n",
}


def lay_rootfs(tree: Path) -> int:
    """Make the folders, links and small files of a root file system in `tree`; return the bytes of the files.

    There is no time zone database: `zoneinfo` falls back to the distribution tzdata.
    """
    for folder in _FOLDERS:
        (tree / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("tmp", "var/tmp"):
        (tree / folder).chmod(0o1777)
    for name, target in _LINKS.items():
        lay_link(tree / name, target)
    return sum((tree / name).write_bytes(text.encode()) for name, text in _FILES.items())


def lay_link(path: Path, target: str) -> None:
    """Make `path` a symbolic link to `target`, if it is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_symlink():
        path.symlink_to(target)


def lay_certificates(tree: Path, root: Path, wanted: str) -> int:
    """Copy the CA certificates of `root`, or else of the host, to where Debian has them; return their bytes.

    `wanted`, where the interpreter's OpenSSL looks, links to them. Where neither has any, nothing is laid.
    """
    places = (inside(place, bundle) for place in (root, HOST) for bundle in BUNDLES)
    bundle = next((place for place in places if place.is_file()), None)
    if bundle is None:
        return 0
    target = tree / CERTIFICATES.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    for link in {"/etc/ssl/cert.pem", wanted} - {CERTIFICATES}:
        place = tree / link.lstrip("/")
        lay_link(place, os.path.relpath(target, place.parent))
    return target.write_bytes(bundle.read_bytes())
