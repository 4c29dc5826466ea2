"""The `runstream` command line: one file per command over queries and renderings."""
