"""AWS without an account: the template against AWS's schemas, a run and its log against a local server of its API."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
import yaml
from moto.server import ThreadedMotoServer
from werkzeug.wrappers import Response

from forecasting_platform.adapters.gateway_users import GatewayUsers
from forecasting_platform.adapters.postgres.roles import APP, DAGSTER, MLFLOW, RUNS
from forecasting_platform.gateway_identity import HEADER
from forecasting_platform.local.environment import DAGSTER_INSTANCE
from forecasting_platform_tests.support.ports import free_ports
from forecasting_platform_tests.support.waiting import wait_until
from forecasting_platform_tests.support.web_servers import RecordingServer, served

ROOT = Path(__file__).parents[2]
AWS = ROOT / "deploy" / "aws"
REGION = "eu-west-1"

JOB = """
import dagster as dg

@dg.op
def say() -> None:
    print("said on ECS")

@dg.job(executor_def=dg.in_process_executor)
def speaking_job() -> None:
    say()
"""


@pytest.mark.slow
def test_the_template_meets_the_schemas_of_aws() -> None:
    from cfnlint.api import lint_file  # two seconds, which no fast test should wait for

    assert [str(problem) for problem in lint_file(AWS / "template.yaml")] == []


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "10.0.0.0/0", "10.0.0.0/8", "172.0.0.0/16", "192.0.2.0/24", "10.8.0.0"])
def test_a_range_of_operators_that_is_wide_or_public_is_refused(cidr: str, template: dict[str, Any]) -> None:
    parameter = template["Parameters"]["OperatorsCidr"]
    assert "Default" not in parameter
    assert not re.fullmatch(parameter["AllowedPattern"], cidr)
    assert re.fullmatch(parameter["AllowedPattern"], "10.8.0.0/24")


def test_whoever_is_not_a_task_reaches_them_by_a_balancer_that_speaks_https(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    listeners = [r["Properties"] for r in resources.values() if r["Type"].endswith("::Listener")]
    assert [(listener["Protocol"], bool(listener["Certificates"])) for listener in listeners] == [("HTTPS", True)] * 2
    from_addresses = [
        (name, rule["FromPort"], rule["CidrIp"])
        for name, resource in resources.items()
        for rule in resource["Properties"].get("SecurityGroupIngress", [])
        if "CidrIp" in rule
    ]
    assert from_addresses == [
        ("BalancerSecurityGroup", 443, "0.0.0.0/0"),
        ("OperatorsSecurityGroup", 443, "OperatorsCidr"),
    ]


def test_people_reach_page_dagster_and_mlflow_through_the_gateway_alone(template: dict[str, Any]) -> None:
    resources = {name: resource.get("Properties", {}) for name, resource in template["Resources"].items()}
    services = {
        name: (
            [each["TargetGroupArn"] for each in resources[name].get("LoadBalancers", [])],
            resources[name]["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"],
        )
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::ECS::Service"
    }
    assert services == {
        **dict.fromkeys(("Web", "Daemon", "Mlflow"), ([], ["TaskSecurityGroup"])),
        "App": (["Targets"], ["TaskSecurityGroup"]),
        "Gateway": (["GatewayTargets"], ["GatewaySecurityGroup"]),
    }
    reached_from = {
        (rule["FromPort"], rule["SourceSecurityGroupId"])
        for rule in resources["TaskSecurityGroup"]["SecurityGroupIngress"]
    }
    behind = {(port, "GatewaySecurityGroup") for port in (3000, 3002, 5000)}
    assert reached_from == behind | {(3002, "BalancerSecurityGroup")}
    for name in ("WebDefinition", "AppDefinition", "GatewayDefinition"):
        (container,) = resources[name]["ContainerDefinitions"]
        assert {"Name": "FORECASTING_GATEWAY_SECRET", "ValueFrom": "GatewaySecret"} in container["Secrets"], name


@pytest.mark.slow
def test_the_gateways_task_asks_for_a_login_and_says_who_it_is(template: dict[str, Any], tmp_path: Path) -> None:
    (container,) = template["Resources"]["GatewayDefinition"]["Properties"]["ContainerDefinitions"]
    users = GatewayUsers(tmp_path / "users")
    users.add("anna", "operator", "the password of anna")
    port = free_ports(1)
    with RecordingServer() as app, RecordingServer() as dagster, RecordingServer() as mlflow:
        places = {
            "${PageHost}": "page.example.org", "${DagsterHost}": "dagster.example.org",
            "${MlflowHost}": "mlflow.example.org", ":8080": f":{port}", "/etc/caddy/users": str(tmp_path / "copied"),
            "app.${AWS::StackName}.internal:3002": app.url.removeprefix("http://"),
            "dagster.${AWS::StackName}.internal:3000": dagster.url.removeprefix("http://"),
            "mlflow.${AWS::StackName}.internal:5000": mlflow.url.removeprefix("http://"),
            "${GatewayUsersSecretArn}:passwords::": (tmp_path / "users" / "passwords").read_text(encoding="utf-8"),
            "${GatewayUsersSecretArn}:roles::": (tmp_path / "users" / "roles").read_text(encoding="utf-8"),
            "GatewaySecret": "the secret of both", "/etc/caddy": str(ROOT / "deploy" / "compose"),
        }  # fmt: skip
        given = {each["Name"]: each["Value"] for each in container["Environment"]}
        given |= {each["Name"]: each["ValueFrom"] for each in container["Secrets"]}
        own = {name: _replaced(value, places) for name, value in given.items()}
        own |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
        command = [_replaced(part, places) for part in container["Command"]]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(command, env=own, stdout=log, stderr=log)
        try:
            ask = partial(_ask, port)
            wait_until("the gateway answers", lambda: ask("health.example.org") == 200)
            assert app.asked == []
            for site, server in (("page", app), ("dagster", dagster), ("mlflow", mlflow)):
                assert ask(f"{site}.example.org") == 401
                assert ask(f"{site}.example.org", ("anna", "the password of anna")) == 200
                assert len(server.asked) == 1
            for server in (app, dagster):
                assert server.asked[0].headers[HEADER] == "the secret of both operator anna"
            assert HEADER not in mlflow.asked[0].headers
        finally:
            process.terminate()
            process.wait()


def _replaced(text: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(name, value)
    return text


def _ask(port: int, host: str, login: tuple[str, str] | None = None) -> int | None:
    """The status; None where nobody listens yet."""
    try:
        return requests.get(f"http://127.0.0.1:{port}/", headers={"Host": host}, auth=login, timeout=60).status_code
    except requests.ConnectionError:
        return None


def test_each_task_has_a_login_of_its_own_and_only_the_migration_the_owners(template: dict[str, Any]) -> None:
    containers = {
        name: resource["Properties"]["ContainerDefinitions"][0]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::ECS::TaskDefinition"
    }
    secrets = {
        name: {secret["Name"]: secret["ValueFrom"] for secret in container["Secrets"] if "PASSWORD" in secret["Name"]}
        for name, container in containers.items()
    }
    of_dagster = {"PGPASSWORD": "DagsterPassword", "FORECASTING_POSTGRES_PASSWORD": "RunsPassword"}
    assert secrets == {
        **dict.fromkeys(("WebDefinition", "DaemonDefinition", "RunDefinition"), of_dagster),
        "MlflowDefinition": {"PGPASSWORD": "MlflowPassword"},
        "AppDefinition": {"FORECASTING_POSTGRES_PASSWORD": "AppPassword"},
        "GatewayDefinition": {"PASSWORDS": "${GatewayUsersSecretArn}:passwords::"},
        "MigrateDefinition": {
            "FORECASTING_POSTGRES_PASSWORD": "${Database.MasterUserSecret.SecretArn}:password::",
            "FORECASTING_DAGSTER_ROLE_PASSWORD": "DagsterPassword",
            "FORECASTING_MLFLOW_ROLE_PASSWORD": "MlflowPassword",
            "FORECASTING_RUNS_ROLE_PASSWORD": "RunsPassword",
            "FORECASTING_APP_ROLE_PASSWORD": "AppPassword",
        },
    }
    users = {name: set(re.findall(r"://(\w+)@", json.dumps(container))) for name, container in containers.items()}
    assert users == {
        **{key: {DAGSTER.name, RUNS.name} for key in ("WebDefinition", "DaemonDefinition", "RunDefinition")},
        "MlflowDefinition": {MLFLOW.name},
        "AppDefinition": {APP.name},
        "GatewayDefinition": set(),
        "MigrateDefinition": {"platform", DAGSTER.name, MLFLOW.name},
    }


def test_the_web_server_is_the_images_guarded_one_under_the_operators_name(template: dict[str, Any]) -> None:
    (container,) = template["Resources"]["WebDefinition"]["Properties"]["ContainerDefinitions"]
    assert "Command" not in container
    assert {"Name": "FORECASTING_ALLOWED_HOSTS", "Value": "DagsterHost"} in container["Environment"]


def test_nothing_changes_a_password_that_running_tasks_keep(template: dict[str, Any]) -> None:
    assert "AWS::SecretsManager::RotationSchedule" not in {r["Type"] for r in template["Resources"].values()}


def test_no_role_may_do_everything_and_only_three_actions_reach_everything(template: dict[str, Any]) -> None:
    roles = [r for r in template["Resources"].values() if r["Type"] == "AWS::IAM::Role"]
    statements = [
        s for r in roles for p in r["Properties"].get("Policies", []) for s in p["PolicyDocument"]["Statement"]
    ]
    actions = [a for s in statements for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])]
    assert statements
    assert [action for action in actions if "*" in action] == []
    unbounded = [s["Action"] for s in statements if s["Resource"] == "*" and "Condition" not in s]
    assert unbounded == [["ecs:DescribeTaskDefinition", "ec2:DescribeNetworkInterfaces"]]


def test_the_instance_on_aws_differs_from_the_shared_one_only_where_aws_is_used() -> None:
    shared = yaml.safe_load((ROOT / "dagster.yaml").read_text(encoding="utf-8"))
    on_aws = yaml.safe_load((AWS / "dagster.yaml").read_text(encoding="utf-8"))
    for part in ("run_storage", "event_log_storage", "schedule_storage"):
        assert on_aws[part] == DAGSTER_INSTANCE[part]
    assert on_aws["run_retries"] == shared["run_retries"]
    assert shared["instance_class"]["class"] == "PlatformInstance"
    assert on_aws["run_launcher"]["class"] == "EcsRunLauncher"


class _CloudFormation(yaml.SafeLoader):
    """Reads `!Ref x` as "x"."""


_CloudFormation.add_multi_constructor("!", lambda _loader, _tag, node: node.value)


@pytest.fixture
def template() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load(AWS.joinpath("template.yaml").read_text(encoding="utf-8"), _CloudFormation)
    return loaded


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A local server of AWS's API, which this process and its children take for AWS."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "BUCKET": "forecasting",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="forecasting", CreateBucketConfiguration={"LocationConstraint": REGION})
    yield
    server.stop()


@pytest.fixture
def run_on_ecs(aws: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """`DAGSTER_HOME` of a daemon that is itself a task on ECS, with the launcher and the logs of `deploy/aws`."""
    ecs, ec2 = boto3.client("ecs"), boto3.client("ec2")
    ecs.create_cluster(clusterName="forecasting")
    network = {
        "subnets": [ec2.describe_subnets()["Subnets"][0]["SubnetId"]],
        "securityGroups": [ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]],
    }
    daemon, run = (_register(ecs, name) for name in ("daemon", "run"))
    task = ecs.run_task(
        cluster="forecasting",
        taskDefinition=daemon,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": network},
    )["tasks"][0]
    described = Response(json.dumps({"Cluster": "forecasting", "TaskARN": task["taskArn"], "Name": "daemon"}))
    monkeypatch.setenv("RUN_TASK_DEFINITION", run)
    on_aws = yaml.safe_load((AWS / "dagster.yaml").read_text(encoding="utf-8"))
    home = tmp_path / "home"
    home.mkdir()
    # No daemon runs here to take a run off the queue.
    at_once = {"module": "dagster.core.run_coordinator", "class": "DefaultRunCoordinator"}
    instance = {part: on_aws[part] for part in ("run_launcher", "compute_logs")} | {"run_coordinator": at_once}
    (home / "dagster.yaml").write_text(json.dumps(instance), encoding="utf-8")
    with served(described) as metadata:
        monkeypatch.setenv("ECS_CONTAINER_METADATA_URI_V4", metadata)
        yield home


@pytest.mark.slow
def test_a_run_is_a_task_on_ecs_and_its_log_is_in_the_bucket(run_on_ecs: Path, tmp_path: Path) -> None:
    (tmp_path / "speaking.py").write_text(JOB, encoding="utf-8")
    environment = {**os.environ, "DAGSTER_HOME": str(run_on_ecs), "PYTHONPATH": str(tmp_path)}
    launch = [sys.executable, "-m", "dagster", "job", "launch", "--job", "speaking_job", "--python-file", "speaking.py"]
    _succeed(launch, environment, tmp_path)
    ecs = boto3.client("ecs")
    tasks = ecs.describe_tasks(cluster="forecasting", tasks=ecs.list_tasks(cluster="forecasting")["taskArns"])["tasks"]
    (launched,) = [task for task in tasks if ":task-definition/run:" in task["taskDefinitionArn"]]
    (override,) = launched["overrides"]["containerOverrides"]
    assert override["name"] == "run"
    # What ECS would run in the container.
    _succeed([sys.executable, "-m", *override["command"]], environment, tmp_path)
    s3 = boto3.client("s3")
    logs = [found["Key"] for found in s3.list_objects_v2(Bucket="forecasting", Prefix="compute-logs/")["Contents"]]
    (out,) = [key for key in logs if key.endswith(".out")]
    assert s3.get_object(Bucket="forecasting", Key=out)["Body"].read().decode().strip() == "said on ECS"


def _register(ecs: Any, name: str) -> str:
    definition = ecs.register_task_definition(
        family=name,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[{"name": name, "image": "forecasting-platform", "memory": 512}],
    )
    arn: str = definition["taskDefinition"]["taskDefinitionArn"]
    return arn


def _succeed(command: list[str], environment: dict[str, str], folder: Path) -> None:
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{shlex.join(command)}\n{ended.stdout}\n{ended.stderr}"
