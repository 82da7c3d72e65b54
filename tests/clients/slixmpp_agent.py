"""A client on slixmpp. See agent.py for what it reads and prints."""

import asyncio
import xml.etree.ElementTree as ET

import aiodns
import slixmpp
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from agent import Agent, Refused, main, split_address

ANSWER_S = 15
RETRY_S = 0.2
EVENT = "{http://jabber.org/protocol/pubsub#event}"


class Client(slixmpp.ClientXMPP):
    """Looks names up where the test says."""

    def __init__(self, agent):
        super().__init__(agent.jid, agent.password)
        self.agent = agent

    def configure_dns(self, resolver, domain=None, port=None):
        if self.agent.resolver:
            host, port = self.agent.resolver
            resolver.nameservers = [f"{host}:{port}"]


class SlixmppAgent(Agent):
    def __init__(self, options):
        super().__init__(options)
        self.turn = 0
        self.other_host = None
        self.ending = False
        self.pinger = None
        client = self.client = Client(self)
        client.ca_certs = self.ca_file
        client.enable_direct_tls = self.mode == "direct"
        client.enable_starttls = self.mode == "starttls"
        client.auto_authorize = None
        client.auto_subscribe = False
        # Left to itself the library goes back to the address it came from, and at once.
        client.max_redirects = -1
        plugins = ("xep_0030", "xep_0092", "xep_0191", "xep_0199", "xep_0202", "xep_0203", "xep_0352")
        for plugin in plugins:
            client.register_plugin(plugin)
        for event, handler in (
            ("session_start", self.on_session),
            ("disconnected", self.on_disconnected),
            ("connection_failed", self.on_connection_failed),
            ("failed_auth", self.on_failed_auth),
            ("stream_error", self.on_stream_error),
            ("message", self.on_message),
            ("message_error", self.on_message),
            ("presence", self.on_presence),
            ("roster_update", self.on_roster_update),
            ("blocked", self.on_blocked),
            ("unblocked", self.on_unblocked),
        ):
            client.add_event_handler(event, handler)
        # The library's own event is for messages with a body.
        items = MatchXPath(f"{{jabber:client}}message/{EVENT}event")
        client.register_handler(Callback("items", items, self.on_items))

    async def start(self):
        self.dial()

    def dial(self):
        if self.other_host:
            host, port = self.other_host
            self.other_host = None
            self.client.connect(host, port)
        elif self.addresses:
            host, port = self.addresses[self.turn % len(self.addresses)]
            self.turn += 1
            self.client.connect(host, port)
        else:
            self.client.connect()

    def dial_again(self):
        if not self.ending:
            self.client.cancel_connection_attempt()
            self.client.loop.call_later(RETRY_S, self.dial)

    async def on_session(self, _):
        peer = self.client.transport.get_extra_info("peername")
        tls = self.client.transport.get_extra_info("ssl_object")
        mechanism = self.client["feature_mechanisms"].mech
        self.emit(
            "connected",
            jid=self.client.boundjid.full,
            address=f"{peer[0]}:{peer[1]}",
            tls=tls.version() if tls else None,
            mechanism=mechanism.name if mechanism else None,
        )
        try:
            await self.client.get_roster(timeout=ANSWER_S)
        except (IqError, IqTimeout) as problem:
            self.emit("problem", error=f"roster: {problem!r}")
        if self.presence:
            self.client.send_presence()
        if self.ping_s and not self.pinger:
            self.pinger = asyncio.ensure_future(self.ping_for_ever())
        self.emit("ready", jid=self.client.boundjid.full)

    async def ping_for_ever(self):
        while True:
            await asyncio.sleep(self.ping_s)
            if not self.client.is_connected():
                continue
            try:
                await self.client["xep_0199"].send_ping(self.client.boundjid.host, timeout=self.ping_s)
            except IqTimeout:
                self.emit("silent")
                self.client.abort()
            except IqError:
                pass

    async def on_disconnected(self, reason):
        self.emit("disconnected", reason=str(reason) if reason else None)
        self.dial_again()

    def on_connection_failed(self, reason):
        self.emit("unreachable", reason=str(reason))
        if self.addresses:
            self.dial_again()

    def on_failed_auth(self, stanza):
        self.emit("refused", condition=stanza["condition"])

    def on_stream_error(self, stanza):
        host = stanza["see_other_host"] if stanza["condition"] == "see-other-host" else None
        self.emit("stream-error", condition=stanza["condition"], host=host)
        if host:
            self.other_host = split_address(host)

    def on_message(self, stanza):
        delay = stanza.get_plugin("delay", check=True)
        self.emit(
            "message",
            type=stanza["type"],
            body=stanza["body"],
            id=stanza["id"],
            to=str(stanza["to"]),
            delay=delay["stamp"].isoformat() if delay else None,
            condition=stanza["error"]["condition"] if stanza["type"] == "error" else None,
            **{"from": str(stanza["from"])},
        )


    def on_items(self, stanza):
        """XEP-0163: what a contact, or another client of the user, has published or taken back."""
        for items in stanza.xml.iterfind(f"{EVENT}event/{EVENT}items"):
            about = {"from": str(stanza["from"]), "node": items.get("node")}
            for item in items.iterfind(f"{EVENT}item"):
                payload = "".join(ET.tostring(child, encoding="unicode") for child in item)
                self.emit("item", id=item.get("id"), payload=payload, **about)
            for item in items.iterfind(f"{EVENT}retract"):
                self.emit("retracted", id=item.get("id"), **about)

    def on_presence(self, stanza):
        kind = stanza.xml.get("type", "available")
        caps = stanza.xml.find("{http://jabber.org/protocol/caps}c")
        idle = stanza.xml.find("{urn:xmpp:idle:1}idle")
        self.emit(
            "presence",
            type=kind,
            show=stanza["show"] if kind == "available" else None,
            status=stanza["status"],
            priority=stanza["priority"],
            caps=caps.get("ver") if caps is not None else None,
            idle=idle.get("since") if idle is not None else None,
            condition=stanza["error"]["condition"] if kind == "error" else None,
            **{"from": str(stanza["from"])},
        )

    def on_roster_update(self, stanza):
        if stanza["type"] == "set":
            self.emit("roster-push", items=roster_items(stanza))

    def on_blocked(self, iq):
        self.emit("blocked", jids=sorted(str(item["jid"]) for item in iq["block"]))

    def on_unblocked(self, iq):
        self.emit("unblocked", jids=sorted(str(item["jid"]) for item in iq["unblock"]))

    async def ask(self, iq):
        try:
            return await iq.send(timeout=ANSWER_S)
        except IqError as error:
            raise Refused(error.condition, error.text) from error

    async def do_roster(self):
        iq = self.client.make_iq_get()
        iq.enable("roster")
        return {"items": roster_items(await self.ask(iq))}

    async def do_roster_set(self, jid, name=None, groups=()):
        iq = self.client.make_iq_set()
        item = {"subscription": None, "groups": list(groups)}
        if name:
            item["name"] = name
        iq["roster"]["items"] = {jid: item}
        await self.ask(iq)

    async def do_roster_remove(self, jid):
        iq = self.client.make_iq_set()
        iq["roster"]["items"] = {jid: {"subscription": "remove"}}
        await self.ask(iq)

    async def do_subscription(self, type, to):
        self.client.send_presence_subscription(pto=to, ptype=type)

    async def do_presence(self, type=None, to=None, show=None, status=None, priority=None):
        self.client.send_presence(pto=to, ptype=type, pshow=show, pstatus=status, ppriority=priority)

    async def do_message(self, to, body, type="chat", id=None):
        message = self.client.make_message(mto=to, mbody=body, mtype=type)
        if id:
            message["id"] = id
        message.send()

    async def do_ping(self, to=None):
        try:
            await self.client["xep_0199"].send_ping(to or self.client.boundjid.host, timeout=ANSWER_S)
        except IqError as error:
            raise Refused(error.condition, error.text) from error

    async def do_iq(self, type, payload, to=None):
        """Any request; the answer's payload comes back as text."""
        iq = self.client.make_iq(itype=type, ito=to)
        iq.append(ET.fromstring(payload))
        answer = await self.ask(iq)
        return {"payload": "".join(ET.tostring(child, encoding="unicode") for child in answer.xml)}

    async def do_notify(self, nodes):
        """Asks to be notified of nodes: by capabilities, in the next presence (XEP-0163)."""
        self.client.register_plugin("xep_0163")
        self.client["xep_0163"].add_interest(nodes)
        await self.client["xep_0115"].update_caps(broadcast=False)
        self.client.send_presence()

    async def do_mood(self, value):
        self.client.register_plugin("xep_0107")
        await self.published(self.client["xep_0107"].publish_mood(value, timeout=ANSWER_S))

    async def do_activity(self, value):
        self.client.register_plugin("xep_0108")
        await self.published(self.client["xep_0108"].publish_activity(value, timeout=ANSWER_S))

    async def published(self, answer):
        try:
            await answer
        except IqError as error:
            raise Refused(error.condition, error.text) from error

    async def do_block(self, jids):
        try:
            await self.client["xep_0191"].block(jids, timeout=ANSWER_S)
        except IqError as error:
            raise Refused(error.condition, error.text) from error

    async def do_unblock(self, jids):
        await self.client["xep_0191"].unblock(jids, timeout=ANSWER_S)

    async def do_blocklist(self):
        answer = await self.client["xep_0191"].get_blocked(timeout=ANSWER_S)
        return {"jids": sorted(str(item["jid"]) for item in answer["blocklist"])}

    async def do_client_state(self, active):
        """XEP-0352: whether somebody looks at the client."""
        csi = self.client["xep_0352"]
        if not csi.enabled:
            raise Refused("feature-not-implemented", "the server does not announce it")
        if active:
            csi.send_active()
        else:
            csi.send_inactive()

    async def do_raw(self, xml):
        self.client.send_raw(xml)

    async def do_drop(self):
        """Ends the connection without a word, as a lost network does."""
        self.client.abort()

    async def do_disconnect(self):
        self.ending = True
        await self.client.disconnect()

    async def do_connect(self):
        self.ending = False
        self.dial()

    async def quit(self):
        self.ending = True
        if self.pinger:
            self.pinger.cancel()
        await self.client.disconnect(wait=1.0)


def roster_items(stanza):
    return [
        {
            "jid": str(jid),
            "name": item["name"],
            "subscription": item["subscription"],
            "ask": item["ask"],
            "groups": sorted(item["groups"]),
        }
        for jid, item in stanza["roster"]["items"].items()
    ]


main(SlixmppAgent)
