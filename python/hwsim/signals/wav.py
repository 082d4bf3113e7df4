"""WAV files: plain PCM by the standard library, every other kind by soundfile."""

from __future__ import annotations

import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np

from hwsim.signals.table import Samples

_PCM = 1
_KINDS = {2: "ADPCM", 3: "float", 6: "A-law", 7: "mu-law", 17: "IMA ADPCM", 0xFFFE: "extensible"}
_BLOCK = 2**16


def read(path: Path) -> tuple[Samples, float | None]:
    """Returns samples, of shape ``(samples, channels)`` and full scale 1.0, and samples a second.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no WAV file, is cut short, or needs soundfile, which is not installed.
    """
    with path.open("rb") as file:
        kind = _kind(path, file.read(2**16))
    data, said, rate = (_read_pcm if kind == "PCM" else _read_other)(path, kind)
    if len(data) != said:
        raise ValueError(
            f"{path} says that it holds {said:,} samples of each channel, but {len(data):,} "
            "follow: it is cut short, or its writer was killed"
        )
    return data, float(rate) if rate > 0 else None


def _kind(path: Path, start: bytes) -> str:
    """Returns ``PCM`` for what the standard library reads, else the name of the kind."""
    if start[:4] not in (b"RIFF", b"RF64", b"RIFX", b"BW64") or start[8:12] != b"WAVE":
        raise ValueError(f"{path} is not a WAV file: it begins with {start[:12]!r}")
    place = 12
    while place + 8 <= len(start) and start[place : place + 4] != b"fmt ":
        place += 8 + (int.from_bytes(start[place + 4 : place + 8], "little") + 1) // 2 * 2
    if start[:4] != b"RIFF":
        return start[:4].decode()
    if len(start) < place + 24:
        raise ValueError(f"{path} is not a PCM WAV file: it has no fmt chunk where one belongs")
    tag, bits = struct.unpack_from("<H12xH", start, place + 8)
    if tag == _PCM:
        return "PCM" if bits <= 32 else f"PCM of {bits} bits"
    return _KINDS.get(tag, f"format {tag}")


def _read_pcm(path: Path, kind: str) -> tuple[Samples, int, int]:
    try:
        with wave.open(str(path), "rb") as file:
            width, channels = file.getsampwidth(), file.getnchannels()
            said, rate = file.getnframes(), file.getframerate()
            data = file.readframes(said)
    except OSError:
        raise
    except Exception as error:  # its parser raises what its parts raise, such as RuntimeError
        reason = str(error) or type(error).__name__
        raise ValueError(f"{path} is not a PCM WAV file: {reason}") from None
    rows = len(data) // (width * channels)
    raw = np.frombuffer(data, np.uint8, rows * width * channels).reshape(-1, width)
    if width == 1:  # unsigned, by the format's definition
        return (raw.astype(np.float64).reshape(-1, channels) - 128) / 128, said, rate
    # Little-endian of any width: put the bytes at the top of 32 bits.
    wide = np.zeros((len(raw), 4), dtype=np.uint8)
    wide[:, 4 - width :] = raw
    return wide.view("<i4").reshape(-1, channels) / 2.0**31, said, rate


def _read_other(path: Path, kind: str) -> tuple[Samples, int, int]:
    try:
        import soundfile  # noqa: PLC0415
    except (ImportError, OSError):  # OSError: without its library
        raise ValueError(
            f"{path} is a WAV file of the kind {kind}, which needs soundfile: "
            "pip install 'hwsim[wav]'"
        ) from None
    blocks: list[Any] = []
    try:
        with soundfile.SoundFile(str(path)) as file:
            said, rate, channels = file.frames, file.samplerate, file.channels
            # In parts: a header can claim more than memory holds.
            while len(block := file.read(_BLOCK, dtype="float64", always_2d=True)):
                blocks.append(block)
    except Exception as error:  # libsndfile's own, RuntimeError and others
        raise ValueError(f"{path} is not a WAV file that can be read ({kind}): {error}") from None
    return np.concatenate([np.empty((0, channels)), *blocks]), said, rate
