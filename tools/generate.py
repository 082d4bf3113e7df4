"""Writes every generated file; with ``--check`` fails instead if one is not current.

python -m tools.generate [--check]
"""

from __future__ import annotations

import argparse
import sys

from tools import aio, kinds, stubs, threads
from tools.headers import ROOT


def main() -> int:
    """Does it; returns 1 if ``--check`` found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if not current")
    check = parser.parse_args().check
    files = {
        ROOT / "python/hwsim/_kinds.py": kinds.render(),
        ROOT / "python/hwsim/_native.pyi": stubs.render(),
        ROOT / "python/hwsim/aio/calls.py": aio.render(),
        **{page: threads.render(page) for page in threads.pages()},
    }
    stale = [
        path
        for path, text in files.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        print(f"{path.relative_to(ROOT)} {'is not current' if check else 'written'}")
        if not check:
            path.write_text(files[path], encoding="utf-8")
    if check and stale:
        print("make generated, and commit what it writes", file=sys.stderr)
    return bool(check and stale)


if __name__ == "__main__":
    sys.exit(main())
