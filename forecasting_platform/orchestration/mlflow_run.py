"""Hooks of `trained_model` that end its MLflow run, which the resource `mlflow` starts before the asset.

`dagster_mlflow.end_mlflow_on_run_finished` is a hook of a job: the run would stay open when a person materializes the
asset.
"""

import dagster as dg


def mlflow_hooks(resource: str = "mlflow") -> frozenset[dg.HookDefinition]:
    """The hooks that end it as finished, or as failed.

    Args:
        resource: the key under which MLflow is.
    """

    @dg.success_hook(name="end_mlflow_run", required_resource_keys={resource})
    def end(context: dg.HookContext) -> None:
        getattr(context.resources, resource).end_run()

    @dg.failure_hook(name="fail_mlflow_run", required_resource_keys={resource})
    def fail(context: dg.HookContext) -> None:
        getattr(context.resources, resource).end_run("FAILED")

    return frozenset((end, fail))
