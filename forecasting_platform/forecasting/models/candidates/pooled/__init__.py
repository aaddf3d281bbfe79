"""Candidates that are fitted over all series at once: their columns, trees, and estimators stored as ONNX."""
