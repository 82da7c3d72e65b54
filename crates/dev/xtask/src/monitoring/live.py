"""A real Prometheus watches a cluster, with the example configuration and the rules of deploy/, while a node dies.

argv: the folder deploy, the folder of musterd and muster-load. Everything is on loopback, in a folder of its own, and ended
at the end. Prints what it saw as one line of JSON; says on stderr what is wrong, and then exits with 1.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

DEPLOY, PROGRAMS = (pathlib.Path(argument) for argument in sys.argv[1:])
# Of the example only these change: where the nodes are, and that nobody here waits for 15 s.
INTERVAL = "1s"
# What a dead node is to be told by: Prometheus, its peers, and the one that took its users.
AFTER_A_DEATH = {"NodeDown", "Takeover", "Failover", "PeerNodeFailure", "NotProtected"}
# What is never to be told here, however the scrapes fall.
NEVER = "MusterSlotServed.*|MusterNodesDown|MusterNothingScraped"
READY_S = 60
# NodeDown waits for a minute.
TOLD_S = 150
STEP_S = 0.5

wrong = []


def free_ports(count):
    """The first of so many ports in a row that nobody uses, below those that the system hands out."""
    for first in range(21000, 32000, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    raise SystemExit("no free ports")


def until(what, holds, seconds):
    """Waits for a condition and returns its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if value := holds():
                return value
        time.sleep(STEP_S)
    raise SystemExit(f"not within {seconds} s: {what}")


@contextlib.contextmanager
def running(command, log):
    """A program that is ended by its process id, whatever happens."""
    with open(log, "w") as output:
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class Prometheus:
    """The HTTP API of one."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}/api/v1/"

    def ask(self, path, **fields):
        url = f"{self.base}{path}?{urllib.parse.urlencode(fields)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            wrong.append(f"{fields or path}: {error.read().decode()}")
            return {}

    def range(self, expr, begun):
        return self.ask("query_range", query=expr, start=begun, end=time.time(), step=1).get("result", [])

    def firing(self):
        alerts = self.ask("alerts").get("alerts", [])
        return {alert["labels"]["alertname"].removeprefix("Muster") for alert in alerts if alert["state"] == "firing"}

    def answering(self):
        targets = self.ask("targets").get("activeTargets", [])
        return {target["labels"]["instance"] for target in targets if target["health"] == "up"}


def configure(folder, nodes):
    """The example, with the nodes of this cluster."""
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    for node in nodes:
        text = text.replace(f"{node['name']}.internal.example.com:7402", node["http"])
    text = re.sub(r"(scrape|evaluation)_interval: \w+", rf"\1_interval: {INTERVAL}", text)
    if ".internal." in text:
        raise SystemExit("the example has a node that this cluster has not")
    (folder / "prometheus.yml").write_text(text)
    shutil.copy(DEPLOY / "prometheus/muster.rules.yml", folder)


def load(state, node, *arguments):
    """Clients at a node; whether all went well with them."""
    server = ["--server", node["c2s"], "--ca", state["ca_file"]]
    command = [PROGRAMS / "muster-load", *arguments, *server]
    return subprocess.run(command, stdout=subprocess.DEVNULL, timeout=120).returncode == 0


def traffic(state, folder):
    node, users = state["nodes"][0], ["--users-csv", folder / "cluster/users.csv"]
    guess = ["--users", state["users"][0]["jid"], "--password", "a guess", "--timeout", "5s"]
    served = load(state, node, "fanout", "--setup", "--contacts", "2", "--duration", "5s", *users)
    for _ in range(3):
        load(state, node, "login", *guess)
        served &= load(state, node, "chat", "--rate", "20", "--duration", "2s", "--drain", "1s", *users)
    if not served:
        wrong.append("clients were not served")


def expressions(dashboard):
    """Each expression of the dashboard with the title of its panel."""
    found = [("annotation", one["expr"]) for one in dashboard["annotations"]["list"]]
    for panel in dashboard["panels"]:
        found += [(panel["title"], target["expr"]) for target in panel.get("targets", [])]
    return found


def judge_dashboard(prometheus, names, begun):
    """Each expression is understood, and each has had data. Returns how many there are."""
    dashboard = json.loads((DEPLOY / "grafana/muster.json").read_text())
    values = {
        "$job": "muster",
        "$instance": f"({'|'.join(sorted(names))})",
        "$__rate_interval": "15s",
    }
    found = expressions(dashboard)
    for title, expr in found:
        for variable, value in values.items():
            expr = expr.replace(variable, value)
        if not prometheus.range(expr, begun):
            wrong.append(f"dashboard, {title}: no data for {expr}")
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"]).groups()
            series = prometheus.ask("series", **{"match[]": selector.replace("$job", "muster"), "start": begun})
            seen = {one[label] for one in series}
            if seen != {"job": {"muster"}, "instance": names}[label]:
                wrong.append(f"the variable {variable['name']} has the values {seen}")
    return len(found)


def judge_rules(prometheus):
    """Each rule could be evaluated. Returns how many there are."""
    groups = prometheus.ask("rules").get("groups", [])
    rules = [rule for group in groups for rule in group["rules"]]
    wrong.extend(f"rule {rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] != "ok")
    return len(rules)


def watch(folder, prometheus, state):
    """A quiet time, a death, and the return."""
    names = {node["name"] for node in state["nodes"]}
    until("every node is scraped", lambda: prometheus.answering() == names, READY_S)
    begun = time.time()
    traffic(state, folder)
    victim = state["nodes"][0]
    os.kill(state["nodes"][1]["pid"], signal.SIGHUP)
    if told := prometheus.firing():
        wrong.append(f"alerts stand while nothing is wrong: {told}")
    os.kill(victim["pid"], signal.SIGKILL)
    until(f"the alerts {AFTER_A_DEATH}", lambda: AFTER_A_DEATH <= prometheus.firing(), TOLD_S)
    after = prometheus.firing()
    with running(victim["argv"], folder / "again.log"):
        until("the node answers again", lambda: "NodeDown" not in prometheus.firing(), READY_S)
        rules = judge_rules(prometheus)
        seen = judge_dashboard(prometheus, names, begun)
    for series in prometheus.range(f'ALERTS{{alertstate="firing", alertname=~"{NEVER}"}}', begun):
        wrong.append(f"{series['metric']['alertname']} was told, and was not so")
    return {"rules": rules, "expressions": seen, "told": sorted(after)}


def main():
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        ports = free_ports(32)
        cluster = folder / "cluster"
        quickstart = [PROGRAMS / "musterd", "quickstart", "--dir", cluster, "--base-port", str(ports), "--users", "6"]
        stack.enter_context(running(quickstart, folder / "quickstart.log"))
        file = cluster / "quickstart.json"
        state = json.loads(until("quickstart is ready", lambda: file.exists() and file.read_text(), READY_S))
        configure(folder, state["nodes"])
        own = ports + 31
        command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"]
        stack.enter_context(running([*command, f"--web.listen-address=127.0.0.1:{own}"], folder / "prometheus.log"))
        print(json.dumps(watch(folder, Prometheus(own), state)))
    for problem in wrong:
        print(problem, file=sys.stderr)
    sys.exit(1 if wrong else 0)


main()
