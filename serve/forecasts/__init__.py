"""The champion in memory and the forecasts made with it. No HTTP."""
