"""`labgate quickstart`: from an empty home to a working JupyterLab, and nothing left behind."""

import os
import signal
import stat

import pytest
from playwright.sync_api import expect

import lab_ui
from lab_ui import SUBMIT
from processes import BINARY, Process, alive, clean_environment, family, free_port, wait_for


def quickstart(home, port, path=None, **environment):
    """Starts it with an empty home, in an empty folder."""
    work = home / "work"
    work.mkdir()
    environment = clean_environment(home, SHELL="/bin/bash", **environment)
    if path is not None:
        environment["PATH"] = f"{path}:/usr/local/bin:/usr/bin:/bin"
    command = [BINARY, "quickstart", "--port", port, "--no-browser", "--dir", work]
    return Process(command, environment, home)


def link_of(process, seconds):
    """The one-time sign-in link that it prints."""
    return process.line(r"(http://localhost:\d+/\.labgate/\S+)", seconds).group(1)


def works_in_jupyterlab(page, port):
    """A cell and a terminal, at the address of the tool."""
    lab_ui.open_lab(page, f"http://jupyter.localhost:{port}")
    assert lab_ui.run_in_notebook(page, "print(6*7)") == "42"
    lab_ui.type_in_terminal(page, "echo $((40+2))", "42")


def ends_with_all(process, how):
    """On that signal it ends with exit code 0, and so does all that it started."""
    started = family(process.child.pid)
    assert len(started) > 2, "JupyterLab and a kernel run below it"
    assert process.end(how, 30) == 0, process.output
    wait_for("the end of all that it started", lambda: not alive(started), 10)


def sockets_below(folder):
    """Unix sockets that are left in `folder`."""
    return [path for path in folder.rglob("*") if stat.S_ISSOCK(path.lstat().st_mode)]


def test_one_command_ends_in_a_working_lab(tmp_path, page, picture):
    port = free_port()
    process = quickstart(tmp_path, port)
    link = link_of(process, 120)

    page.goto(link)
    picture(page, "quickstart-link")
    page.click(SUBMIT)
    page.wait_for_url(lambda url: "/link" not in url)
    works_in_jupyterlab(page, port)

    ends_with_all(process, signal.SIGINT)
    assert sockets_below(tmp_path) == []
    assert "panicked" not in process.output, process.output


def test_the_link_works_once_and_only_by_a_click(tmp_path, browser):
    port = free_port()
    process = quickstart(tmp_path, port)
    link = link_of(process, 120)
    with browser.new_context() as preview, browser.new_context() as person:
        # A preview bot only looks at it.
        preview.new_page().goto(link)
        assert not preview.cookies() or all(c["name"] != "labgate" for c in preview.cookies())

        page = person.new_page()
        page.goto(link)
        page.click(SUBMIT)
        page.wait_for_url(lambda url: "/link" not in url)
        assert any(cookie["name"] == "labgate" for cookie in person.cookies())

        late = preview.new_page()
        answer = late.goto(link)
        button = late.locator(SUBMIT)
        if answer.status == 200 and button.count():
            button.first.click()
            late.wait_for_load_state()
        assert all(cookie["name"] != "labgate" for cookie in preview.cookies())
    assert process.end(signal.SIGTERM, 30) == 0, process.output


def test_a_second_one_on_the_same_port_says_so_and_leaves_the_first_alone(tmp_path):
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    port = free_port()
    first = quickstart(tmp_path / "first", port)
    link_of(first, 120)

    second = quickstart(tmp_path / "second", port)
    started = family(second.child.pid)
    assert second.finish(60) == 1, second.output
    assert str(port) in second.output and "in use" in second.output, second.output
    assert not alive(started)
    assert sockets_below(tmp_path / "second") == []

    assert first.end(signal.SIGINT, 30) == 0, first.output


def fake_jupyter(folder, body):
    """A `jupyter` that knows its version, and otherwise does `body`."""
    script = f"""#!/bin/sh
case "$*" in *--version*) echo 4.6.6; exit 0;; esac
echo $$ >> {folder}/pids
{body}
"""
    for name in ("jupyter", "jupyter-lab"):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)


def fails_clearly(process, folder, seconds):
    """It ends with exit code 1 and one message that names JupyterLab; nothing goes on."""
    started = family(process.child.pid)
    assert process.finish(seconds) == 1, process.output
    assert "JupyterLab" in process.output, process.output
    assert "panicked" not in process.output, process.output
    assert not alive(started)
    for pid in (folder / "pids").read_text().split():
        wait_for(f"the end of {pid}", lambda: not alive_pid(pid), 10)


def alive_pid(pid):
    """Whether a process of that number still runs."""
    try:
        with open(f"/proc/{pid}/stat") as status:
            return status.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_jupyterlab_that_ends_at_once_is_told_with_its_own_words(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    fake_jupyter(folder, "echo 'no module named tornado' >&2; exit 3")
    process = quickstart(tmp_path, free_port(), path=folder)

    fails_clearly(process, folder, 60)

    assert "no module named tornado" in process.output, process.output
    assert sockets_below(tmp_path) == []


@pytest.mark.long
def test_a_jupyterlab_that_never_gets_ready_is_given_up(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    fake_jupyter(folder, "sleep 1000 & wait")
    process = quickstart(tmp_path, free_port(), path=folder)

    fails_clearly(process, folder, 240)

    assert sockets_below(tmp_path) == []


def test_ctrl_c_while_it_still_starts_leaves_nothing(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    fake_jupyter(folder, "sleep 1000 & wait")
    process = quickstart(tmp_path, free_port(), path=folder)
    wait_for("the start of JupyterLab", (folder / "pids").exists, 30)
    started = family(process.child.pid)

    process.end(signal.SIGINT, 30)

    wait_for("the end of all that it started", lambda: not alive(started), 10)
    assert sockets_below(tmp_path) == []


@pytest.mark.long
def test_without_a_jupyterlab_it_sets_one_up(tmp_path, page):
    port = free_port()
    # No JupyterLab on this path, and the ordinary ways of pip to its packages.
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    process = quickstart(tmp_path, port, path="/usr/bin", **pip)
    link = link_of(process, 600)

    page.goto(link)
    page.click(SUBMIT)
    page.wait_for_url(lambda url: "/link" not in url)
    works_in_jupyterlab(page, port)
    expect(page.locator(".jp-Terminal").first).to_be_visible()

    ends_with_all(process, signal.SIGINT)
