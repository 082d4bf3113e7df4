"""Refuses a sub-interpreter when hwsim is imported, and not only when it is first used.

What the native module is made of belongs to one interpreter. It refuses any other itself; here it
costs less than to load it.
"""

from __future__ import annotations

for name in ("_interpreters", "_xxsubinterpreters"):  # since 3.13; before
    try:
        interpreters = __import__(name)
    except ImportError:
        continue
    if interpreters.get_current() != interpreters.get_main():
        raise ImportError(
            "hwsim works in the main interpreter alone, not in a sub-interpreter: use a process of "
            "its own (with mod_wsgi: WSGIApplicationGroup %{GLOBAL})"
        )
    break
