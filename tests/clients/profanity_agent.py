"""The terminal client profanity, typed to through a pseudo terminal. See agent.py for what this reads and prints.

What it received is read from its own log, which at level DEBUG holds every stanza.
"""

import asyncio
import ctypes
import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import tempfile
import termios
import xml.etree.ElementTree as ET
from pathlib import Path

from agent import Agent, main

RECEIVED = re.compile(r"RECV: (<.*)$")
POLL_S = 0.05
PR_SET_PDEATHSIG = 1
READY_S = 20


class ProfanityAgent(Agent):
    def __init__(self, options):
        super().__init__(options)
        self.home = Path(tempfile.mkdtemp(prefix="profanity-"))
        self.log = self.home / "log"
        self.terminal = None
        self.pid = None
        self.screen = b""
        self.tasks = []

    async def start(self):
        environment = dict(
            os.environ,
            HOME=str(self.home),
            XDG_CONFIG_HOME=str(self.home),
            XDG_DATA_HOME=str(self.home),
            SSL_CERT_FILE=self.ca_file,
            TERM="xterm",
        )
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            # Without its terminal it would spin for ever, so it ends with this program, however that ends.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.execvpe("profanity", ["profanity", "--log", "DEBUG", "--logfile", str(self.log)], environment)
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        asyncio.get_running_loop().add_reader(self.terminal, self.drain)
        self.tasks.append(asyncio.ensure_future(self.follow()))
        host, port = self.addresses[0]
        tls = "force" if self.mode == "starttls" else "legacy"
        await self.logged("prof")
        self.type(f"/connect {self.jid} server {host} port {port} tls {tls}")
        await self.screen_asks_for_password()
        self.type(self.password)

    def drain(self):
        """Keeps the screen's output flowing; the last of it shows what the program waits for."""
        try:
            self.screen = (self.screen + os.read(self.terminal, 65536))[-65536:]
        except OSError:
            asyncio.get_running_loop().remove_reader(self.terminal)

    def type(self, line):
        os.write(self.terminal, line.encode() + b"\r")

    async def logged(self, text):
        await self.wait(lambda: self.log.exists() and text in self.log.read_text(errors="replace"), text)

    async def screen_asks_for_password(self):
        await self.wait(lambda: b"password" in self.screen, "the password prompt")

    async def wait(self, condition, what):
        for _ in range(int(READY_S / POLL_S)):
            if condition():
                return
            await asyncio.sleep(POLL_S)
        raise TimeoutError(what)

    async def follow(self):
        """Turns the received stanzas of the log into events."""
        await self.logged("prof")
        bound = False
        with self.log.open(errors="replace") as lines:
            while True:
                line = lines.readline()
                if not line:
                    await asyncio.sleep(POLL_S)
                    continue
                if "Connection successful" in line or "logged in successfully" in line:
                    self.emit("connected", jid=self.jid)
                if (match := RECEIVED.search(line)) and (stanza := parse(match.group(1))) is not None:
                    self.on_stanza(stanza)
                    if not bound and stanza.tag == "iq" and stanza.find("{jabber:iq:roster}query") is not None:
                        bound = True
                        self.emit("ready", jid=self.jid)

    def on_stanza(self, stanza):
        fields = {"type": stanza.get("type"), "from": stanza.get("from")}
        if stanza.tag == "message" and stanza.findtext("body"):
            self.emit("message", body=stanza.findtext("body"), **fields)
        elif stanza.tag == "presence":
            fields["type"] = fields["type"] or "available"
            self.emit("presence", show=stanza.findtext("show"), status=stanza.findtext("status"), **fields)

    async def do_message(self, to, body, type="chat", id=None):
        self.type(f"/msg {to} {body}")

    async def do_subscription(self, type, to):
        words = {"subscribe": "request", "subscribed": "allow", "unsubscribed": "deny"}
        self.type(f"/sub {words[type]} {to}")

    async def quit(self):
        for task in self.tasks:
            task.cancel()
        self.type("/quit")
        for _ in range(40):
            ended, _status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                break
            await asyncio.sleep(POLL_S)
        else:
            os.kill(self.pid, 9)
        shutil.rmtree(self.home, ignore_errors=True)


def parse(text):
    """A stanza of the log, which leaves out the namespace that the stream declares."""
    try:
        return ET.fromstring(text)
    except ET.ParseError:
        return None


main(ProfanityAgent)
