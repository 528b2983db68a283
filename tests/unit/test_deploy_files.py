"""What operators deploy names only what there is: commands, variables, ports, probes, metrics, and time enough to end."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import typer
import yaml

from bot.telemetry.metrics import ALL
from bot.terminal.cli import app
from bot.variables import Environment
from coordination.domain import states
from coordination.domain.events import RunEvent

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNIT = (DEPLOY / "systemd/massgen-bot@.service").read_text(encoding="utf-8")
ALERTS = (DEPLOY / "prometheus/alerts.yaml").read_text(encoding="utf-8")
DASHBOARD = (DEPLOY / "grafana/massgen-bot.json").read_text(encoding="utf-8")
COMMANDS = set(cast("Any", typer.main.get_command(app)).commands)
VARIABLES = {field.alias for field in Environment.model_fields.values()}
MARGIN = 15
"""Seconds between the end of the drain and the end of patience: servers are ended, and what is left is written."""

Object = Mapping[str, Any]


def objects() -> Iterator[Object]:
    for path in KUBERNETES:
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def of_kind(*kinds: str) -> list[Object]:
    return [each for each in objects() if each["kind"] in kinds]


def pods() -> list[Object]:
    return [each["spec"]["template"]["spec"] for each in of_kind("Deployment", "Job")]


def settings() -> Mapping[str, str]:
    (kustomization,) = of_kind("Kustomization")
    (generated,) = kustomization["configMapGenerator"]
    return dict(each.split("=", 1) for each in generated["literals"])


def test_kustomize_names_every_file_and_no_other() -> None:
    (kustomization,) = of_kind("Kustomization")
    assert {path.name for path in KUBERNETES} == {"kustomization.yaml", *kustomization["resources"]}


def test_kustomize_builds_it() -> None:
    """Where kubectl is not installed, the files are read by the other tests alone."""
    if (kubectl := shutil.which("kubectl")) is None:
        return
    done = subprocess.run(
        [kubectl, "kustomize", DEPLOY / "kubernetes"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert {each["kind"] for each in built} >= {"ConfigMap", "Deployment", "Job", "Namespace", "NetworkPolicy"}
    (named,) = [each["metadata"]["name"] for each in built if each["kind"] == "ConfigMap"]
    assert done.stdout.count(f"name: {named}\n") == 1 + len(pods())


def test_every_command_is_one_of_the_program() -> None:
    used = [pod["containers"][0]["args"][0] for pod in pods()]
    assert sorted(used) == ["migrate", "up", "worker"]
    assert {*used, *re.findall(r"bin/massgen-bot (\w+)", UNIT), *re.findall(r"massgen-bot@(\w+)", UNIT)} <= COMMANDS
    assert {*re.findall(r"massgen-bot ([a-z]+)", ALERTS)} <= COMMANDS


def test_every_option_is_one_of_its_command() -> None:
    for pod in pods():
        name, *options = pod["containers"][0]["args"]
        known = {
            each for given in cast("Any", typer.main.get_command(app)).commands[name].params for each in given.opts
        }
        assert {*options} <= known, name


def test_kubernetes_schemas_take_every_object() -> None:
    """`kubernetes-validate` is on PyPI; its schemas of every release are more than a checkout should need."""
    if (checker := shutil.which("kubernetes-validate")) is None:
        pytest.skip("kubernetes-validate is not installed here")
    files = [path for path in KUBERNETES if path.name != "kustomization.yaml"]
    command = [checker, "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_variable_is_known_and_its_value_is_good() -> None:
    assert settings().keys() | {*re.findall(r"^Environment=(\w+)", UNIT, re.MULTILINE)} <= VARIABLES
    assert Environment(settings()).drain() == 25


def test_what_stops_a_process_waits_longer_than_its_calls_may_take() -> None:
    serving = [each["spec"]["template"]["spec"] for each in of_kind("Deployment")]
    graces = [pod["terminationGracePeriodSeconds"] for pod in serving]
    graces += [int(text) for text in re.findall(r"^TimeoutStopSec=(\d+)$", UNIT, re.MULTILINE)]
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    graces.append(int(compose["services"]["bot"]["stop_grace_period"].removesuffix("s")))
    assert len(graces) == 4
    drains = [settings()["MASSGEN_BOT_DRAIN_SECONDS"], *re.findall(r"MASSGEN_BOT_DRAIN_SECONDS=(\d+)", UNIT)]
    assert min(graces) >= max(Environment({}).drain(), *map(float, drains)) + MARGIN


def test_probes_ask_the_pages_of_health_at_their_port() -> None:
    port = int(settings()["MASSGEN_BOT_HEALTH_PORT"])
    for each in of_kind("Deployment"):
        template = each["spec"]["template"]
        (container,) = template["spec"]["containers"]
        assert container["ports"] == [{"name": "health", "containerPort": port}]
        assert template["metadata"]["annotations"]["prometheus.io/port"] == str(port)
        asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
        assert {name: get["path"] for name, get in asked.items()} == {
            "startupProbe": "/live", "livenessProbe": "/live", "readinessProbe": "/ready",
        }  # fmt: skip
        assert {get["port"] for get in asked.values()} == {"health"}


def test_a_pod_is_nobody_and_writes_nowhere_but_its_own_folders() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for pod in pods():
        assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}\n" in dockerfile
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        mounts = {each["mountPath"] for each in container["volumeMounts"] if not each.get("readOnly")}
        assert mounts == {"/var/lib/massgen-bot", "/tmp"}  # noqa: S108 - of its own, in a container
        assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


def test_one_process_serves_the_chats_and_workers_are_replaced_one_by_one() -> None:
    by_name = {each["metadata"]["name"]: each["spec"] for each in of_kind("Deployment")}
    assert (by_name["chats"]["replicas"], by_name["chats"]["strategy"]["type"]) == (1, "Recreate")
    assert by_name["workers"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    for spec in by_name.values():
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


def test_the_chats_do_no_work_and_neither_side_has_the_secrets_of_the_other() -> None:
    by_name = {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in of_kind("Deployment")}
    containers = {name: pod["containers"][0] for name, pod in by_name.items()}
    assert {name: each["args"] for name, each in containers.items()} == {
        "chats": ["up", "--no-work"], "workers": ["worker"],
    }  # fmt: skip
    secrets = {
        name: {given["secretRef"]["name"] for given in each["envFrom"] if "secretRef" in given}
        for name, each in containers.items()
    }
    assert secrets["chats"] & secrets["workers"] == {"massgen-bot"}
    assert secrets["chats"] ^ secrets["workers"] == {"massgen-bot-chats", "massgen-bot-models"}


def expressions() -> list[str]:
    rules = [rule for group in yaml.safe_load(ALERTS)["groups"] for rule in group["rules"]]
    panels = json.loads(DASHBOARD)["panels"]
    return [rule["expr"] for rule in rules] + [each["expr"] for panel in panels for each in panel["targets"]]


def test_dashboard_and_alerts_ask_for_metrics_labels_and_states_that_there_are() -> None:
    names = {each.name: each for each in ALL if each.kind != "summary"}
    names |= {f"{each.name}{end}": each for each in ALL if each.kind == "summary" for end in ("_sum", "_count")}
    asked = {name for expression in expressions() for name in re.findall(r"massgen_bot_\w+", expression)}
    assert asked - names.keys() == set()
    assert {each.name for each in ALL} == {names[name].name for name in asked}
    labels = {label for each in ALL for label in each.labels}
    used = {
        name for text in expressions() for group in re.findall(r"by \(([^)]+)\)", text) for name in group.split(", ")
    }
    used |= {name for text in expressions() for name in re.findall(r"[{,](\w+)[=!]", text)}
    assert used - labels == {"instance"}


def test_promtool_takes_every_expression(tmp_path: Path) -> None:
    """Where promtool is not installed, the expressions are read by the other tests alone."""
    if (promtool := shutil.which("promtool")) is None:
        return
    rules = tmp_path / "dashboard.yaml"
    recorded = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$__\w+", "5m", expression)}
        for number, expression in enumerate(expressions())
    ]
    rules.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": recorded}]}), encoding="utf-8")
    command = [promtool, "check", "rules", DEPLOY / "prometheus/alerts.yaml", rules]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


def kinds_of(union: object) -> set[str]:
    return {each.kind for each in cast("Any", union).__args__}


@pytest.mark.parametrize(("label", "union"), [("state", states.RunState), ("kind", RunEvent)])
def test_values_of_labels_are_those_of_the_program(label: str, union: object) -> None:
    found = {
        value
        for expression in expressions()
        for values in re.findall(rf'\b{label}[=!]~?"([^"]+)"', expression)
        for value in values.split("|")
    }
    assert found
    assert found - kinds_of(union) == set()


def test_the_alerts_that_were_promised_are_there() -> None:
    rules = [rule for group in yaml.safe_load(ALERTS)["groups"] for rule in group["rules"]]
    assert {"OutcomeUnknown", "Queued", "NoWorker", "CardBehind"} <= {
        rule["alert"].removeprefix("MassgenBot") for rule in rules
    }
    assert [rule["alert"] for rule in rules if {*rule["annotations"]} != {"summary", "action"}] == []


def test_the_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    """Where systemd is not installed, its own check can't be asked; the form is looked at everywhere."""
    lines = [line for line in UNIT.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"\[\w+\]|[A-Z]\w+=.*", line)] == []
    assert [line for line in lines if line.startswith("[")] == ["[Unit]", "[Service]", "[Install]"]
    if (checker := shutil.which("systemd-analyze")) is None:
        return
    unit = tmp_path / "massgen-bot@up.service"
    unit.write_text(UNIT.replace("/opt/massgen-bot/bin/massgen-bot", "/bin/true"), encoding="utf-8")
    done = subprocess.run([checker, "verify", unit], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
