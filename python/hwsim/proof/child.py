"""Experiments in fresh processes: each with a time limit, and none outlives its parent.

``run()`` starts a Python that imports what this one can import, calls a function there, and returns
what that function returned, or how the process ended without. Where a process hangs, it is made to
write where each of its threads stands before it is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import json
import multiprocessing.spawn
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any

from hwsim.proof.subject import packed

_preparing = False  # whether this process is a fresh one that imports its parent's program
STARTS = 60.0  # seconds that the start of a process may take; not part of its limit
GRACE = 2.0  # seconds for a process that hit its limit to write its stacks
Listener = Callable[[Any, int], None]


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        result: What the experiment returned, None if it did not.
        error: The traceback, if the experiment raised.
        status: Exit status; negative: killed by that signal; None: it hit its limit.
        seconds: How long it lived after its experiment had returned; None: it did not return.
        stdout: What it wrote.
        stderr: What it wrote to standard error: if it crashed or hit its limit, also its stacks.
    """

    result: Any
    error: str
    status: int | None
    seconds: float | None
    stdout: str
    stderr: str

    @property
    def how(self) -> str:
        """In words."""
        if self.status is None:
            return "was still running at its time limit"
        if self.status < 0:
            return f"was killed by {signal.Signals(-self.status).name}"
        return f"ended with status {self.status}"

    @property
    def reason(self) -> str:
        """Why there is no result, in a line."""
        lines = self.error.strip().splitlines()
        return lines[-1] if lines else f"the process {self.how}"

    @property
    def trouble(self) -> str:
        """``"hangs"``, ``"crashes"``, ``"fails"`` with a status, or nothing."""
        if self.status is None:
            return "hangs"
        return "crashes" if self.status < 0 else "fails" if self.status else ""

    def evidence(self, title: str) -> str:
        """All that it said, under a title."""
        parts = [f"--- {title}: the process {self.how}"]
        for name in ("error", "stdout", "stderr"):
            text = getattr(self, name).rstrip()
            if text:
                parts.append(f"--- {name}:\n{text}")
        return "\n".join(parts)


class Channel:
    """The way from the fresh process to the one that started it."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def send(self, message: Any) -> None:
        """Sends a message, which ``on_message`` is called with."""
        self._send({"message": message})

    def _send(self, line: dict[str, Any]) -> None:
        self._socket.sendall(json.dumps(line).encode() + b"\n")


def run(
    experiment: Callable[..., Any],
    *arguments: Any,
    limit: float,
    on_message: Listener | None = None,
) -> Ended:
    """Calls ``experiment(channel, *arguments)`` in a fresh process, and waits for its end.

    Args:
        experiment: A function at the top level of a module. Its result must fit in JSON.
        arguments: Its arguments; they are pickled.
        limit: Seconds from the start of the experiment until the process is killed, with its
            children.
        on_message: Called with each message that it sends, and its process id.

    Returns:
        How the process ended.

    Raises:
        TypeError: The arguments cannot be pickled.
        RuntimeError: This is the fresh process, which imports the program that wants to start one.
    """
    if _preparing:
        raise RuntimeError(
            "a fresh process imports the program that started it, and that starts another: put "
            "what starts it under 'if __name__ == \"__main__\":'"
        )
    preparation = multiprocessing.spawn.get_preparation_data("proof")
    preparation.pop("authkey", None)  # secret, and not needed
    work = packed((experiment, arguments))
    if b"__main__" not in work:  # what it calls is found without the program that asks
        for name in ("init_main_from_name", "init_main_from_path"):
            preparation.pop(name, None)
    payload = pickle.dumps((preparation, work))
    ours, theirs = socket.socketpair()
    code = f"import sys; sys.path[:] = {sys.path!r}\n"
    code += f"from hwsim.proof.child import serve; serve({theirs.fileno()}, {os.getpid()})"
    flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    with ours, theirs, tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [sys.executable, *flags, "-X", "faulthandler", "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # its children are killed with it, and Ctrl-C is not for it
        )
        theirs.close()
        conversation = _Conversation(ours, limit)
        try:
            last = conversation.hold(payload, process.pid, on_message)
            status = _wait(process, conversation.end)
            seconds = time.time() - last["at"] if "at" in last else None
        finally:
            _kill(process)
        return Ended(
            last.get("result"),
            last.get("error", ""),
            status,
            seconds,
            _text(stdout),
            _text(stderr),
        )


class _Conversation:
    """What the two processes say to each other, and until when."""

    def __init__(self, sock: socket.socket, limit: float) -> None:
        self._socket = sock
        self._limit = limit
        self.end = time.monotonic() + STARTS

    def hold(self, payload: bytes, pid: int, on_message: Listener | None) -> dict[str, Any]:
        """Sends the payload and takes messages until the process is done; returns its last line."""
        received = b""
        try:
            self._wait_until(self.end)
            self._socket.sendall(len(payload).to_bytes(8, "big") + payload)
            while True:
                self._wait_until(self.end)
                block = self._socket.recv(65536)
                if not block:
                    return {}
                *lines, received = (received + block).split(b"\n")
                for text in lines:
                    line: dict[str, Any] = json.loads(text)
                    if "begins" in line:
                        self.end = time.monotonic() + self._limit
                    elif "message" not in line:
                        return line
                    elif on_message:
                        on_message(line["message"], pid)
        except OSError:  # also TimeoutError: what the process did then says _wait
            return {}

    def _wait_until(self, end: float) -> None:
        self._socket.settimeout(max(end - time.monotonic(), 0.01))


def _wait(process: subprocess.Popen[bytes], end: float) -> int | None:
    try:
        return process.wait(max(end - time.monotonic(), 0.01))
    except subprocess.TimeoutExpired:
        # faulthandler writes all stacks, also while the GIL is held.
        process.send_signal(signal.SIGABRT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


# ------------------------------------------------------------------- in the fresh process


def serve(descriptor: int, parent: int) -> None:
    """Does what the parent says. The process then ends as any Python does."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    sock = socket.socket(fileno=descriptor)
    channel = Channel(sock)
    with sock.makefile("rb") as file:
        size = int.from_bytes(file.read(8), "big")
        preparation, work = pickle.loads(file.read(size))
    global _preparing  # noqa: PLW0603
    line: dict[str, Any]
    try:
        _preparing = True
        multiprocessing.spawn.prepare(preparation)
        experiment, arguments = pickle.loads(work)
        _preparing = False
        channel._send({"begins": True})
        line = {"result": experiment(channel, *arguments)}
    except BaseException as error:
        line = {"error": _traceback(error)}
    line["at"] = time.time()
    channel._send(line)


def _traceback(error: BaseException) -> str:
    """The error, and how the user's code came to it: not how ours came to that."""
    ours = packed.__code__.co_filename  # the module that loads and calls what is the user's
    start = at = error.__traceback__
    while at:
        start = at.tb_next if at.tb_frame.f_code.co_filename == ours else start
        at = at.tb_next
    return "".join(traceback.format_exception(type(error), error, start))


def die_with_parent(parent: int) -> None:
    """Ends this process when its parent ends, where the system can do that (Linux)."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    else:
        faulthandler.dump_traceback_later(600, exit=True)
