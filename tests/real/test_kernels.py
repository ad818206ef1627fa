"""Large messages, large uploads, silent sockets: through labgate to a real Jupyter server."""

import base64
import hashlib
import json
import time

import pytest

from client import V1
from processes import PASSWORD

MEGABYTES = 20

DISPLAY = f"""
shell = get_ipython().kernel
content = {{"data": {{"text/plain": "bytes"}}, "metadata": {{}}}}
parent = shell.get_parent() if hasattr(shell, "get_parent") else shell._parent_header
shell.session.send(shell.iopub_socket, "display_data", content, parent=parent,
                   buffers=[bytes(range(250)) * {MEGABYTES * 4000}])
"""


@pytest.mark.parametrize("protocols", [[V1], None], ids=["v1", "legacy"])
def test_a_kernel_answers_over_either_protocol(ana, protocols):
    kernel = ana.kernel(protocols)
    assert kernel.v1 == bool(protocols), "the subprotocol is the one that was asked for"
    assert kernel.run("print(6*7)") == ("42\n", [])
    kernel.end()


def test_a_terminal_answers(ana):
    name = ana.call("POST", "/api/terminals").json()["name"]
    socket = ana.websocket(f"/terminals/websocket/{name}")
    socket.send(json.dumps(["stdin", "echo $((40+2))\r"]))
    said = ""
    while "42" not in said:
        kind, *rest = json.loads(socket.recv())
        said += rest[0] if kind == "stdout" else ""
    socket.close()
    assert ana.call("DELETE", f"/api/terminals/{name}").status_code == 204


def test_paths_and_ranges_arrive_as_they_are(ana, jupyter):
    (jupyter.root / "a b+c%d.txt").write_text("0123456789")
    answer = ana.call("GET", "/files/a%20b%2Bc%25d.txt")
    assert answer.text == "0123456789"
    ana.http.headers["Range"] = "bytes=2-4"
    answer = ana.call("GET", "/files/a%20b%2Bc%25d.txt")
    del ana.http.headers["Range"]
    assert (answer.status_code, answer.text) == (206, "234")


@pytest.mark.long
@pytest.mark.parametrize("protocols", [[V1], None], ids=["v1", "legacy"])
def test_kernel_messages_of_20_megabytes_pass_both_ways(ana, protocols):
    kernel = ana.kernel(protocols)
    size = MEGABYTES * 1_000_000
    assert kernel.run(f"print('x' * {size}, end='')")[0] == "x" * size
    code = f"text = '{'y' * size}'\nprint(len(text))"
    assert kernel.run(code)[0] == f"{size}\n"
    if protocols:
        _, buffers = kernel.run(DISPLAY)
        assert buffers and bytes(buffers[0]) == bytes(range(250)) * (MEGABYTES * 4000)
    kernel.end()


def _digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.long
def test_200_megabytes_are_uploaded_in_chunks(ana, jupyter, lab):
    piece = bytes(range(250)) * 4000
    whole = hashlib.sha256()
    for number in range(1, 201):
        whole.update(piece)
        body = {
            "type": "file",
            "format": "base64",
            "content": base64.b64encode(piece).decode(),
            "chunk": -1 if number == 200 else number,
        }
        answer = ana.call("PUT", "/api/contents/chunks.bin", json=body)
        assert answer.status_code in (200, 201), answer.text
    assert _digest(jupyter.root / "chunks.bin") == whole.hexdigest()
    assert lab.most_memory() < 64 << 20


@pytest.mark.long
def test_200_megabytes_are_uploaded_in_one_piece(ana, jupyter, lab):
    text = "0123456789" * 20_000_000
    body = json.dumps({"type": "file", "format": "text", "content": text}).encode()
    answer = ana.call("PUT", "/api/contents/whole.txt", data=body)
    assert answer.status_code == 201, answer.text
    assert (jupyter.root / "whole.txt").stat().st_size == 200_000_000
    assert _digest(jupyter.root / "whole.txt") == hashlib.sha256(text.encode()).hexdigest()
    assert lab.most_memory() < 64 << 20


@pytest.mark.long
def test_a_socket_that_is_silent_for_two_minutes_still_works(ana, lab):
    kernel = ana.kernel([V1])
    assert kernel.run("print(6*7)")[0] == "42\n"
    kernel.socket.settimeout(5)
    until = time.monotonic() + 121
    while time.monotonic() < until:
        # Reading answers the server's pings, as a browser does; no message may come.
        try:
            raise AssertionError(f"not silent: {kernel.receive()}")
        except OSError as silence:
            assert "timed out" in str(silence), silence
        except Exception as silence:
            assert type(silence).__name__ == "WebSocketTimeoutException", silence
    kernel.socket.settimeout(60)
    assert kernel.run("print(6*7)")[0] == "42\n"
    assert PASSWORD not in lab.output
    kernel.end()
