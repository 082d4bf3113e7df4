"""Files of recordings: valid at any moment, never overwritten unasked, continued or numbered.

A block is given to the operating system as soon as it is there, and then the header that counts it.
So a file is valid whenever the process ends, however it ends, and holds whole blocks. The sidecar
follows within a second, and with every gap. When a recording has ended, its files are written
through to the disk (``fsync``); before that they survive a crash of the process, though not of the
machine.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, get_args

from hwsim import sidecar
from hwsim.arguments import choice, integer
from hwsim.record.formats import Format, format_of
from hwsim.sidecar import Resumption, Sidecar
from hwsim.stream import Block

IfExists = Literal["error", "overwrite", "append", "number"]
IN_THE_WAY = (
    "there is one already; record to another file, or say what to do with this one by if_exists "
    "(--overwrite, --append, --numbered)"
)
SIDECAR_S = 1.0  # at least so often the sidecar follows


class File:
    """One file that is being recorded to, and its sidecar.

    Attributes:
        path: Of the file.
        rows: Rows that it has.
        size: Where they end, in bytes.
        layout: Its format.
    """

    def __init__(self, path: Path, what: Sidecar, layout: Format, if_exists: IfExists) -> None:
        """Opens or makes the file.

        Args:
            path: Of the file.
            what: The recording, with no samples yet; or what there is, to be continued.
            layout: Its format.
            if_exists: ``"number"`` is the same as ``"error"`` here.

        Raises:
            FileExistsError: There is one, or its sidecar.
            ValueError: It cannot be continued.
            OSError: It cannot be written.
        """
        self.path, self.rows = path, 0
        self.layout, self._sidecar = layout, what
        self._began = False  # a block has been written
        self._written_at, self._cost = 0.0, 0.0  # of the sidecar
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        if if_exists in ("error", "number"):
            _refuse_existing(path)
            flags |= os.O_EXCL
        self._fd = os.open(path, flags, 0o666)
        made = False
        try:
            self._lock()
            made = bool(flags & os.O_EXCL)
            if if_exists == "append" and os.fstat(self._fd).st_size:
                self._continue()
            else:
                os.ftruncate(self._fd, 0)
                self.size = self._write(layout.header(0), 0)
            self._write_sidecar()
        except BaseException as error:
            os.close(self._fd)
            if made:
                with suppress(OSError):
                    os.unlink(path)
            if isinstance(error, OSError) and error.filename is None:
                raise OSError(error.errno, error.strerror, str(path)) from None
            raise

    def write(self, block: Block, encoded: memoryview, start: str) -> None:
        """Appends a block.

        Args:
            block: Its samples.
            encoded: The same as the format writes it.
            start: When the first of them was taken, by the computer's clock.

        Raises:
            OSError: It could not be written; the file holds the blocks before it.
        """
        try:
            end = self._write(encoded, self.size)
            self._write(self.layout.header(self.rows + len(block)), 0)
            self.size, self.rows = end, self.rows + len(block)
            self._tell(block, start)
        except OSError as error:
            text = f"{error.strerror}; the file holds {self.rows:,} samples of each channel"
            raise OSError(error.errno, text, str(self.path)) from None

    def close(self) -> None:
        """Cuts off what an interrupted write may have left, and completes header and sidecar."""
        try:
            os.ftruncate(self._fd, self.size)
            self._write(self.layout.header(self.rows), 0)
            self._sidecar.complete = True
            self._write_sidecar()
        finally:
            with suppress(OSError):
                fcntl.flock(self._fd, fcntl.LOCK_UN)  # also where a forked child has it open
            os.close(self._fd)

    def _lock(self) -> None:
        """Keeps others from recording to the same file, where the file system can do that."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            text = "another recording is writing to this file"
            raise OSError(error.errno, text, str(self.path)) from None
        except OSError:
            pass

    def _continue(self) -> None:
        with open(self._fd, "rb", closefd=False) as file:
            try:
                self.rows, self.size = self.layout.measure(file)
                if self.rows != self._sidecar.samples:
                    raise ValueError("another recording has continued it meanwhile")
            except ValueError as error:
                raise ValueError(f"{self.path} cannot be continued: {error}") from None
        os.ftruncate(self._fd, self.size)

    def _write(self, data: bytes | memoryview, at: int) -> int:
        """Writes all of it; returns where it ends."""
        rest = memoryview(data)
        while rest:
            written = os.pwrite(self._fd, rest, at)
            rest, at = rest[written:], at + written
        return at

    def _tell(self, block: Block, start: str) -> None:
        """Counts a block; writes the sidecar when it is time, but not most of the time."""
        what, at_once = self._sidecar, block.lost > 0 or not self._began
        if not what.samples:
            what.start, what.start_s, what.first_index = start, block.time_s, block.first_index
        elif not self._began:
            what.resumed.append(Resumption(what.samples, start, block.time_s))
        self._began = True
        what.add(len(block), block.lost)
        wait = (0.0 if at_once else SIDECAR_S) + 20 * self._cost
        if time.monotonic() - self._written_at >= wait:
            self._write_sidecar()

    def _write_sidecar(self) -> None:
        begin = time.monotonic()
        self._sidecar.write(self.path)
        self._written_at = time.monotonic()
        self._cost = self._written_at - begin


class Files:
    """Where a recording goes: to one file, or to numbered ones.

    Attributes:
        layout: The format.
        paths: The files, in the order of their times.
    """

    def __init__(self, path: Path, if_exists: IfExists, part_bytes: int | None) -> None:
        """Looks at what is there already, and writes nothing yet.

        Raises:
            FileExistsError: There is a file that must not be overwritten.
            ValueError: A value is bad.
        """
        choice("if_exists", if_exists, get_args(IfExists))
        self.layout = format_of(path)
        self.paths: list[Path] = []
        self._path, self._if_exists = path, if_exists
        self._largest = self.layout.largest
        self._parts = part_bytes is not None
        if part_bytes is not None:
            if if_exists not in ("error", "number"):
                raise ValueError(f"parts are numbered files, so if_exists cannot be {if_exists!r}")
            self._largest = min(self._largest, integer("part_bytes", part_bytes, 1, 2**62))
            self._if_exists = "number"
        self._file: File | None = None
        if self._if_exists == "error":
            _refuse_existing(path)

    def existing(self) -> Sidecar | None:
        """Returns what there is to be continued; None: the recording begins with a new file.

        Raises:
            ValueError: It cannot be continued.
        """
        if self._if_exists != "append" or not self._path.exists() or not self._path.stat().st_size:
            return None
        found = sidecar.read(self._path)
        if found is None:
            raise ValueError(
                f"{self._path} cannot be continued: {sidecar.path_beside(self._path)}, which says "
                "how it was recorded, is missing"
            )
        with self._path.open("rb") as file:
            try:  # after a kill the sidecar may lag behind
                found.samples, _ = self.layout(found).measure(file)
            except ValueError as error:
                raise ValueError(f"{self._path} cannot be continued: {error}") from None
        return found

    def rows_in_block(self, what: Sidecar, rows: int) -> int:
        """Returns how many rows, at most so many, a block can have to fit into each file.

        Raises:
            ValueError: Not even one.
        """
        layout = self.layout(what)
        room = self._largest - len(layout.header(0)) - layout.block_bytes
        if room < layout.row_bytes:
            least = self._largest - room + layout.row_bytes
            raise ValueError(f"part_bytes must be at least {least} here, got {self._largest}")
        return min(rows, room // layout.row_bytes)

    def check_total(self, what: Sidecar, total: int | None) -> None:
        """Raises ValueError if a file cannot have so many rows more."""
        layout = self.layout(what)
        room = (self._largest - len(layout.header(0))) // layout.row_bytes - what.samples
        if total is not None and total > room and not self._parts:
            raise ValueError(f"a WAV file ends at 4 GiB, here {room} samples; record to .npy")

    def open(self, what: Sidecar) -> None:
        """Opens the first file, for the recording that the sidecar describes."""
        self._what = what
        self._file = self._open(what)

    def write(self, block: Block, start: str) -> None:
        """Writes a block, to a new file if it has no room in this one.

        Args:
            block: Its samples.
            start: When the first of them was taken, by the computer's clock.
        """
        assert self._file
        encoded = self._file.layout.encode(block)
        if self._file.size + len(encoded) > self._largest:
            if not self._parts:
                raise OSError(errno.EFBIG, "a WAV file ends at 4 GiB; record to .npy", self._path)
            self._file.close()
            self._file = None
            self._what = replace(
                self._what, samples=0, lost=0, gap_count=0, gaps=[], resumed=[], complete=False
            )
            self._file = self._open(self._what)
        self._file.write(block, encoded, start)

    def miss(self, lost: int) -> None:
        """Counts samples that are missing at the end."""
        self._what.add(0, lost)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is None:
            return
        with suppress(OSError) if isinstance(exc, OSError) else nullcontext():
            self._file.close()  # the first error is the one that tells why
            for path in self.paths:  # of a part not when it ended: it may take longer than a block
                with suppress(FileNotFoundError), path.open("rb") as file:
                    os.fsync(file.fileno())

    def _open(self, what: Sidecar) -> File:
        if self._if_exists != "number":
            self.paths.append(self._path)
            return File(self._path, what, self.layout(what), self._if_exists)
        number = _highest_number(self._path)
        while True:
            number += 1
            path = self._path.with_name(f"{self._path.stem}-{number:04}{self._path.suffix}")
            with suppress(FileExistsError):  # another recording was faster
                file = File(path, what, self.layout(what), self._if_exists)
                self.paths.append(path)
                return file


def _highest_number(path: Path) -> int:
    """Returns the highest number of the files that are numbered after a path; 0: there is none."""
    pattern = re.compile(re.escape(path.stem) + r"-(\d{4,})" + re.escape(path.suffix))
    found = (pattern.fullmatch(name.removesuffix(".json")) for name in os.listdir(path.parent))
    return max((int(match[1]) for match in found if match), default=0)


def _refuse_existing(path: Path) -> None:
    for name in (path, Path(sidecar.path_beside(path))):
        if os.path.lexists(name):
            raise FileExistsError(errno.EEXIST, IN_THE_WAY, str(name))
