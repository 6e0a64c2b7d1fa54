"""Which folders a solution may read: the standard library and the shared libraries below it, nothing else."""

from __future__ import annotations

import os
import sys

HIDDEN = ("site-packages", "dist-packages")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
ZONES = "/usr/share/zoneinfo"


def library() -> str:
    return os.path.dirname(os.__file__)


def extensions() -> str:
    """The folder of the library's compiled modules."""
    return next((entry for entry in sys.path if entry.endswith("lib-dynload")), library())


def shared() -> list[str]:
    """Folders of the system's shared libraries, as they really lie."""
    arch = getattr(sys.implementation, "_multiarch", "")
    wanted = ["/usr/lib64", "/lib64", *(f"{root}/{arch}" for root in ("/usr/lib", "/lib") if arch), *_own_shared()]
    found = dict.fromkeys(os.path.realpath(folder) for folder in wanted if os.path.isdir(folder))
    return [folder for folder in found if folder not in ("/", "/usr", "/usr/lib")]


def _own_shared() -> list[str]:
    """Where a Python of its own prefix keeps libpython and the libraries that came with it."""
    folder = os.path.join(sys.base_prefix, "lib")
    if sys.base_prefix in ("/usr", "/usr/local") or not os.path.isdir(folder):
        return []
    return [os.path.join(folder, name) for name in os.listdir(folder) if ".so" in name]


def parts_of_library() -> list[str]:
    """Everything in the folder of the standard library but what has been installed beside it."""
    folder = library()
    return [os.path.join(folder, name) for name in os.listdir(folder) if name not in HIDDEN]
