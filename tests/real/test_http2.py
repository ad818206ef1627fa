"""JupyterLab over https and HTTP/2 in a real browser: its WebSockets on the page's connection."""

import pytest

import lab_ui
from processes import wait_for

MEGABYTES = 20

# A kernel of its own, and code run in it over a socket of the older, textual protocol.
RUN = """
async ([code, size]) => {
    const answer = await fetch("/api/kernels", { method: "POST" });
    const kernel = await answer.json();
    const url = `wss://${location.host}/api/kernels/${kernel.id}/channels?session_id=x`;
    const socket = new WebSocket(url);
    await new Promise((done, failed) => { socket.onopen = done; socket.onerror = failed; });
    const run = (code) => new Promise((done, failed) => {
        const id = crypto.randomUUID();
        let text = "";
        socket.onclose = (event) => failed(`closed: ${event.code}`);
        socket.onmessage = (event) => {
            const message = JSON.parse(event.data);
            if (message.parent_header.msg_id !== id) return;
            if (message.msg_type === "stream") text += message.content.text;
            if (message.content.execution_state === "idle") done(text);
        };
        const header = {
            msg_id: id, msg_type: "execute_request", username: "", session: "x",
            version: "5.3", date: new Date().toISOString(),
        };
        const content = {
            code, silent: false, store_history: false, user_expressions: {},
            allow_stdin: false, stop_on_error: true,
        };
        const message = { header, parent_header: {}, metadata: {}, content, channel: "shell" };
        socket.send(JSON.stringify({ ...message, buffers: [] }));
    });
    const down = await run(`print("x" * ${size}, end="")`);
    const up = await run(`text = "${"y".repeat(size)}"\\nprint(len(text))`);
    const small = await run(code);
    socket.onclose = null;
    socket.close();
    await fetch(`/api/kernels/${kernel.id}`, { method: "DELETE" });
    return [down === "x".repeat(size), up, small];
}
"""


@pytest.fixture
def start_secure(start_labgate, jupyter):
    """labgate with a certificate of its own in front of the JupyterLab."""

    def start(listener=""):
        config = f"""
[[route]]
name = "jupyter"
host = "jupyter.localhost"
upstream = "{jupyter.url}"
app = "jupyter"
token = {{ env = "JUPYTER_TOKEN" }}
access = "signed-in"
"""
        listener = f'tls = "self-signed"\n{listener}'
        return start_labgate(config, listener, JUPYTER_TOKEN=jupyter.token)

    return start


@pytest.fixture
def secure_page(browser):
    """A page of a person who trusts every certificate."""
    with browser.new_context(ignore_https_errors=True) as context:
        yield context.new_page()


class Handshakes:
    """The answers that a page's WebSockets got, by path, and how its requests travelled."""

    def __init__(self, page):
        self.statuses, self.protocols, self.urls = {}, set(), {}
        session = page.context.new_cdp_session(page)
        session.on("Network.webSocketCreated", self._created)
        session.on("Network.webSocketHandshakeResponseReceived", self._answered)
        session.on("Network.responseReceived", self._received)
        session.send("Network.enable")

    def _created(self, event):
        self.urls[event["requestId"]] = event["url"].split("?")[0]

    def _answered(self, event):
        url = self.urls.get(event["requestId"], "")
        self.statuses[url] = event["response"]["status"]

    def _received(self, event):
        if "jupyter.localhost" in event["response"]["url"]:
            self.protocols.add(event["response"].get("protocol"))

    def of(self, part):
        """The statuses of sockets whose address has `part` in it."""
        return {status for url, status in self.statuses.items() if part in url}


def open_and_work(lab, page, sign_in):
    """A notebook cell and a terminal; what the sockets' handshakes were answered."""
    handshakes = Handshakes(page)
    page.goto(lab.host("jupyter"))
    sign_in(page)
    lab_ui.open_lab(page, f"{lab.host('jupyter')}/lab?reset")
    assert lab_ui.run_in_notebook(page, "print(6*7)") == "42"
    lab_ui.type_in_terminal(page, "echo $((40+2))", "42")
    assert handshakes.protocols == {"h2"}
    return handshakes


def test_notebook_and_terminal_work_on_one_connection(start_secure, secure_page, sign_in):
    lab = start_secure()
    handshakes = open_and_work(lab, secure_page, sign_in)
    # The answer of HTTP/2; that of HTTP/1.1 would be 101.
    assert handshakes.of("/api/kernels/") == {200}
    assert handshakes.of("/terminals/websocket/") == {200}
    # One of the tool's host and, for a while, one of the main host, where Ana signed in.
    assert lab.connections() <= 2


def test_without_them_each_has_a_connection_of_its_own(start_secure, secure_page, sign_in):
    lab = start_secure("http2_websocket = false")
    handshakes = open_and_work(lab, secure_page, sign_in)
    assert handshakes.of("/api/kernels/") == {101}
    assert handshakes.of("/terminals/websocket/") == {101}
    assert lab.connections() > 2


@pytest.mark.long
def test_messages_of_20_megabytes_pass_both_ways(start_secure, secure_page, sign_in):
    lab = start_secure()
    handshakes = Handshakes(secure_page)
    secure_page.goto(lab.host("jupyter"))
    sign_in(secure_page)
    lab_ui.open_lab(secure_page, f"{lab.host('jupyter')}/lab?reset")
    size = MEGABYTES * 1_000_000
    down, up, small = secure_page.evaluate(RUN, ["print(6*7)", size])
    assert (down, up, small) == (True, f"{size}\n", "42\n")
    assert handshakes.of("/api/kernels/") == {200}


@pytest.mark.long
def test_a_silent_notebook_outlives_many_pings(start_secure, secure_page, sign_in):
    lab = start_secure()
    handshakes = Handshakes(secure_page)
    secure_page.goto(lab.host("jupyter"))
    sign_in(secure_page)
    lab_ui.open_lab(secure_page, f"{lab.host('jupyter')}/lab?reset")
    assert lab_ui.run_in_notebook(secure_page, "print(6*7)") == "42"
    opened = len(handshakes.urls)
    secure_page.wait_for_timeout(80_000)
    lab_ui.run_in_cell(secure_page, "\nprint(7*8)")
    output = secure_page.locator(".jp-Notebook .jp-CodeCell .jp-OutputArea-output")
    wait_for("the answer", lambda: "56" in output.first.inner_text())
    assert len(handshakes.urls) == opened, "no socket had to be opened again"
