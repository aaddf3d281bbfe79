"""What tests need of Dagster beyond its public API: one place to look at when Dagster is upgraded."""

from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetNode
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.definitions.freshness_evaluator import FRESHNESS_EVALUATORS_BY_POLICY_TYPE
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.events import EngineEventData
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.instance import InstanceRef
from dagster._core.loader import LoadingContextForTest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.remote_representation.external import RemoteJob
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.tags import GRPC_INFO_TAG, WILL_RETRY_TAG
from dagster._core.test_utils import (
    create_run_for_test,
    create_test_daemon_workspace_context,
    freeze_time,
    instance_for_test,
)
from dagster._core.workspace.load_target import ModuleTarget
from dagster._daemon import backfill, controller
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon
from dagster._grpc.client import DEFAULT_SENSOR_GRPC_TIMEOUT
from dagster._utils.error import SerializableErrorInfo
from dagster.components.core.component_tree import ComponentTreeException

MOCKED_RUN_LAUNCHER = {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}

__all__ = [
    "DEFAULT_SENSOR_GRPC_TIMEOUT",
    "FRESHNESS_EVALUATORS_BY_POLICY_TYPE",
    "GRPC_INFO_TAG",
    "MOCKED_RUN_LAUNCHER",
    "WILL_RETRY_TAG",
    "BaseAssetNode",
    "BulkActionStatus",
    "ComponentTreeException",
    "EngineEventData",
    "FreshnessState",
    "FreshnessStateChange",
    "InstanceRef",
    "InstigatorState",
    "InstigatorStatus",
    "InstigatorType",
    "LoadingContextForTest",
    "LocalComputeLogManager",
    "ModuleTarget",
    "PartitionBackfill",
    "QueuedRunCoordinatorDaemon",
    "RegisteredCodeLocationOrigin",
    "RemoteInstigatorOrigin",
    "RemoteJob",
    "RemoteRepositoryOrigin",
    "SerializableErrorInfo",
    "TickData",
    "TickStatus",
    "UnresolvedAssetJobDefinition",
    "backfill",
    "controller",
    "create_run_for_test",
    "create_test_daemon_workspace_context",
    "execute_run_monitoring_iteration",
    "freeze_time",
    "instance_for_test",
]
