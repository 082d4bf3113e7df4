"""A Modbus TCP server for the example: 100 registers, 100 bits, and answers after a delay."""

from __future__ import annotations

import socketserver
import struct
import threading
import time


class Server(socketserver.ThreadingTCPServer):
    """Answers functions 1, 3, 6, 15 and 16 on a free port of this machine.

    Attributes:
        delay: Seconds until each answer.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.delay = 0.0
        self.registers = [0] * 100
        self.bits = [0] * 100
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.server_address[1])

    def answer(self, request: bytes) -> bytes:
        """Returns the answer to a request, both without their headers."""
        function, address, count = struct.unpack(">BHH", request[:5])
        if address + (1 if function == 6 else count) > 100:
            return bytes([function | 0x80, 2])  # illegal data address
        if function == 1:
            packed = sum(bit << i for i, bit in enumerate(self.bits[address : address + count]))
            return bytes([1, (count + 7) // 8]) + packed.to_bytes((count + 7) // 8, "little")
        if function == 3:
            values = self.registers[address : address + count]
            return struct.pack(f">BB{count}H", 3, 2 * count, *values)
        if function == 6:
            self.registers[address] = count
        elif function == 15:
            packed = int.from_bytes(request[6:], "little")
            self.bits[address : address + count] = [packed >> i & 1 for i in range(count)]
        elif function == 16:
            values = list(struct.unpack(f">{count}H", request[6:]))
            self.registers[address : address + count] = values
        else:
            return bytes([function | 0x80, 1])  # illegal function
        return request[:5]


class _Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        while header := self.rfile.read(7):
            transaction, _, length, unit = struct.unpack(">HHHB", header)
            answer = self.server.answer(self.rfile.read(length - 1))
            time.sleep(self.server.delay)
            self.wfile.write(struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer)
