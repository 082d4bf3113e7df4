"""SoapySDR's null device, from outside: an API of the same kind, bound with SWIG's -threads.

Its registers do nothing at all. Debian has it, for its own version of Python.
"""

import sys

from benchmarks.harness import Unavailable

sys.path.append("/usr/lib/python3/dist-packages")
try:
    import SoapySDR
except ImportError as error:
    raise Unavailable(f"{error}: Debian's python3-soapysdr, for its own Python only") from None


def Device(uri: str) -> SoapySDR.Device:  # noqa: N802 - the name that every peer has
    """Opens the null device, whatever the resource string."""
    return SoapySDR.Device("driver=null")
