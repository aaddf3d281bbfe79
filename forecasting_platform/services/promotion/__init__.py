"""Promotion as a service: `promoter` decides and moves the alias, `challenger_judge` judges the challenger, `evidence`
gathers what decisions rest on, `versions` knows which version serves, served and should serve. The rule itself is
`forecasting.promotion`.
"""
