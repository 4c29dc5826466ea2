"""The two contracts of runstream: what events look like (`events/*.avsc`) and what the store holds (`tables/*.sql`)."""
