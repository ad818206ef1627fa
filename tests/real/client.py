"""A signed-in client that is no browser: for bodies and messages of any size.

`*.localhost` resolves in browsers, but not everywhere else: here it is 127.0.0.1.
"""

import html
import json
import re
import socket
import uuid

import requests
import websocket
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)

from processes import PASSWORD

V1 = "v1.kernel.websocket.jupyter.org"
NAVIGATION = {
    "Accept": "text/html",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Site": "none",
}

_resolve = socket.getaddrinfo


def _resolve_localhost(host, *rest, **options):
    if isinstance(host, str) and host.endswith("localhost"):
        host = "127.0.0.1"
    return _resolve(host, *rest, **options)


socket.getaddrinfo = _resolve_localhost


def hidden_fields(page):
    """Name and value of each hidden field of a page."""
    fields = {}
    for tag in re.findall(r"<input[^>]*>", page):
        attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if attributes.get("type") == "hidden":
            fields[attributes["name"]] = html.unescape(attributes.get("value", ""))
    return fields


class Client:
    """Somebody who is signed in at a tool's host."""

    def __init__(self, lab, tool, user="ana"):
        self.tool = tool
        self.http = requests.Session()
        page = self.http.get(f"{tool}/api", headers=NAVIGATION, timeout=60)
        form = {**hidden_fields(page.text), "username": user, "password": PASSWORD}
        headers = {**NAVIGATION, "Origin": lab.main, "Sec-Fetch-Site": "same-origin"}
        answer = self.http.post(
            f"{lab.main}/.labgate/sign-in", data=form, headers=headers, timeout=60
        )
        assert answer.status_code == 200, f"{answer.status_code} {answer.url}: {answer.text}"
        assert answer.url == f"{tool}/api", answer.url

    def call(self, method, path, origin=None, **options):
        """A call as the tool's own page makes it; another `origin` as another page does."""
        headers = {"Origin": origin or self.tool, "Accept": "application/json"}
        return self.http.request(
            method, self.tool + path, headers=headers, timeout=300, **options
        )

    def cookies(self):
        """The `Cookie` value for the tool's host."""
        prepared = self.http.prepare_request(requests.Request("GET", self.tool))
        return prepared.headers["Cookie"]

    def websocket(self, path, origin=None, protocols=None, cookie=None):
        """A WebSocket as the tool's own page opens it."""
        return websocket.create_connection(
            self.tool.replace("http", "ws", 1) + path,
            origin=origin or self.tool,
            subprotocols=protocols,
            cookie=cookie or self.cookies(),
            timeout=60,
        )

    def kernel(self, protocols=None):
        """A new kernel and a socket to it."""
        answer = self.call("POST", "/api/kernels", json={"name": "python3"})
        assert answer.status_code == 201, answer.text
        return Kernel(self, answer.json()["id"], protocols)


class Kernel:
    """A kernel and the socket of one page to it."""

    def __init__(self, client, ident, protocols):
        self.client, self.ident = client, ident
        self.session = uuid.uuid4().hex
        path = f"/api/kernels/{ident}/channels?session_id={self.session}"
        self.socket = client.websocket(path, protocols=protocols)
        self.v1 = self.socket.subprotocol == V1

    def send(self, message_type, content):
        """Sends a request on the shell channel; its id."""
        ident = uuid.uuid4().hex
        header = {
            "msg_id": ident,
            "msg_type": message_type,
            "session": self.session,
            "username": "ana",
            "version": "5.3",
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "buffers": [],
        }
        if self.v1:
            pack = lambda part: json.dumps(part).encode()
            self.socket.send_binary(serialize_msg_to_ws_v1(message, "shell", pack))
        else:
            self.socket.send(json.dumps({**message, "channel": "shell"}))
        return ident

    def receive(self):
        """The next message: (type, parent's id, content, buffers)."""
        _, data = self.socket.recv_data()
        if not self.v1:
            message = json.loads(data)
            parent = message["parent_header"].get("msg_id")
            return message["header"]["msg_type"], parent, message["content"], []
        _, parts = deserialize_msg_from_ws_v1(data)
        header, parent, _, content = map(json.loads, parts[:4])
        return header["msg_type"], parent.get("msg_id"), content, parts[4:]

    def run(self, code):
        """Runs `code`: all that it printed, and the buffers of what it displayed."""
        options = {"silent": False, "store_history": False, "stop_on_error": True}
        ident = self.send("execute_request", {"code": code, **options, "allow_stdin": False})
        text, buffers = "", []
        while True:
            kind, parent, content, more = self.receive()
            if parent != ident:
                continue
            assert kind != "error", content
            if kind == "stream":
                text += content["text"]
            if kind == "display_data":
                buffers += more
            if kind == "status" and content["execution_state"] == "idle":
                return text, buffers

    def end(self):
        """Closes the socket and shuts the kernel down."""
        self.socket.close()
        assert self.client.call("DELETE", f"/api/kernels/{self.ident}").status_code == 204
