"""What the tests start: labgate and JupyterLab, each in a folder of its own on loopback.

Every process is ended by its own id, every wait has a deadline, and logs are kept for the
message of a failing test.
"""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import requests

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("LABGATE_BIN", ROOT / "target/debug/labgate"))
VENV_BIN = Path(sys.executable).parent
PASSWORD = "correct horse battery"


def free_port():
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition, seconds=30):
    """What `condition` gives as soon as it gives something true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


class Process:
    """A child process whose output is collected line by line."""

    def __init__(self, command, env, cwd):
        self.child = subprocess.Popen(
            [str(word) for word in command],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.stdout, self.stderr = [], []
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.child.stdout, self.stdout), (self.child.stderr, self.stderr))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    @property
    def output(self):
        """All that it has said."""
        return "\n".join(self.stdout + self.stderr)

    @property
    def last_words(self):
        """The end of what it has said, for the message of a failing test."""
        return "\n".join(self.output.splitlines()[-40:])

    def line(self, pattern, seconds=60):
        """The match of the first line of standard output that `pattern` finds something in."""

        def look():
            for line in list(self.stdout):
                if found := re.search(pattern, line):
                    return found
            if self.child.poll() is not None:
                self.finish(5)
                raise AssertionError(f"ended with {self.child.returncode}:\n{self.last_words}")
            return None

        try:
            return wait_for(f"a line like {pattern}", look, seconds)
        except AssertionError as missing:
            raise AssertionError(f"{missing}\n{self.last_words}") from None

    def finish(self, seconds):
        """Waits for the end; the exit code, all output read."""
        code = self.child.wait(seconds)
        for reader in self._readers:
            reader.join(seconds)
        return code

    def end(self, how=signal.SIGTERM, seconds=20):
        """Asks it to end; its exit code. Kills it, and fails, when it does not."""
        if self.child.poll() is None:
            self.child.send_signal(how)
        try:
            return self.finish(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.finish(5)
            raise AssertionError(f"did not end on {how.name}:\n{self.last_words}") from None


def clean_environment(home, **further):
    """The least that a program needs, with `home` as its home and place for state."""
    return {
        "PATH": f"{VENV_BIN}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        "LANG": "C.UTF-8",
        **{name: str(value) for name, value in further.items()},
    }


def run(*arguments, home, **environment):
    """A labgate command that ends by itself."""
    return subprocess.run(
        [str(BINARY), *map(str, arguments)],
        env=clean_environment(home, **environment),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


class Labgate(Process):
    """`labgate serve` with the users `ana` and `bob` at `http://localhost:PORT`.

    `listener` is further lines of its listener; one with `tls` makes it `https`.
    """

    def __init__(self, home, port, config, listener, environment):
        self.home, self.port = home, port
        self.scheme = "https" if "tls" in listener else "http"
        self.main = f"{self.scheme}://localhost:{port}"
        path = home / "labgate.toml"
        path.write_text(
            f"""
[server]
public_url = "{self.main}"
state_dir = "{home / 'state'}"
[[listener]]
name = "public"
address = "127.0.0.1:{port}"
{listener}
[limits]
drain_timeout = "2s"
[identity.local]
user = [
    {{ name = "ana", password = {{ env = "LAB_PASSWORD" }} }},
    {{ name = "bob", password = {{ env = "LAB_PASSWORD" }} }},
]
{config}
"""
        )
        environment = clean_environment(home, LAB_PASSWORD=PASSWORD, **environment)
        super().__init__([BINARY, "serve", "-c", path], environment, home)

    @classmethod
    def start(cls, home, config, listener="", **environment):
        """Starts it on a free port; another one took it in the meantime: tries again."""
        (home / "state").mkdir(exist_ok=True)
        for _ in range(5):
            lab = cls(home, free_port(), config, listener, environment)
            try:
                lab.line(r"labgate: listening on https?://\S+ \(public\)")
                return lab
            except AssertionError:
                if "in use" not in lab.output:
                    raise
        raise AssertionError(f"no port stayed free:\n{lab.last_words}")

    def host(self, name):
        """The address of the tool host `name`."""
        return f"{self.scheme}://{name}.localhost:{self.port}"

    def connections(self):
        """How many clients' connections it has on its listener."""
        connections = psutil.Process(self.child.pid).net_connections("tcp")
        here = [c for c in connections if c.laddr.port == self.port and c.status == "ESTABLISHED"]
        return len(here)

    def most_memory(self):
        """The most resident memory that it ever had, in bytes."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024


class Jupyter(Process):
    """A JupyterLab that somebody else runs: a token, a port, not our child's business.

    The token comes by environment, never by argument: every local user can read those.
    """

    CONFIG = """
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = {port}
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.allow_remote_access = True
c.ServerApp.root_dir = {root!r}
c.ServerApp.tornado_settings = {{"websocket_max_message_size": 100 << 20}}
c.ZMQChannelsWebsocketConnection.limit_rate = False
"""

    def __init__(self, home, port):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.token = secrets.token_hex(24)
        self.root = home / "work"
        self.root.mkdir(exist_ok=True)
        config = home / "config"
        (config / "labconfig").mkdir(parents=True, exist_ok=True)
        text = self.CONFIG.format(port=port, root=str(self.root))
        (config / "jupyter_server_config.py").write_text(text)
        # A notice that would cover the lab on screenshots.
        disabled = '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}'
        (config / "labconfig/page_config.json").write_text(disabled)
        environment = clean_environment(
            home,
            JUPYTER_TOKEN=self.token,
            JUPYTER_CONFIG_DIR=config,
            JUPYTER_DATA_DIR=home / "data",
            JUPYTER_RUNTIME_DIR=home / "runtime",
            SHELL="/bin/bash",
        )
        super().__init__([VENV_BIN / "jupyter", "lab"], environment, home)

    @classmethod
    def start(cls, home):
        """Starts it and waits until it answers."""
        for _ in range(5):
            jupyter = cls(home, free_port())
            try:
                wait_for("JupyterLab", jupyter.answers, 90)
                return jupyter
            except AssertionError as problem:
                if "already in use" not in jupyter.output:
                    raise AssertionError(f"{problem}\n{jupyter.last_words}") from None
        raise AssertionError(f"no port stayed free:\n{jupyter.last_words}")

    def answers(self):
        """Whether it is up; fails when it has ended."""
        assert self.child.poll() is None, "JupyterLab has ended"
        try:
            return requests.get(f"{self.url}/api", timeout=5).ok
        except requests.ConnectionError:
            return False

    def kernels(self):
        """Its kernels, asked for directly."""
        headers = {"Authorization": f"token {self.token}"}
        return requests.get(f"{self.url}/api/kernels", headers=headers, timeout=30).json()


def family(pid):
    """The process and all that it started, also indirectly."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def alive(processes):
    """Those of `processes` that still run."""
    return [
        process
        for process in processes
        if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ]
