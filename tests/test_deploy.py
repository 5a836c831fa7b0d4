"""The files to deploy with: they name only what there is, and ask for what a careful operator asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from prometheus_client import CollectorRegistry, ProcessCollector

from service.cli import cli
from service.commands.settings import table
from service.settings import Settings, variable_of
from service.telemetry import Metrics

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
VARIABLES = {variable_of(field) for field in Settings.__struct_fields__}
METRIC = re.compile(r"\b((?:standfirst|process)_\w+|up)\b(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\b(?:by|without) \(([^)]*)\)")
# Labels that Prometheus itself gives.
OUTSIDE = {"instance", "job", "le"}


def metrics() -> dict[str, set[str]]:
    """All metrics by the names of their samples, with their labels."""
    registry = Metrics({"m"}, {"article@1"}, lambda _: None).registry
    processes = ProcessCollector(registry=CollectorRegistry()).collect()
    found = {sample.name: set[str]() for family in processes for sample in family.samples} | {"up": set()}
    for collector, names in registry._collector_to_names.items():
        labels = set(getattr(collector, "_labelnames", getattr(collector, "labels", ())))
        for name in names:
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
    return found


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((DEPLOY / "grafana" / "standfirst.json").read_text("utf-8"))
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def objects() -> list[dict[str, Any]]:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text("utf-8"))["resources"]
    files = [(KUBERNETES / name).read_text("utf-8") for name in listed]
    return [found for text in files for found in yaml.safe_load_all(text)]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [found for found in objects() if found["kind"] == kind]


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return loaded


def commands() -> set[str]:
    return set(cli.commands)


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_dashboard_and_alerts_name_only_metrics_and_labels_that_there_are(expression: str) -> None:
    known = metrics()
    named = METRIC.findall(expression)
    assert named
    labels = set().union(*(known[name] for name, _ in named)) | OUTSIDE
    for name, selectors in named:
        chosen = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", selectors))
        assert chosen <= known[name] | OUTSIDE, name
    for group in GROUPING.findall(expression):
        assert {label.strip() for label in group.split(",")} <= labels


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    sections = set(re.findall(r"^### (Standfirst\w+)$", OPERATIONS, re.MULTILINE))
    assert {rule["alert"] for rule in alerts()} == sections
    for rule in alerts():
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_every_metric_of_ours_is_on_the_dashboard() -> None:
    shown = {name for panel in panels() for t in panel["targets"] for name, _ in METRIC.findall(t["expr"])}
    families = {
        re.sub(r"_(total|bucket|count|sum|created)$", "", n) for n in metrics() if n.startswith("standf")
    }
    assert families <= {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in shown}


def test_documented_settings_are_those_of_the_class() -> None:
    assert table() in OPERATIONS


def test_every_setting_has_a_description() -> None:
    assert [line for line in table().splitlines()[2:] if line.endswith("|  |")] == []


def test_listed_values_hide_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    monkeypatch.setenv("STANDFIRST_CACHE_URL", "redis://user:hunter2@cache:6379/0")
    listed = CliRunner().invoke(cli, ["settings"]).output
    assert "OPENAI_API_KEY=***" in listed
    assert "redis://***@cache:6379/0" in listed
    assert "hunter2" not in listed


def test_files_name_only_settings_that_there_are() -> None:
    text = "".join(
        path.read_text("utf-8")
        for path in [*DEPLOY.rglob("*"), ROOT / "Dockerfile", ROOT / "docs" / "operations.md"]
        if path.is_file() and path.suffix != ".pyc"
    )
    named = set(re.findall(r"\b(?:STANDFIRST|OPENAI|OTEL_EXPORTER)_[A-Z_]+[A-Z]\b", text))
    assert named <= VARIABLES


@pytest.mark.parametrize("name", ["api", "worker"])
def test_composed_environment_is_one_that_the_service_takes(name: str) -> None:
    example = (DEPLOY / "standfirst.env.example").read_text("utf-8")
    lines = [line.lstrip("# ") for line in example.splitlines()]
    own = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    settings = Settings.from_env(own | compose()["services"][name]["environment"])
    assert (settings.batch_concurrency == 0) is (name == "api")
    assert settings.jobs_url is not None


def test_image_and_manifests_agree_on_the_port_and_the_user() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    port = re.findall(r"EXPOSE (\d+)", dockerfile)
    user = re.findall(r"USER (\d+):", dockerfile)
    for deployment in of_kind("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert [str(pod["securityContext"]["runAsUser"])] == user
        for container in pod["containers"]:
            assert [str(p["containerPort"]) for p in container.get("ports", [])] in ([], port)
    assert compose()["services"]["api"]["expose"] == port


def test_pods_can_do_no_more_than_they_have_to() -> None:
    for deployment in of_kind("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} == set(container["resources"])


def test_pods_are_probed_started_and_ended_with_time() -> None:
    [api] = [d for d in of_kind("Deployment") if d["metadata"]["name"] == "standfirst-api"]
    pod = api["spec"]["template"]["spec"]
    container = pod["containers"][0]
    paths = {
        name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")
    }
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/healthz"}
    stop_s = int(of_kind("ConfigMap")[0]["data"]["STANDFIRST_STOP_S"])
    before_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= stop_s + before_s + 10


def test_selectors_find_the_pods_that_they_mean() -> None:
    labels = [d["spec"]["template"]["metadata"]["labels"] for d in of_kind("Deployment")]
    budgets = [b["spec"]["selector"]["matchLabels"] for b in of_kind("PodDisruptionBudget")]
    assert sorted(map(str, budgets)) == sorted(map(str, labels))
    assert of_kind("Service")[0]["spec"]["selector"] in labels
    [policy] = of_kind("NetworkPolicy")
    chosen = policy["spec"]["podSelector"]["matchExpressions"][0]["values"]
    assert {label["app"] for label in labels} == set(chosen)
    names = {d["metadata"]["name"] for d in of_kind("Deployment")}
    assert of_kind("HorizontalPodAutoscaler")[0]["spec"]["scaleTargetRef"]["name"] in names


def test_containers_run_commands_that_there_are() -> None:
    pods = [c for d in of_kind("Deployment") for c in d["spec"]["template"]["spec"]["containers"]]
    services = [s for s in compose()["services"].values() if "standfirst" in s["image"]]
    named = {c["args"][0] for c in pods} | {s["command"][0] for s in services if "command" in s}
    assert named <= commands()


def test_composed_services_are_bounded_watched_and_share_what_they_have_to() -> None:
    loaded = compose()
    services = loaded["services"]
    assert services["api"]["deploy"]["replicas"] == 2
    for name, service in services.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["restart"] == "unless-stopped"
        # Those of the image have its own check.
        assert "healthcheck" in service or "standfirst" in service["image"], name
        used = {s if isinstance(s, str) else s["source"] for s in service.get("secrets", [])}
        assert used <= set(loaded["secrets"])
        assert set(service.get("depends_on", {})) <= set(services)
    published = {name for name, service in services.items() if "ports" in service}
    assert published == {"proxy", "grafana"}


def test_mounted_files_are_there() -> None:
    sources = [
        volume.split(":")[0]
        for service in compose()["services"].values()
        for volume in service.get("volumes", [])
        if volume.startswith("./")
    ]
    assert sources
    assert [source for source in sources if not (DEPLOY / source).exists()] == []
