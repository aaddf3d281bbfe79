"""How series are forecast: candidates, weights, intervals, the trained model. Who serves is decided in `promotion`."""
