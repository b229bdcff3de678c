"""What lies in deploy/ names metrics, settings and commands that there are."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from starlette.testclient import TestClient

from trouvaille.core import metrics
from trouvaille.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = re.compile(r"\btrouvaille_[a-z_]+\b")


@pytest.fixture
def known(site: TestClient) -> set[str]:
    """The names of all samples that there can be."""
    token = site.app.state.metrics_token  # type: ignore[attr-defined]
    text = site.get("/metrics", headers={"authorization": f"Bearer {token}"}).text
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M):
        names |= {f"{name}{end}" for end in (("_bucket", "_sum", "_count") if kind == "histogram" else ("",))}
    assert len(names) > 30
    return names


def _expressions() -> list[tuple[str, str]]:
    rules = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text())
    found = [(rule["alert"], rule["expr"]) for group in rules["groups"] for rule in group["rules"]]
    board = json.loads((DEPLOY / "grafana/trouvaille.json").read_text())
    found += [(panel["title"], target["expr"]) for panel in board["panels"] for target in panel["targets"]]
    return found


def test_every_metric_that_alarms_dashboard_and_notes_name_exists(known: set[str]) -> None:
    for where, expression in _expressions():
        named = set(NAME.findall(re.sub(r'"[^"]*"', '""', expression)))
        assert named <= known, where
    assert set(NAME.findall((DEPLOY / "cloudwatch.md").read_text())) <= known


def test_every_label_that_they_ask_for_exists() -> None:
    labels = {each for metric in metrics.REGISTRY.collect() for s in metric.samples for each in s.labels}
    labels |= {"method", "route", "status", "job", "outcome", "step", "tier", "of", "verb", "reason", "kind"}
    labels |= {"le", "queue", "state"}
    for where, expression in _expressions():
        for inside in re.findall(r"by \(([^)]*)\)", expression):
            assert {each.strip() for each in inside.split(",")} <= labels, where


def test_the_dashboards_panels_lie_beside_each_other() -> None:
    board = json.loads((DEPLOY / "grafana/trouvaille.json").read_text())
    taken = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(taken)) == len(taken) >= 20
    assert len({panel["id"] for panel in board["panels"]}) == len(taken)


promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


@promtool
def test_the_alarms_go_off_when_they_should() -> None:
    for arguments in (["check", "rules", "rules.yml"], ["test", "rules", "rules_test.yml"]):
        done = subprocess.run(["promtool", *arguments], cwd=DEPLOY / "prometheus", capture_output=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()


def _compose() -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return made


SERVICE = {
    "type": "object",
    "additionalProperties": False,
    "anyOf": [{"required": ["image"]}, {"required": ["build"]}],
    "properties": {
        "image": {"type": "string"},
        "command": {"type": "array", "items": {"type": "string"}},
        "build": {"type": "object", "required": ["context", "dockerfile"]},
        "restart": {"type": "string"},
        "environment": {"type": "object", "additionalProperties": {"type": "string"}},
        "read_only": {"type": "boolean"},
        "tmpfs": {"type": "array"},
        "cap_drop": {"type": "array"},
        "security_opt": {"type": "array"},
        "volumes": {"type": "array"},
        "networks": {"type": "array"},
        "ports": {"type": "array"},
        "ulimits": {"type": "object"},
        "shm_size": {"type": "string"},
        "deploy": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
        "healthcheck": {"type": "object", "anyOf": [{"required": ["test"]}, {"required": ["disable"]}]},
        "depends_on": {
            "additionalProperties": {
                "type": "object",
                "required": ["condition"],
                "properties": {"condition": {"enum": ["service_healthy", "service_completed_successfully"]}},
            }
        },
    },
}


def test_the_compose_file_is_sound() -> None:
    made = _compose()
    jsonschema_rs.validate({"type": "object", "additionalProperties": SERVICE}, made["services"])
    for name, service in made["services"].items():
        for other, wanted in service.get("depends_on", {}).items():
            assert other in made["services"], name
            if wanted["condition"] == "service_healthy" and "healthcheck" not in made["services"][other]:
                assert other == "web", f"{other} has no check; the image of the web process has one"
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in made["volumes"] or (DEPLOY / source).exists(), name
        assert set(service.get("networks", ())) <= set(made["networks"])
    published = {name for name, service in made["services"].items() if "ports" in service}
    assert published == {"proxy"}, "everything else is reached from inside alone"


def test_the_settings_and_commands_of_the_image_exist() -> None:
    made = _compose()
    fields = {f"TROUVAILLE_{name.upper()}" for name in Settings.model_fields}
    image = (DEPLOY / "Dockerfile").read_text()
    named = set(re.findall(r"\b(TROUVAILLE_[A-Z_]+)[=:]", image))
    for name in ("web", "selfies", "photos", "migrate"):
        named |= {key for key in made["services"][name]["environment"] if key.startswith("TROUVAILLE_")}
    assert named <= fields
    from typer.main import get_command

    from trouvaille.cli import cli

    commands = get_command(cli).commands  # type: ignore[attr-defined]
    for name in ("web", "selfies", "photos"):
        assert made["services"][name]["command"][0] in commands


def test_the_image_runs_as_nobody_special_and_is_watched() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    last_stage = lines[max(number for number, line in enumerate(lines) if line.startswith("FROM ")) :]
    users = [line.split()[1] for line in last_stage if line.startswith("USER ")]
    assert users
    assert users[-1].split(":")[0].isdigit()
    assert users[-1] != "0:0"
    assert any(line.startswith("HEALTHCHECK") for line in last_stage)
    assert not any("COPY . " in line for line in last_stage), "sources stay behind"


def test_no_secret_has_a_value_in_the_files() -> None:
    for path in (DEPLOY / "compose.yaml", DEPLOY / "Dockerfile"):
        for line in path.read_text().splitlines():
            if re.search(r"(PASSWORD|SECRET|TOKEN)[A-Z_]*:", line) and "${" not in line:
                pytest.fail(f"{path.name}: {line.strip()}")
