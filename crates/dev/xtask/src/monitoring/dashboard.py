"""Holds the dashboard argv[1] against Grafana's own schema, as Grafana's library for dashboards has it.

The library reads what it knows and leaves out the rest: what does not come out as it went in is no field of a dashboard, a
panel or a query. It does not mind words that a field may not have; its types say which those are. Prints what is wrong and
exits with 1 if anything is.
"""

import enum
import json
import sys
import typing

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.cog.runtime import panelcfg_config
from grafana_foundation_sdk.models import dashboard

LIBRARY = "grafana_foundation_sdk"
WIDTH = 24

wrong = []


def compare(given, kept, path):
    if isinstance(given, dict) and isinstance(kept, dict):
        for key, value in given.items():
            if key in kept:
                compare(value, kept[key], f"{path}/{key}")
            else:
                wrong.append(f"{path} has no field {key}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for at, (one, other) in enumerate(zip(given, kept)):
            compare(one, other, f"{path}/{at}")
    elif given != kept:
        wrong.append(f"{path}: {json.dumps(given)} is read as {json.dumps(kept)}")


def choose(thing, path):
    """Whether each word of a choice is one of it."""
    if isinstance(thing, list):
        for at, one in enumerate(thing):
            choose(one, f"{path}/{at}")
    if not type(thing).__module__.startswith(LIBRARY) or isinstance(thing, enum.Enum):
        return
    for name, hint in typing.get_type_hints(type(thing)).items():
        value = getattr(thing, name, None)
        for option in [hint, *typing.get_args(hint)]:
            if value is None or not isinstance(option, type) or not issubclass(option, enum.Enum):
                continue
            if value not in (words := [one.value for one in option]):
                wrong.append(f"{path}/{name} is {value!r}, not one of {words}")
        choose(value, f"{path}/{name}")


def fit(panels):
    """Whether every panel is within the grid and covers no other."""
    covered = {}
    for panel in panels:
        place, title = panel["gridPos"], panel["title"]
        if place["x"] + place["w"] > WIDTH:
            wrong.append(f"{title} is wider than the page")
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = covered.setdefault((x, y), title)
                if other != title:
                    wrong.append(f"{title} covers {other}")
                    return


def known(panels):
    """Whether the library knows what is drawn; of other panels it keeps everything."""
    for panel in panels:
        if panel["type"] != "row" and panelcfg_config(panel["type"]) is None:
            wrong.append(f"{panel['title']}: there is no panel of type {panel['type']}")


register_default_plugins()
with open(sys.argv[1]) as file:
    given = json.load(file)
try:
    read = dashboard.Dashboard.from_json(given)
    compare(given, json.loads(json.dumps(read, cls=JSONEncoder)), "")
    choose(read, "")
except (KeyError, TypeError, ValueError) as error:
    wrong.append(f"not a dashboard: {error!r}")
known(given["panels"])
fit(given["panels"])
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
