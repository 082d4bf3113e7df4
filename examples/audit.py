"""Which native call of a program holds the GIL? No extension has to be prepared for that."""

from __future__ import annotations

import hashlib
import threading

from hwsim import proof

DATA = bytes(20_000_000)


def digest() -> None:
    """Releases the GIL while it computes."""
    hashlib.sha256(DATA).hexdigest()


def sort() -> None:
    """Holds it."""
    sorted(range(500_000, 0, -1), key=None)


with proof.audit() as report:
    threads = [threading.Thread(target=target) for target in (digest, sort, digest)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

for row in report.rows[:5]:
    print(f"{row.callable}: {row.verdict}, {row.longest_held_ms:.1f} ms at once, {row.caller}")

with proof.trace() as timeline:
    threads = [threading.Thread(target=digest, name=f"digest {i}") for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

print(timeline.timeline(width=80))
