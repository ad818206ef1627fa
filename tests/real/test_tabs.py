"""Many tabs of one real browser whose session has expired."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import expect

TABS = 20


@pytest.fixture
def tool():
    """A tool that says who opened which path; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = f"{self.headers['X-Forwarded-User']} at {self.path}".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def ours(context):
    """The browser's cookies of labgate, by host."""
    hosts = {}
    for cookie in context.cookies():
        if "labgate" in cookie["name"]:
            hosts.setdefault(cookie["domain"], []).append(cookie)
    return hosts


def test_all_tabs_of_an_expired_session_end_signed_in(start_labgate, tool, browser, sign_in):
    """T41: no circle, one pending sign-in, less than 1 KiB of cookies."""
    lab = start_labgate(f"""
[[route]]
name = "tool"
host = "tool.localhost"
upstream = "http://127.0.0.1:{tool}"
access = "signed-in"
""")
    with browser.new_context() as context:
        first = context.new_page()
        first.goto(f"{lab.host('tool')}/")
        sign_in(first)
        expect(first.locator("body")).to_contain_text("ana at /")
        # As after a night: the browser has the cookies still, and labgate knows them no more.
        for cookie in context.cookies():
            if cookie["name"] == "labgate":
                context.add_cookies([{**cookie, "value": "A" * 43}])

        tabs = [context.new_page() for _ in range(TABS)]
        for number, tab in enumerate(tabs):
            tab.goto(f"{lab.host('tool')}/tab/{number}?x=%2F")
            expect(tab.locator("[name=password]")).to_be_visible()
        for cookies in ours(context).values():
            pending = [one["name"] for one in cookies if one["name"] != "labgate"]
            assert len(pending) == 1, pending

        for number, tab in enumerate(tabs):
            sign_in(tab)
            expect(tab.locator("body")).to_contain_text(f"ana at /tab/{number}?x=%2F")
        for host, cookies in ours(context).items():
            size = sum(len(one["name"]) + len(one["value"]) + 3 for one in cookies)
            assert size < 1024, f"{host}: {cookies}"
        for number, tab in enumerate(tabs):
            tab.reload()
            expect(tab.locator("body")).to_contain_text(f"ana at /tab/{number}")
