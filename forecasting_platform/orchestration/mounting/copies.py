"""Copies of assets, checks, sensors and schedules under the name of a platform.

Dagster finds a resource by the name of a function's argument, and an op by its own name; both must differ between two
platforms of one code location. What is copied reads keys and names of its `settings`.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction
from dagster._core.definitions.resource_annotation import get_resource_args

from forecasting_platform.orchestration.mlflow_run import mlflow_hooks
from forecasting_platform.orchestration.names import asset_key, part_name

Function = Callable[..., Any]
_Assets = TypeVar("_Assets", bound=dg.AssetsDefinition)


def copied_assets(mount: str, assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets and checks under a platform's name: keys, groups, ops, pools and resources."""
    keys = {key: asset_key(mount, *key.path) for asset in assets for key in _mentioned(asset)}
    return [_copied_asset(mount, asset, keys) for asset in assets]


def _mentioned(asset: dg.AssetsDefinition) -> set[dg.AssetKey]:
    checked = {key.asset_key for key in asset.check_keys}
    return {*asset.keys, *checked, *(dep.asset_key for spec in asset.specs for dep in spec.deps)}


def _copied_asset(mount: str, asset: _Assets, keys: Mapping[dg.AssetKey, dg.AssetKey]) -> _Assets:
    renamed = asset.with_attributes(asset_key_replacements=keys).map_asset_specs(
        lambda spec: spec.replace_attributes(group_name=part_name(mount, spec.group_name or "default"))
    )
    attributes = renamed.get_attributes_dict()
    if isinstance(attributes["node_def"], dg.OpDefinition):
        attributes["node_def"] = copied_op(mount, attributes["node_def"])
    if attributes["hook_defs"]:
        attributes["hook_defs"] = mlflow_hooks(part_name(mount, "mlflow"))
    return cast(_Assets, type(asset).dagster_internal_init(**attributes))


def copied_op(mount: str, op: dg.OpDefinition) -> dg.OpDefinition:
    """An op under a platform's name."""
    function = cast(DecoratedOpFunction, op.compute_fn).decorated_fn
    return dg.OpDefinition(
        compute_fn=DecoratedOpFunction(with_resources_of(mount, function)),
        name=part_name(mount, op.name),
        ins=op.ins,
        outs=op.outs,
        description=op.description,
        config_schema=op.config_schema,
        required_resource_keys={part_name(mount, key) for key in op.required_resource_keys},
        tags=op.tags,
        retry_policy=op.retry_policy,
        pool=part_name(mount, op.pool) if op.pool else None,
    )


def copied_sensor(mount: str, sensor: dg.SensorDefinition) -> dg.SensorDefinition:
    """A sensor under a platform's name."""
    if isinstance(sensor, dg.RunStatusSensorDefinition):
        return _copied_run_status_sensor(mount, sensor)
    make = dg.sensor(
        name=part_name(mount, sensor.name),
        minimum_interval_seconds=sensor.minimum_interval_seconds,
        description=sensor.description,
        default_status=sensor.default_status,
        job_name=part_name(mount, str(sensor.job_name)) if sensor.has_jobs else None,
    )
    return make(with_resources_of(mount, sensor._raw_fn))


def _copied_run_status_sensor(mount: str, sensor: dg.RunStatusSensorDefinition) -> dg.SensorDefinition:
    return dg.RunStatusSensorDefinition(
        part_name(mount, sensor.name),
        run_status=dg.DagsterRunStatus.FAILURE,
        run_status_sensor_fn=with_resources_of(mount, sensor._run_status_sensor_fn),
        minimum_interval_seconds=sensor.minimum_interval_seconds,
        description=sensor.description,
        default_status=sensor.default_status,
    )


def with_resources_of(mount: str, function: Function) -> Function:
    """The function with each resource argument behind the platform's name, by which Dagster finds the resource."""
    if not mount:
        return function
    renamed = {argument.name: part_name(mount, argument.name) for argument in get_resource_args(function)}
    signature = inspect.signature(function, eval_str=True)
    given = {new: old for old, new in renamed.items()}

    def by_own_names(named: Mapping[str, Any]) -> dict[str, Any]:
        return {given.get(name, name): value for name, value in named.items()}

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **by_own_names(kwargs))

    @wraps(function)
    def iterate(*args: Any, **kwargs: Any) -> Any:
        yield from function(*args, **by_own_names(kwargs))

    # Dagster asks whether a function yields its results.
    copied: Any = iterate if inspect.isgeneratorfunction(function) else call

    parameters = [each.replace(name=renamed.get(name, name)) for name, each in signature.parameters.items()]
    copied.__signature__ = signature.replace(parameters=parameters)
    return cast(Function, copied)
