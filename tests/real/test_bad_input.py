"""What goes wrong gets one clear message, the right exit code, and leaves nothing behind."""

import os
import re
import socket
import subprocess

import pytest

from processes import BINARY, clean_environment, free_port, run

BAD_CONFIGURATION = 78
FAILED = 1

GOOD = """
[server]
public_url = "http://localhost:{port}"
state_dir = "{state}"
[[listener]]
name = "public"
address = "127.0.0.1:{port}"
"""


def configuration(folder, further="", state=None, port=None):
    """A file that loads, with `further` below it."""
    path = folder / "labgate.toml"
    path.write_text(GOOD.format(port=port or free_port(), state=state or folder / "state") + further)
    if state is None:
        (folder / "state").mkdir(exist_ok=True)
    return path


def said(result):
    """All that a command said; never a panic."""
    text = result.stdout + result.stderr
    assert "panicked" not in text and "backtrace" not in text, text
    return text


@pytest.mark.parametrize("command", ["check", "serve"])
def test_all_mistakes_are_named_at_once_with_their_places(tmp_path, command):
    path = configuration(
        tmp_path,
        """
[session]
idel = "8h"
lifetime = "soon"
[[route]]
name = "jupyter"
host = "jupyter.localhost"
upstream = "ftp://127.0.0.1:8888"
access = { groups = [] }
[[route]]
name = "jupyter"
host = "other.localhost"
upstream = "http://127.0.0.1:8888"
""",
    )
    result = run(command, "-c", path, home=tmp_path)
    assert result.returncode == BAD_CONFIGURATION, said(result)
    places = re.findall(r"^(?:labgate: )?\S*labgate\.toml:(\d+):\d+: (.+)$", said(result), re.M)
    lines = path.read_text().splitlines()
    wrong = {lines[int(number) - 1]: message for number, message in places}
    for line, hint in {
        'idel = "8h"': "idle",
        'lifetime = "soon"': "",
        'upstream = "ftp://127.0.0.1:8888"': "",
        "access = { groups = [] }": "",
    }.items():
        assert line in wrong, said(result)
        assert hint in wrong[line], said(result)
    assert len(places) >= 6, f"the second jupyter and its missing access too: {said(result)}"
    assert [int(number) for number, _ in places] == sorted(int(number) for number, _ in places)
    assert not (tmp_path / "state/labgate").exists(), "nothing is made for a bad configuration"


def test_a_good_configuration_checks(tmp_path):
    result = run("check", "-c", configuration(tmp_path), home=tmp_path)
    assert result.returncode == 0, said(result)


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path):
    result = run("check", "-c", tmp_path / "nowhere.toml", home=tmp_path)
    assert result.returncode == BAD_CONFIGURATION and "nowhere.toml" in said(result)
    broken = configuration(tmp_path, "[[route]\n")
    result = run("serve", "-c", broken, home=tmp_path)
    assert result.returncode == BAD_CONFIGURATION and "labgate.toml:" in said(result)


def test_wrong_arguments_are_64(tmp_path):
    for arguments in (["sevre"], ["serve", "--no-such-flag"], ["quickstart", "--port", "many"]):
        assert run(*arguments, home=tmp_path).returncode == 64, arguments


def test_a_port_in_use_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "-c", configuration(tmp_path, port=port), home=tmp_path)
    assert result.returncode == FAILED, said(result)
    assert f"127.0.0.1:{port}" in said(result) and "in use" in said(result)
    assert "listening on" not in said(result)


def openssl(folder, name):
    """A certificate and its key."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        + ["-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        + ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"],
        check=True,
        capture_output=True,
    )


@pytest.mark.parametrize("damage", ["missing", "garbage", "another key"])
def test_a_broken_certificate_is_named(tmp_path, damage):
    openssl(tmp_path, "lab")
    openssl(tmp_path, "other")
    certificate, key = tmp_path / "lab.crt", tmp_path / "lab.key"
    if damage == "missing":
        certificate.unlink()
    elif damage == "garbage":
        certificate.write_text("-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n")
    else:
        key = tmp_path / "other.key"
    tls = f'tls = {{ certificate = "{certificate}", key = "{key}" }}\n'
    result = run("serve", "-c", configuration(tmp_path, tls), home=tmp_path)
    assert result.returncode in (FAILED, BAD_CONFIGURATION), said(result)
    assert "lab.crt" in said(result) or "other.key" in said(result)
    assert "listening on" not in said(result)


def test_a_file_where_the_state_folder_should_be_is_named(tmp_path):
    state = tmp_path / "state"
    state.write_text("a file")
    result = run("serve", "-c", configuration(tmp_path, state=state), home=tmp_path)
    assert result.returncode in (FAILED, BAD_CONFIGURATION), said(result)
    assert str(state) in said(result)
    assert "listening on" not in said(result)


def serve_on(tmp_path, options):
    """`labgate serve` with its state on a small file system of its own, mounted for it alone."""
    state = tmp_path / "state"
    state.mkdir()
    path = configuration(tmp_path, state=state)
    # Whatever room there is, a file takes it; on a read-only one there is none to take.
    fill = f'cat /dev/zero >"{state}/filler" 2>/dev/null'
    mount = f'mount -t tmpfs -o {options} none "{state}" && {{ {fill}; exec "$@"; }}'
    private = ["unshare", "--mount"] + ([] if os.getuid() == 0 else ["--map-root-user"])
    if subprocess.run([*private, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system of one's own (unshare --mount)")
    return state, subprocess.run(
        [*private, "sh", "-c", mount, "sh", BINARY, "serve", "-c", path],
        env=clean_environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_read_only_state_folder_is_named(tmp_path):
    state, result = serve_on(tmp_path, "ro")
    assert result.returncode == FAILED, said(result)
    assert str(state) in said(result) and re.search("(?i)read-only", said(result))
    assert "listening on" not in said(result)


def test_a_full_state_folder_is_named(tmp_path):
    state, result = serve_on(tmp_path, "size=64k")
    assert result.returncode == FAILED, said(result)
    assert str(state) in said(result) and re.search("(?i)space|full", said(result))
    assert "listening on" not in said(result)


def test_a_second_labgate_on_the_same_state_is_told_so(start_labgate, tmp_path):
    first = start_labgate("")
    path = configuration(tmp_path, state=first.home / "state")
    result = run("serve", "-c", path, home=tmp_path)
    assert result.returncode == FAILED, said(result)
    assert str(first.home / "state") in said(result)
    assert "listening on" not in said(result)
