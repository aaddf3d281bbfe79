"""One file a revision. What a revision does to rows stands in it, not in code that changes later."""
