"""A JupyterLab that somebody else runs with a token, behind labgate, in a real browser."""

import base64
import json

import requests
from playwright.sync_api import expect

import lab_ui
from processes import PASSWORD


def test_signing_in_leads_to_a_working_lab(lab, page, sign_in, picture):
    page.goto(lab.host("jupyter"))
    expect(page.locator("[name=username]")).to_be_visible()
    picture(page, "sign-in")
    sign_in(page)
    lab_ui.open_lab(page, f"{lab.host('jupyter')}/lab?reset")
    assert lab_ui.run_in_notebook(page, "print(6*7)") == "42"
    picture(page, "lab")
    lab_ui.type_in_terminal(page, "echo $((40+2))", "42")


def test_the_browser_never_sees_the_token(lab, jupyter, browser, sign_in, tmp_path):
    # The counterpart: Jupyter's own page does carry it, so there is something to find.
    header = {"Authorization": f"token {jupyter.token}"}
    assert jupyter.token in requests.get(f"{jupyter.url}/lab", headers=header, timeout=60).text

    record = tmp_path / "record.har"
    frames = []
    context = browser.new_context(record_har_path=record, record_har_content="embed")
    page = context.new_page()

    def listen(socket):
        frames.append(socket.url)
        socket.on("framereceived", lambda frame: frames.append(frame))
        socket.on("framesent", lambda frame: frames.append(frame))

    page.on("websocket", listen)
    page.goto(lab.host("jupyter"))
    sign_in(page)
    lab_ui.open_lab(page, f"{lab.host('jupyter')}/lab?reset")
    assert lab_ui.run_in_notebook(page, "print(6*7)") == "42"
    for path in ["/tree", "/api/status", "/api/contents", "/login", "/nothing-here", "/hub"]:
        page.goto(lab.host("jupyter") + path)
    storage = json.dumps(context.storage_state(indexed_db=True))
    storage += page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}])")
    context.close()

    assert jupyter.token not in storage
    assert len(frames) > 10
    for frame in frames:
        frame = frame if isinstance(frame, bytes) else frame.encode()
        assert jupyter.token.encode() not in frame
    entries = json.loads(record.read_text())["log"]["entries"]
    urls = [entry["request"]["url"] for entry in entries]
    assert any(url.endswith("/lab?reset") for url in urls) and len(urls) > 50, urls
    for entry in entries:
        body = entry["response"]["content"].pop("text", "")
        if entry["response"]["content"].get("encoding") == "base64":
            body = base64.b64decode(body).decode("latin-1")
        assert jupyter.token not in body, entry["request"]["url"]
        assert jupyter.token not in json.dumps(entry), entry["request"]["url"]


def test_labgate_keeps_the_token_out_of_its_logs_and_arguments(lab, jupyter, ana):
    assert ana.call("GET", "/api/kernels").status_code == 200
    assert ana.call("GET", "/lab?token=wrong").status_code == 200
    assert jupyter.token not in lab.output
    with open(f"/proc/{lab.child.pid}/cmdline") as arguments:
        assert jupyter.token not in arguments.read()


def test_a_foreign_page_cannot_start_or_reach_a_kernel(jupyter, ana):
    kernel = ana.kernel()
    before = len(jupyter.kernels())
    foreign = ["http://evil.example", "null", ana.tool.replace("http:", "https:")]
    foreign.append(ana.tool.replace("jupyter.", "evil."))
    for origin in foreign:
        answer = ana.call("POST", "/api/kernels", origin=origin, json={"name": "python3"})
        assert answer.status_code == 403, origin
        path = f"/api/kernels/{kernel.ident}/channels"
        try:
            ana.websocket(path, origin=origin).close()
            raise AssertionError(f"{origin} opened a WebSocket")
        except Exception as refused:
            assert getattr(refused, "status_code", None) == 403, (origin, refused)
        answer = ana.call("DELETE", f"/api/kernels/{kernel.ident}", origin=origin)
        assert answer.status_code == 403, origin
    assert len(jupyter.kernels()) == before
    assert kernel.run("print(6*7)")[0] == "42\n", "the page's own socket goes on"
    kernel.end()


def test_a_wrong_password_says_so_and_nothing_more(lab, page, sign_in):
    page.goto(lab.host("jupyter"))
    texts = []
    for user in ["ana", "nobody"]:
        sign_in(page, user, "wrong")
        expect(page.locator("[name=password]")).to_be_visible()
        assert page.locator("[name=password]").input_value() == ""
        alert = page.locator("[role=alert]")
        expect(alert).to_be_visible()
        texts.append(alert.inner_text())
    assert texts[0] == texts[1], "the same for an unknown name"
    sign_in(page, "ana", PASSWORD)
    page.wait_for_url(lambda url: url.startswith(lab.host("jupyter")))


def test_signing_out_ends_the_open_lab(lab, page, sign_in):
    page.goto(lab.host("jupyter"))
    sign_in(page)
    closed = []
    page.on("websocket", lambda socket: socket.on("close", lambda _: closed.append(socket.url)))
    lab_ui.open_lab(page, f"{lab.host('jupyter')}/lab?reset")
    assert lab_ui.run_in_notebook(page, "print(6*7)") == "42"
    home = page.context.new_page()
    home.goto(f"{lab.main}/.labgate/sign-out")
    home.click(lab_ui.SUBMIT)
    for _ in range(30):
        if any("/channels" in url for url in closed):
            break
        page.wait_for_timeout(100)
    assert any("/channels" in url for url in closed), "the kernel's socket ends within 3 s"
    home.goto(f"{lab.host('jupyter')}/lab?reset")
    expect(home.locator("[name=username]")).to_be_visible()
