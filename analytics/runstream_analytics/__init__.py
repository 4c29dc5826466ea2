"""Reading what was tracked: queries, the `runstream` command line and terminal charts."""
