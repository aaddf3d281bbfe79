"""What a model learns from and answers from: rows of `feature_table`, dense panels of them, input rows."""
