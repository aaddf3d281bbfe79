"""Claims about `forecasts`."""

import dagster as dg

from forecasting_platform.forecasting.frames import FORECASTS
from forecasting_platform.orchestration.assets.forecasts import forecasts
from forecasting_platform.orchestration.partitions import checked_period
from forecasting_platform.ports.table_store import TableStore


@dg.asset_check(asset=forecasts)
def forecasts_have_ordered_intervals(
    context: dg.AssetCheckExecutionContext, table_store: dg.ResourceParam[TableStore]
) -> dg.AssetCheckResult:
    """Each forecast lies inside its 80 % interval, and that inside the 95 % one."""
    rows = table_store.read(FORECASTS, checked_period(context))
    bounds = ["y_hat_lo_95", "y_hat_lo_80", "y_hat", "y_hat_hi_80", "y_hat_hi_95"]
    ordered = (rows[bounds].diff(axis=1).iloc[:, 1:] >= 0).all(axis=1)
    bad = rows.loc[~ordered, ["unique_id", "cutoff", "ds"]]
    return dg.AssetCheckResult(
        passed=bad.empty,
        description=f"{len(rows) - len(bad)} of {len(rows)} forecasts have ordered intervals",
        metadata={"crossed": len(bad), "sample": bad.head(5).astype(str).to_json(orient="records")},
    )
