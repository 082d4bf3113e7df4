/* hot.i: the calls that must cost next to nothing: METH_FASTCALL, with their options by keyword. */
%keyword_method(hwsim::device, read_register, 1, "address timeout cancel",
  "read_register($self, address, *, timeout=None, cancel=None)\n--\n\n"
  "Reads the register at ``address``. Blocks; may be called from any thread.\n\n"
  "Args:\n"
  "    address: In bytes.\n"
  "    timeout: In seconds; None: the device's.\n"
  "    cancel: A CancelToken that stops the call.\n\n"
  "Raises:\n"
  "    AddressError: There is no register at this address.\n"
  "    AccessError: The register is write-only.\n")
%keyword_method(hwsim::device, write_register, 2, "address value timeout cancel",
  "write_register($self, address, value, *, timeout=None, cancel=None)\n--\n\n"
  "Writes the register at ``address``. Blocks; may be called from any thread.\n\n"
  "Args:\n"
  "    address: In bytes.\n"
  "    value: From 0 to what the register has bits for.\n"
  "    timeout: In seconds; None: the device's.\n"
  "    cancel: A CancelToken that stops the call.\n\n"
  "Raises:\n"
  "    AddressError: There is no register at this address.\n"
  "    AccessError: The register is read-only.\n"
  "    InvalidArgument: The value has more bits than the register.\n")
