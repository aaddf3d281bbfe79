"""Promotion as a service: `promoter` decides and moves the alias, `challenger_judge` judges the challenger, `evidence`
gathers what decisions rest on, `recipe_comparison` and `stored_shadow` measure it block by block on an engine,
`versions` knows which version serves, served and should serve. The rule itself is `forecasting.promotion`.
"""
