"""Models: what kinds of device there are, as data."""

from __future__ import annotations
