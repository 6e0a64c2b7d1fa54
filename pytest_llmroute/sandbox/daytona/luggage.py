"""What is carried into a remote sandbox: the modules that judge there, and the commands that start them."""

from __future__ import annotations

import io
import shlex
import zipfile
from functools import cache
from pathlib import Path

ARCHIVE, FOLDER = "luggage.zip", "code"
OLD = 76
"""Exit status where the sandbox's Python is too old."""
PACKAGES = ("pytest_llmroute", "pytest_llmroute/sandbox", "pytest_llmroute/sandbox/daytona")
MODULES = ("jail.py", "local.py", "probe.py", "verdict.py", "inside/*.py", "daytona/seal.py", "daytona/there.py")
START = f"import sys; sys.version_info < (3, 11) and sys.exit({OLD})"
UNPACK = "import zipfile; zipfile.ZipFile({archive!r}).extractall({code!r})"
RUN = "sys.path.insert(0, {code!r}); from pytest_llmroute.sandbox.daytona.there import main; main({root!r}, {job!r})"


@cache
def packed() -> bytes:
    """An archive of packages that import nothing but each other and the standard library."""
    sandbox = Path(__file__).parents[1]
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in PACKAGES:
            archive.writestr(f"{package}/__init__.py", "")
        for pattern in MODULES:
            for path in sorted(sandbox.glob(pattern)):
                archive.write(path, f"pytest_llmroute/sandbox/{path.relative_to(sandbox).as_posix()}")
    return held.getvalue()


def command(root: str, job: str, *, first: bool = False) -> str:
    """A line for the sandbox's shell: a bare interpreter that reads no variables and no site-packages."""
    code = f"{root}/{FOLDER}"
    steps = [START, RUN.format(code=code, root=root, job=job)]
    if first:
        steps.insert(1, UNPACK.format(archive=f"{root}/{ARCHIVE}", code=code))
    return shlex.join(["python3", "-I", "-S", "-c", "; ".join(steps)])
