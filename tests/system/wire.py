"""ZMTP 3 by hand, over a TCP socket: for peers that do what no libzmq does."""
import os
import socket
import struct
import sys

from casebus import SRC

sys.path.append(os.path.join(SRC, "tests", "ledger"))
from proxy import COMMAND, GREETING, LONG, frame_end  # noqa: E402


def greeting(mechanism=b"NULL", version=b"\x03\x00"):
    return (b"\xff" + bytes(8) + b"\x7f" + version + mechanism.ljust(20, b"\0")).ljust(GREETING, b"\0")


def frame(body, flags=0):
    if len(body) > 255:
        return bytes([flags | LONG]) + struct.pack(">Q", len(body)) + body
    return bytes([flags, len(body)]) + body


def ready(kind):
    return frame(b"\x05READY\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind, COMMAND)


def frames(data):
    """The greeting and each whole frame after it, as they are on the wire."""
    parts, at = [bytes(data[:GREETING])], GREETING
    while (end := frame_end(data, at)) is not None and end <= len(data):
        parts.append(bytes(data[at:end]))
        at = end
    return parts


def connect(endpoint):
    host, _, port = endpoint.rpartition("://")[2].rpartition(":")
    return socket.create_connection((host, int(port)))


class Wire:
    """A TCP connection: to an endpoint, or one that was accepted."""

    def __init__(self, endpoint, data=b"", accepted=None):
        self.socket = accepted or connect(endpoint)
        self.socket.settimeout(30)
        if data:
            self.send(data)

    def send(self, data):
        """False: the other side has hung up."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def exactly(self, size):
        """So many bytes; fewer if the other side hangs up."""
        data = b""
        while len(data) < size and (chunk := self.socket.recv(size - len(data))):
            data += chunk
        return data

    def done(self):
        """Nothing more is said."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it had hung up already

    def rest(self):
        """All that comes until the other side hangs up, which it must."""
        data = bytearray()
        try:
            while chunk := self.socket.recv(65536):
                data += chunk
        except ConnectionResetError:
            pass
        self.socket.close()
        return bytes(data)

    def reset(self):
        """Leaves without a word: what was on its way may not arrive."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class ServerOf:
    """Listens, and says the same to each who connects."""

    def __init__(self, data):
        self.data = data
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(30)
        self.endpoint = "tcp://127.0.0.1:%d" % self.socket.getsockname()[1]

    def serve_one(self):
        """Until the client hangs up, which it must."""
        accepted, _ = self.socket.accept()
        return Wire(self.endpoint, self.data, accepted).rest()
