"""Generators: what follows from the C headers and the interface files, as committed files."""
