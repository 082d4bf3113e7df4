"""Signals: what a channel can be connected to, and recorded data from arrays and files."""

from hwsim.signals.signal import GENERATED, WAVEFORMS, Connection, Signal, Waveform
from hwsim.signals.source import load, read
from hwsim.signals.table import Reading, Samples, Table

__all__ = [
    "GENERATED",
    "WAVEFORMS",
    "Connection",
    "Reading",
    "Samples",
    "Signal",
    "Table",
    "Waveform",
    "load",
    "read",
]
