"""Hooks of `trained_model` that end its MLflow run, which the resource `mlflow` starts before the asset.

`dagster_mlflow.end_mlflow_on_run_finished` is a hook of a job: the run would stay open when a person materializes the
asset.
"""

import dagster as dg


@dg.success_hook(required_resource_keys={"mlflow"})
def end_mlflow_run(context: dg.HookContext) -> None:
    """End it as finished."""
    context.resources.mlflow.end_run()


@dg.failure_hook(required_resource_keys={"mlflow"})
def fail_mlflow_run(context: dg.HookContext) -> None:
    """End it as failed."""
    context.resources.mlflow.end_run("FAILED")
