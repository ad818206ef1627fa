"""One labgate at three addresses at once, in a real browser: a name on https, `localhost`, and an
address of a LAN on plain http, where browsers say least and allow least.

The browser is told that all names are this machine, so that nothing leaves it.
"""

import os
import socket
import ssl

import pytest
from playwright.sync_api import expect

import lab_ui
from processes import free_port

NAME = "lab.test"
LAN = "192.168.77.20"


@pytest.fixture
def lab(start_labgate, jupyter):
    """labgate with a listener for each address, and JupyterLab on every main host."""
    tls, plain = free_port(), free_port()
    aliases = [f"https://{NAME}:{tls}", f"http://{LAN}:{plain}"]
    config = f"""
[[listener]]
name = "secure"
address = "127.0.0.1:{tls}"
tls = "self-signed"
[[listener]]
name = "lan"
address = "127.0.0.1:{plain}"
[[route]]
name = "jupyter"
upstream = "{jupyter.url}"
app = "jupyter"
token = {{ env = "JUPYTER_TOKEN" }}
access = "signed-in"
"""
    environment = {"LABGATE_SERVER__ALIASES": ",".join(aliases)}
    lab = start_labgate(config, JUPYTER_TOKEN=jupyter.token, **environment)
    lab.tls, lab.sites = tls, [*aliases, lab.main]
    return lab


@pytest.fixture
def context(browser):
    """A person's browser; it takes our own certificate, which is looked at elsewhere."""
    own = browser.browser_type.launch(
        executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
        args=[
            "--no-sandbox",
            f"--host-resolver-rules=MAP {NAME} 127.0.0.1,MAP {LAN} 127.0.0.1",
        ],
    )
    yield own.new_context(ignore_https_errors=True, viewport={"width": 1280, "height": 800})
    own.close()


def test_each_address_has_a_lab_and_a_session_of_its_own(lab, context, sign_in, picture):
    pages, closed = [], []
    for site in lab.sites:
        page = context.new_page()
        sockets = []
        page.on("websocket", lambda socket, sockets=sockets: sockets.append(socket))
        page.goto(f"{site}/lab?reset")
        expect(page.locator("[name=username]")).to_be_visible()
        assert page.url.startswith(f"{site}/.labgate/sign-in?")
        secure = page.evaluate("isSecureContext")
        assert secure == (LAN not in site), "browsers see what the address says"
        warned = page.get_by_text("not encrypted").is_visible()
        assert warned == (LAN in site), site
        picture(page, f"alias-sign-in-{len(pages)}")
        sign_in(page)
        lab_ui.open_lab(page, f"{site}/lab?reset")
        assert lab_ui.run_in_notebook(page, f"print('{len(pages)}'*2)") == str(len(pages)) * 2
        picture(page, f"alias-lab-{len(pages)}")
        ours = f"{site.replace('http', 'ws', 1)}/api/kernels/"
        kernels = [socket for socket in sockets if socket.url.startswith(ours)]
        assert kernels and not kernels[-1].is_closed(), [socket.url for socket in sockets]
        pages.append(page)
        closed.append(kernels[-1])

    cookies = {
        (cookie["domain"], cookie["name"], cookie["secure"])
        for cookie in context.cookies()
        if cookie["name"] in ["labgate", "__Host-labgate"]
    }
    assert cookies == {
        (NAME, "__Host-labgate", True),
        ("localhost", "labgate", False),
        (LAN, "labgate", False),
    }

    for place, site in enumerate(lab.sites):
        home = context.new_page()
        home.goto(f"{site}/.labgate/sign-out")
        home.click(lab_ui.SUBMIT)
        expect(home.get_by_text("signed out").first).to_be_visible()
        for _ in range(30):
            if closed[place].is_closed():
                break
            home.wait_for_timeout(100)
        assert [socket.is_closed() for socket in closed] == [
            other <= place for other in range(len(closed))
        ], site
        home.goto(f"{site}/lab")
        expect(home.locator("[name=username]")).to_be_visible()


def test_a_loopback_address_in_the_address_bar_leads_to_localhost(lab, context, sign_in):
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{lab.port}/tree?a=%2Fb")
    assert page.url == f"{lab.main}/.labgate/sign-in?return=/tree%3Fa%3D%252Fb"
    sign_in(page)
    page.wait_for_url(f"{lab.main}/tree?a=%2Fb")

    page.goto(f"http://[::ffff:127.0.0.1]:{lab.port}/.labgate/")
    assert page.url == f"{lab.main}/.labgate/"
    expect(page.get_by_text("ana").first).to_be_visible()

    answer = page.goto(f"http://other.localhost:{lab.port}/")
    assert answer.status == 421, "a name is no spelling of an address"


def test_our_certificate_is_for_the_alias_on_https_and_no_other(lab):
    [authority] = lab.home.glob("state/**/authority.crt")
    context = ssl.create_default_context(cafile=authority)
    for name, is_ours in [(NAME, True), (LAN, False), ("other.test", False)]:
        with socket.create_connection(("127.0.0.1", lab.tls), timeout=10) as plain:
            try:
                context.wrap_socket(plain, server_hostname=name).close()
                assert is_ours, name
            except ssl.SSLCertVerificationError:
                assert not is_ours, name
