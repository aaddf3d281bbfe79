"""How series are forecast. Which version serves is decided in `promotion`.

Rooms, each of which imports only those before it: `candidates` (the methods) → `recipes` (which of them, and how) →
`trained` (what comes out) → `training` (how it is made: backtest, choose, refit). The modules beside them are what
several rooms share (losses, steps ahead, weights, intervals), and the forecasts of record (`issuing`, `record`).
"""
