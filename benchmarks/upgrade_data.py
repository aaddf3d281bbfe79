"""What a platform on earlier releases of Dagster and MLflow leaves in their databases; `upgrade` runs it there.

Reads `DAGSTER_HOME` and `MLFLOW_TRACKING_URI`; prints what it wrote as JSON. Imports nothing of ours.
"""

import json
from datetime import date, timedelta

import dagster as dg
import mlflow

DAYS = 100
FIRST = date(2023, 1, 1)
MODEL = "forecasting_platform"
PARTITIONS = dg.DailyPartitionsDefinition(FIRST.isoformat())
PARTITION_OF_RANGE = {
    "dagster/asset_partition_range_start": FIRST.isoformat(),
    "dagster/asset_partition_range_end": (FIRST + timedelta(days=DAYS - 1)).isoformat(),
}


@dg.asset(partitions_def=PARTITIONS, backfill_policy=dg.BackfillPolicy.single_run())
def raw_observations(context: dg.AssetExecutionContext) -> None:
    """Materializes each day of its range, with metadata."""
    context.add_output_metadata({"rows": 4})


@dg.asset_check(asset=raw_observations)
def is_checked() -> dg.AssetCheckResult:
    """A check that fails."""
    return dg.AssetCheckResult(passed=False, metadata={"rows": 4})


@dg.asset
def broken() -> None:
    """Fails."""
    raise ValueError("broken on purpose")


def dagster_history() -> dict[str, object]:
    """A run over many days, a failed one."""
    with dg.DagsterInstance.get() as instance:
        loaded = dg.materialize([raw_observations, is_checked], instance=instance, tags=PARTITION_OF_RANGE)
        failed = dg.materialize([broken], instance=instance, raise_on_error=False)
        return {
            "days": sorted(instance.get_materialized_partitions(dg.AssetKey("raw_observations"))),
            "runs": {loaded.run_id: "SUCCESS", failed.run_id: "FAILURE"},
        }


def mlflow_history() -> dict[str, object]:
    """Two versions of a model with aliases, tags, parameters and metrics."""
    client = mlflow.MlflowClient()
    client.create_registered_model(MODEL)
    rmse = {}
    for version, alias in (("1", "previous"), ("2", "champion")):
        with mlflow.start_run() as run:
            mlflow.log_param("horizon", 15)
            mlflow.log_metric("rmse", 1.5 * int(version))
        client.create_model_version(MODEL, source=f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
        client.set_registered_model_alias(MODEL, alias, version)
        client.set_model_version_tag(MODEL, version, "cutoff", "2023-06-30")
        rmse[version] = 1.5 * int(version)
    return {"champion": "2", "previous": "1", "rmse": rmse}


if __name__ == "__main__":
    print(json.dumps({"dagster": dagster_history(), "mlflow": mlflow_history()}))
