"""Fixtures: labgate, a JupyterLab of somebody else's, a browser."""

import os
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from client import Client
from lab_ui import SUBMIT
from processes import BINARY, PASSWORD, Jupyter, Labgate


def pytest_configure():
    """No binary, no tests: say so once instead of in every test."""
    if not BINARY.is_file():
        pytest.exit(f"{BINARY} is missing: run `cargo build` first, or scripts/test", 1)


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory):
    """A real JupyterLab with a token, running for all tests."""
    server = Jupyter.start(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.end()


@pytest.fixture
def start_labgate(tmp_path):
    """Starts labgate with a configuration; at the end it must stop in good order."""
    started = []

    def start(config, listener="", **environment):
        home = tmp_path / f"labgate-{len(started)}"
        home.mkdir()
        lab = Labgate.start(home, config, listener, **environment)
        started.append(lab)
        return lab

    yield start
    for lab in started:
        code = lab.end()
        assert code == 0, f"labgate ended with {code}:\n{lab.last_words}"
        assert "panicked" not in lab.output, lab.last_words


@pytest.fixture
def lab(start_labgate, jupyter):
    """labgate in front of the JupyterLab, at `http://jupyter.localhost:PORT`."""
    config = f"""
[[route]]
name = "jupyter"
host = "jupyter.localhost"
upstream = "{jupyter.url}"
app = "jupyter"
token = {{ env = "JUPYTER_TOKEN" }}
access = "signed-in"
"""
    return start_labgate(config, JUPYTER_TOKEN=jupyter.token)


@pytest.fixture
def ana(lab):
    """Ana, signed in at the JupyterLab."""
    return Client(lab, lab.host("jupyter"))


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium as Debian ships it."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page of a person who has not been here before."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        yield context.new_page()


@pytest.fixture
def sign_in():
    """Fills in the sign-in form on a page."""

    def fill_in(page, user="ana", password=PASSWORD):
        page.fill("[name=username]", user)
        page.fill("[name=password]", password)
        page.click(SUBMIT)

    return fill_in


@pytest.fixture
def picture():
    """Keeps a picture of a page where LABGATE_SCREENSHOTS names a folder."""

    def take(page, name):
        if folder := os.environ.get("LABGATE_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take
