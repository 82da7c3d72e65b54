"""The line protocol between a test and a client library.

A test starts one of the programs beside this file with one argument, a JSON object:

    {"jid", "password", "ca_file", "addresses": ["host:port"], "mode": "starttls" | "direct",
     "resolver": "host:port" | null, "presence": true | false, "ping_s": 0}

With no address the client looks the domain up in DNS (SRV), at `resolver` when that is given. The client stays
connected: after a loss it goes on to the next address until it is told to quit. `ping_s` above 0 makes it ask for a
sign of life that often and reconnect when there is none, which is how a client notices a paused server.

Commands come as JSON lines on stdin: {"id": 1, "do": "message", ...}. Each gets one `reply` event with the same id.
Events go as JSON lines to stdout. `at` is the machine's monotonic clock in seconds, so that events of several
processes can be compared.
"""

import asyncio
import json
import sys
import time

# Some tests send large stanzas.
COMMAND_BYTES = 4 * 1024 * 1024


class Agent:
    """What both client libraries share: options, events, the command loop."""

    def __init__(self, options):
        self.jid = options["jid"]
        self.password = options["password"]
        self.ca_file = options["ca_file"]
        self.addresses = [split_address(a) for a in options.get("addresses", [])]
        self.mode = options.get("mode", "starttls")
        self.resolver = split_address(options["resolver"]) if options.get("resolver") else None
        self.presence = options.get("presence", True)
        self.ping_s = options.get("ping_s", 0)

    def emit(self, event, **fields):
        """Prints one event; absent values are left out."""
        line = {"event": event, "at": time.monotonic()}
        line.update({key: value for key, value in fields.items() if value not in (None, "")})
        print(json.dumps(line), flush=True)

    async def start(self):
        raise NotImplementedError

    async def quit(self):
        raise NotImplementedError

    async def serve(self):
        """Runs commands until stdin ends or `quit` comes. Commands run side by side: a slow one holds up nobody."""
        await self.start()
        reader = asyncio.StreamReader(limit=COMMAND_BYTES)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        running = set()
        while line := await reader.readline():
            command = json.loads(line)
            if command["do"] == "quit":
                break
            task = asyncio.ensure_future(self.run(command))
            running.add(task)
            task.add_done_callback(running.discard)
        await self.quit()

    async def run(self, command):
        ident = command.pop("id")
        handler = getattr(self, "do_" + command.pop("do").replace("-", "_"), None)
        if handler is None:
            self.emit("reply", id=ident, ok=False, error="this client cannot do that")
            return
        try:
            self.emit("reply", id=ident, ok=True, **(await handler(**command) or {}))
        except Refused as refused:
            self.emit("reply", id=ident, ok=False, condition=refused.condition, error=refused.text)
        except Exception as problem:  # whatever a library throws is an answer to the test, not the end of the client
            self.emit("reply", id=ident, ok=False, error=f"{type(problem).__name__}: {problem}")


class Refused(Exception):
    """The server answered with a stanza error."""

    def __init__(self, condition, text=None):
        super().__init__(condition)
        self.condition = condition
        self.text = text


def split_address(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def main(agent_class):
    options = json.loads(sys.argv[1])
    asyncio.run(run(agent_class, options))


async def run(agent_class, options):
    await agent_class(options).serve()
