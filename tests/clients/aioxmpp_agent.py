"""A client on aioxmpp. See agent.py for what it reads and prints."""

import asyncio
import os
from datetime import timedelta

import aioxmpp
import aioxmpp.dispatcher
import aioxmpp.network
import aioxmpp.ping
import aioxmpp.pubsub.xso
import aioxmpp.xso
import dns.nameserver
import dns.resolver
import lxml.etree

from agent import Agent, Refused, main

ANSWER_S = 15


class Mood(aioxmpp.xso.XSO):
    """XEP-0107. The library hands on only items whose content it knows."""

    TAG = ("http://jabber.org/protocol/mood", "mood")
    children = aioxmpp.xso.Collector()


aioxmpp.pubsub.xso.as_payload_class(Mood)


class AioxmppAgent(Agent):
    def __init__(self, options):
        super().__init__(options)
        # The library takes its trusted certificates from where OpenSSL looks by default.
        os.environ["SSL_CERT_FILE"] = self.ca_file
        self.client = None
        self.claims = []

    async def start(self):
        if self.resolver:
            resolver = dns.resolver.Resolver(configure=False)
            resolver.nameservers = [dns.nameserver.Do53Nameserver(*self.resolver)]
            aioxmpp.network.set_resolver(resolver)
            look_up_hosts_at(resolver)
        self.build()
        self.client.start()

    def build(self):
        """Makes a client; one that was stopped is not started again, as its streams are gone."""
        connector = aioxmpp.connector.XMPPOverTLSConnector if self.mode == "direct" else aioxmpp.connector.STARTTLSConnector
        client = self.client = aioxmpp.Client(
            aioxmpp.JID.fromstr(self.jid),
            aioxmpp.make_security_layer(self.password),
            override_peer=[(host, port, connector()) for host, port in self.addresses],
            max_initial_attempts=None,
        )
        client.backoff_start = client.backoff_cap = timedelta(seconds=0.2)
        if self.ping_s:
            client.stream.soft_timeout = client.stream.round_trip_time = timedelta(seconds=self.ping_s)
        client.on_stream_established.connect(self.on_established)
        client.on_stream_destroyed.connect(self.on_destroyed)
        client.on_failure.connect(self.on_failure)
        self.roster = client.summon(aioxmpp.RosterClient)
        self.roster.on_entry_added.connect(self.on_entry)
        self.roster.on_entry_subscription_state_changed.connect(self.on_entry)
        self.roster.on_entry_removed.connect(lambda entry: self.on_entry(entry, removed=True))
        messages = client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
        for kind in (None, *aioxmpp.MessageType):
            if kind is not aioxmpp.MessageType.NORMAL:  # None stands for the default type
                messages.register_callback(kind, None, self.on_message)
        # Every presence, of any type: below the dispatcher, which other services of the library need for themselves.
        client.stream.service_inbound_presence_filter.register(self.on_presence, 0)

    def on_established(self):
        transport = self.client.stream._xmlstream.transport  # the library has no public way to ask
        peer = transport.get_extra_info("peername")
        tls = transport.get_extra_info("ssl_object")
        self.emit(
            "connected",
            jid=str(self.client.local_jid),
            address=f"{peer[0]}:{peer[1]}",
            tls=tls.get_protocol_version_name() if tls else None,
        )
        asyncio.ensure_future(self.greet())

    async def greet(self):
        if self.presence:
            await self.do_presence()
        self.emit("ready", jid=str(self.client.local_jid))

    def on_destroyed(self, reason=None):
        self.emit("disconnected", reason=str(reason) if reason else None)

    def on_failure(self, problem):
        self.emit("refused", condition=type(problem).__name__, error=str(problem))

    def on_entry(self, entry, removed=False):
        item = roster_item(entry)
        if removed:
            item["subscription"] = "remove"
        self.emit("roster-push", items=[item])

    def on_message(self, stanza):
        delay = getattr(stanza, "xep0203_delay", None)
        self.emit(
            "message",
            type=stanza.type_.value,
            body=stanza.body.any() if stanza.body else None,
            id=stanza.id_,
            to=str(stanza.to) if stanza.to else None,
            delay=delay[0].stamp.isoformat() if delay else None,
            condition=condition(stanza),
            **{"from": str(stanza.from_)},
        )

    def on_presence(self, stanza):
        self.emit(
            "presence",
            type=stanza.type_.value or "available",
            show=stanza.show.value if stanza.show else None,
            status=stanza.status.any() if stanza.status else None,
            priority=stanza.priority,
            condition=condition(stanza),
            **{"from": str(stanza.from_)},
        )
        return stanza

    async def answer(self, waiting):
        try:
            return await asyncio.wait_for(waiting, ANSWER_S)
        except aioxmpp.errors.XMPPError as error:
            raise Refused(error.condition.value[1], error.text) from error

    async def do_roster(self):
        payload = await self.answer(
            self.client.send(aioxmpp.IQ(type_=aioxmpp.IQType.GET, payload=aioxmpp.roster.xso.Query()))
        )
        return {"items": [roster_item(item) for item in payload.items]}

    async def do_roster_set(self, jid, name=None, groups=()):
        await self.answer(
            self.roster.set_entry(aioxmpp.JID.fromstr(jid), name=name, add_to_groups=frozenset(groups))
        )

    async def do_roster_remove(self, jid):
        await self.answer(self.roster.remove_entry(aioxmpp.JID.fromstr(jid)))

    async def do_subscription(self, type, to):
        await self.send_presence(type, aioxmpp.JID.fromstr(to))

    async def do_presence(self, type=None, to=None, show=None, status=None, priority=None):
        await self.send_presence(type, aioxmpp.JID.fromstr(to) if to else None, show, status, priority)

    async def send_presence(self, kind=None, to=None, show=None, status=None, priority=None):
        presence = aioxmpp.Presence(type_=aioxmpp.PresenceType(kind), to=to)
        if show:
            presence.show = aioxmpp.PresenceShow(show)
        if status:
            presence.status[None] = status
        if priority is not None:
            presence.priority = priority
        await self.client.send(presence)

    async def do_message(self, to, body, type="chat", id=None):
        message = aioxmpp.Message(type_=aioxmpp.MessageType(type), to=aioxmpp.JID.fromstr(to))
        message.body[None] = body
        if id:
            message.id_ = id
        await self.client.send(message)

    async def do_ping(self, to=None):
        peer = aioxmpp.JID.fromstr(to) if to else self.client.local_jid.replace(localpart=None, resource=None)
        await self.answer(aioxmpp.ping.ping(self.client, peer))

    async def do_notify(self, nodes):
        """Asks to be notified of nodes: by capabilities, in the presence that follows (XEP-0163)."""
        caps = self.client.summon(aioxmpp.EntityCapsService)
        pep = self.client.summon(aioxmpp.PEPClient)
        changed = asyncio.Event()
        caps.on_ver_changed.connect(changed.set)
        for node in nodes:
            claim = pep.claim_pep_node(node, notify=True)
            claim.on_item_publish.connect(self.on_item)
            self.claims.append(claim)
        await asyncio.wait_for(changed.wait(), ANSWER_S)
        await self.do_presence()

    def on_item(self, jid, node, item, *, message=None):
        payload = "".join(lxml.etree.tostring(child, encoding="unicode") for child in item.registered_payload.children)
        self.emit("item", id=item.id_, payload=payload, node=node, **{"from": str(jid)})

    async def do_disconnect(self):
        self.client.stop()
        while self.client.running:
            await asyncio.sleep(0.01)

    async def do_connect(self):
        self.build()
        self.client.start()

    async def quit(self):
        await asyncio.wait_for(self.do_disconnect(), 2)


def look_up_hosts_at(resolver):
    """The library leaves hosts' addresses to the system, which does not know the test's DNS server."""
    loop = asyncio.get_running_loop()
    usual = loop.getaddrinfo

    async def getaddrinfo(host, port, **options):
        name = host.decode() if isinstance(host, bytes) else host
        if not name[0].isdigit():
            answer = await loop.run_in_executor(None, resolver.resolve, name, "A")
            name = answer[0].address
        return await usual(name, port, **options)

    loop.getaddrinfo = getaddrinfo


def condition(stanza):
    return stanza.error.condition.value[1] if stanza.error is not None else None


def roster_item(item):
    return {
        "jid": str(item.jid),
        "name": item.name or "",
        "subscription": item.subscription if isinstance(item.subscription, str) else item.subscription.value,
        "ask": item.ask or "",
        "groups": sorted(group if isinstance(group, str) else group.name for group in item.groups),
    }


main(AioxmppAgent)
