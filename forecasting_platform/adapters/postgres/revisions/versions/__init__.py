"""One file a revision. Whatever a revision does to rows is written in it, so that later code cannot change it."""
