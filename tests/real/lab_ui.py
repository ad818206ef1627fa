"""Working in labgate's pages and in JupyterLab with mouse and keyboard."""

from playwright.sync_api import expect

# The one thing to do on a page of labgate.
SUBMIT = "main form button:not([type=button])"


def open_lab(page, url):
    """Opens the lab and waits for its launcher."""
    page.goto(url)
    expect(page.locator(".jp-LauncherCard").first).to_be_visible(timeout=90_000)


def run_in_notebook(page, code):
    """Opens a new notebook, runs `code` in its first cell; what stands below the cell."""
    page.locator('.jp-LauncherCard[data-category="Notebook"]').first.click()
    cell = page.locator(".jp-Notebook .jp-CodeCell").first
    expect(cell).to_be_visible(timeout=60_000)
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=60_000)
    run_in_cell(page, code)
    output = cell.locator(".jp-OutputArea-output")
    expect(output.first).to_be_visible(timeout=60_000)
    return output.first.inner_text().strip()


def run_in_cell(page, code):
    """Types `code` into the first cell and runs it."""
    page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
    page.keyboard.type(code)
    page.keyboard.press("Shift+Enter")


def type_in_terminal(page, command, expected):
    """Opens a terminal, types `command`; waits until the terminal is sent `expected`.

    The screen is drawn as pixels, so what came over the page's socket counts.
    """
    received = []

    def listen(socket):
        if "/terminals/websocket/" in socket.url:
            socket.on("framereceived", lambda frame: received.append(str(frame)))

    page.on("websocket", listen)
    page.get_by_role("button", name="New Launcher").first.click()
    card = page.locator('.jp-LauncherCard[data-category="Other"]', has_text="Terminal")
    card.last.click()
    screen = page.locator(".jp-Terminal .xterm-screen").last
    expect(screen).to_be_visible(timeout=60_000)
    _wait(page, lambda: any("stdout" in frame for frame in received), "a prompt")
    screen.click()
    page.keyboard.type(command + "\n")
    _wait(page, lambda: expected in "".join(received), f"{expected} in the terminal")
    page.remove_listener("websocket", listen)


def _wait(page, condition, what):
    """Lets the page run until `condition` holds."""
    for _ in range(300):
        if condition():
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{what}: not within 30 s")
