"""Memory does not grow with what is streamed."""

import socket
import threading

import pytest

LIMIT = 64 << 20
PIECE = bytes(range(256)) * 4096
GIBIBYTE = 1 << 30


class Upstream:
    """A tool that takes any body, sends `/N` bytes on GET, and counts both."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sent = self.taken = 0
        self.stalled = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head, body = data.split(b"\r\n\r\n", 1)
            if head.startswith(b"GET"):
                self._send(connection, int(head.split(b" ")[1][1:]))
            else:
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                self.taken = len(body)
                self._take(connection, int(fields[b"content-length"]))

    def _send(self, connection, size):
        connection.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode())
        # Three seconds without room mean that the other end waits.
        connection.settimeout(3)
        while self.sent < size:
            try:
                self.sent += connection.send(PIECE)
            except TimeoutError:
                self.stalled.set()
            except OSError:
                return

    def _take(self, connection, size):
        buffer = bytearray(1 << 20)
        while self.taken < size:
            got = connection.recv_into(buffer)
            if not got:
                return
            self.taken += got
        answer = str(self.taken).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)


@pytest.fixture
def upstream():
    upstream = Upstream()
    yield upstream
    upstream.listener.close()


@pytest.fixture
def streaming(start_labgate, upstream):
    """labgate with the stand-in at its main address, open to everybody."""
    return start_labgate(
        f"""
[[route]]
name = "stream"
upstream = "http://127.0.0.1:{upstream.port}"
access = "public"
"""
    )


def connect(lab):
    return socket.create_connection(("127.0.0.1", lab.port), timeout=60)


def read_head(connection):
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, body = data.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200"), head
    return body


def download(lab, size):
    """Reads `size` bytes; how many of them came."""
    with connect(lab) as connection:
        head = f"GET /{size} HTTP/1.1\r\nhost: localhost:{lab.port}\r\n\r\n"
        connection.sendall(head.encode())
        got = len(read_head(connection))
        buffer = bytearray(1 << 20)
        while got < size and (more := connection.recv_into(buffer)):
            got += more
        return got


def upload(lab, size):
    """Sends `size` bytes; how many the tool says it got."""
    with connect(lab) as connection:
        head = f"PUT / HTTP/1.1\r\nhost: localhost:{lab.port}\r\ncontent-length: {size}\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(size // len(PIECE)):
            connection.sendall(PIECE)
        return int(read_head(connection))


@pytest.mark.long
def test_a_gibibyte_each_way_needs_less_than_64_mebibytes(streaming):
    assert download(streaming, GIBIBYTE) == GIBIBYTE
    assert upload(streaming, GIBIBYTE) == GIBIBYTE
    most = streaming.most_memory()
    print(f"most memory of labgate: {most >> 20} MiB")
    assert most < LIMIT


def test_64_mebibytes_each_way_need_less_than_that(streaming):
    assert download(streaming, 64 << 20) == 64 << 20
    assert upload(streaming, 64 << 20) == 64 << 20
    assert streaming.most_memory() < LIMIT


def test_a_reader_that_stops_makes_the_tool_wait(streaming, upstream):
    with connect(streaming) as connection:
        head = f"GET /{GIBIBYTE} HTTP/1.1\r\nhost: localhost:{streaming.port}\r\n\r\n"
        connection.sendall(head.encode())
        read_head(connection)
        assert upstream.stalled.wait(30), "nobody waits for the reader"
        # What stands in the sockets' own buffers, and one piece of ours.
        assert upstream.sent < 32 << 20
        assert streaming.most_memory() < LIMIT
