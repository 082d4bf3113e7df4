"""An update of the firmware that survives a power failure.

The image goes page by page into the bank that does not run, and one last write commits it: the
device always has a whole firmware to start from.
"""

from __future__ import annotations

import hwsim

OLD, NEW = 0x00010000, 0x00020000


def main() -> None:
    """Loses the power in the middle of an update, and updates again."""
    image = hwsim.firmware.build_image(NEW, bytes(range(256)) * 64)
    uri = "hwsim://daq0?clock=virtual&latency=1ms"
    with hwsim.open(uri) as device:
        device.inject("power", at=20)
        try:
            device.program_firmware(image)
        except hwsim.errors.DeviceDisconnected as error:
            print(error)
        else:
            raise AssertionError("the power did not fail")

        device.inject("reconnect")  # the power is back: it starts from the old bank
        print(f"runs {device.firmware_version:#010x}")
        assert device.firmware_version == OLD

        pages: list[tuple[int, int]] = []
        device.program_firmware(image, progress=lambda done, total: pages.append((done, total)))
        print(f"runs {device.firmware_version:#010x} after {pages[-1][0]} pages")
        assert device.firmware_version == NEW
    with hwsim.open(uri) as device:  # flash outlives the handle, as it does in an instrument
        assert device.firmware_version == NEW


if __name__ == "__main__":
    main()
