"""Which policy of training, promotion and alerting would have served best over a stored history.

The history is simulated day by day: values arrive, a model is trained every so many days, a rule decides whether it
becomes champion, the champion forecasts, and control judges the forecasts once their actuals came. No model sees a day
after its own training; all policies share fits, comparisons, cutoffs and actuals. Values are as stored today, each
known at the end of its day: late days and revisions are not simulated, and of control only bias and spread.
"""
