"""Lints the chart in the folder argv[1], renders it, and lets Kubernetes' schemas and musterd judge what comes out.

argv[2] is musterd, argv[3] a folder with tls.crt and tls.key. Prints what is wrong and exits with 1 if anything is.
"""

import pathlib
import subprocess
import sys

import helm_python as helm
import kubernetes_validate
import yaml

CHART, MUSTERD, KEYS = sys.argv[1:]
# The oldest release that the chart is for, and the newest whose schema there is.
RELEASES = ["1.27", "1.37"]
VALUES = [
    {},
    {
        "timing": "wan",
        "image": {"repository": "registry.example.com/muster", "tag": "0.1.0-1"},
        "service": {"type": "NodePort", "annotations": {"a": "b"}},
        "storage": {"className": "local", "size": "20Gi"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "chat", "operator": "Exists"}],
    },
    {"service": {"type": "ClusterIP"}},
]
REFUSED = [{"timing": "far"}, {"hosts": {"a": ""}}, {"replicas": 3}]
KINDS = {"ConfigMap": 3, "PodDisruptionBudget": 1, "Service": 3, "StatefulSet": 3}
# Of helm's severities; 1 is information.
WARNING = 2

wrong = []


def musterd_accepts(name, text):
    """Whether a node would start with a configuration of the chart."""
    folder = pathlib.Path(KEYS)
    for path in ("/tls/", "/keys/"):
        text = text.replace(f'"{path}', f'"{folder}/')
    file = folder / f"{name}.toml"
    file.write_text(text.replace("/var/lib/muster", str(folder)))
    check = subprocess.run([MUSTERD, "check", file], capture_output=True, text=True)
    if check.returncode != 0:
        wrong.append(f"musterd refuses the configuration in {name}: {check.stderr}")


def judge(values):
    with helm.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        rendered = chart.render(values, name="pair", namespace="chat")
    counts = {}
    for file, text in rendered.items():
        if file.endswith(".txt"):
            continue
        for thing in filter(None, yaml.safe_load_all(text)):
            kind, name = thing["kind"], thing["metadata"]["name"]
            counts[kind] = counts.get(kind, 0) + 1
            for release in RELEASES:
                try:
                    kubernetes_validate.validate(thing, release, strict=True)
                except kubernetes_validate.ValidationError as error:
                    wrong.append(f"{kind} {name} for Kubernetes {release}: {error}")
            if kind == "ConfigMap":
                musterd_accepts(name, thing["data"]["musterd.toml"])
    if counts != KINDS:
        wrong.append(f"the chart renders {counts}, not {KINDS}")


lint = helm.lint(CHART)
wrong += [f"helm lint: {message}" for message in lint["messages"] if message["severity"] >= WARNING]
wrong += [f"helm lint: {error}" for error in lint["errors"]]
for values in VALUES:
    judge(values)
for values in REFUSED:
    try:
        with helm.Chart.load(CHART) as chart:
            chart.validate_schema(values)
    except helm.HelmError:
        continue
    wrong.append(f"the chart takes {values}")
print("\n".join(wrong))
sys.exit(1 if wrong else 0)
