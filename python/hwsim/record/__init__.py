"""Recordings: a stream into files, in memory that does not grow, however long it runs."""

from hwsim.record.recorder import Recording, record, samples_in

__all__ = ["Recording", "record", "samples_in"]
